"""`manage.py up`, as `make run` calls it, and the server that comes along."""

import contextlib
import http.client
import os
import signal
import sys
import tempfile
import time
from pathlib import Path

import psycopg
import pytest

from nexora.kernel.processes import Child, stop
from tests import production
from tests.cluster import ROOT

# Its own server, whichever the other tests run on.
pytestmark = [pytest.mark.slow, pytest.mark.once]

START_SECONDS, RECOVERY_SECONDS = 90, 5


@pytest.fixture
def home():
    # Not tmp_path: pytest closes that to the server's user.
    with tempfile.TemporaryDirectory(prefix="nexora-") as path:
        yield Path(path)


def is_ready(port):
    attempt = http.client.HTTPConnection("127.0.0.1", port, timeout=RECOVERY_SECONDS)
    with contextlib.closing(attempt):
        try:
            # An unknown host is looked up in the database.
            attempt.request("GET", "/api/v1/", headers={"Host": f"{time.monotonic_ns()}.localhost"})
            return attempt.getresponse().status == 404
        except (OSError, http.client.HTTPException):
            return False


@pytest.mark.parametrize("pool", ["0", "1"])
def test_a_server_that_was_killed_is_started_and_requests_go_on(home, pool):
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("DATABASE_", "NEXORA_"))}
    environment |= {"NEXORA_DATA_DIR": str(home / "data"), "DATABASE_POOL": pool}
    port, data = production.free_port(), home / "data/postgres"
    command = [sys.executable, ROOT / "manage.py", "up", "--no-demo", "--port", port]
    up = Child("up", command, log=home / "up.log", cwd=ROOT, env=environment)
    try:
        wait_for(lambda: "Ctrl-C stops everything" in up.output(), START_SECONDS, up)
        for _ in range(2):
            wait_for(lambda: is_ready(port), RECOVERY_SECONDS, up)
            killed = server_of(data)
            os.kill(killed, signal.SIGKILL)
            # After a crash it reads and writes all of its files before it lets anybody in.
            wait_for(lambda: server_of(data) not in (None, killed), START_SECONDS, up)  # noqa: B023
        wait_for(lambda: is_ready(port), RECOVERY_SECONDS, up)
    finally:
        assert stop([up], patience=30) == []


def server_of(data):
    """The process id of the server that lets clients in, or None."""
    try:
        with psycopg.connect(host=str(data), user="postgres", dbname="nexora") as connection:
            return int(connection.execute("SELECT pg_read_file('postmaster.pid')").fetchone()[0].split()[0])
    except psycopg.OperationalError:
        return None


def wait_for(is_true, seconds, up):
    deadline = time.monotonic() + seconds
    while not is_true():
        assert up.ended() is None and time.monotonic() < deadline, up.last_lines(40)
        time.sleep(0.1)
