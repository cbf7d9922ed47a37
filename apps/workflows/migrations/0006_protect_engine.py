from django.db import migrations

from nexora.kernel.db.operations import ProtectTable


class Migration(migrations.Migration):
    dependencies = [("workflows", "0005_engine")]

    operations = [
        # A version never changes, and goes with its workflow.
        ProtectTable("workflow_versions", runtime="SELECT, INSERT"),
        ProtectTable("workflow_steps", runtime="SELECT, INSERT, UPDATE"),
    ]
