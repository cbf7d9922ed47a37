import os
from pathlib import Path

# Of the workers' processes: the directory that they share with their test.
HOME = Path(os.environ.get("FAULTS_HOME", "/nonexistent"))
