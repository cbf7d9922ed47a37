from django.db import migrations

from nexora.kernel.db.operations import ProtectTable


class Migration(migrations.Migration):
    dependencies = [("workflows", "0001_initial")]

    operations = [
        ProtectTable("workflows"),
        # The engine writes runs and never removes one; they go with their workflow.
        ProtectTable("workflow_executions", runtime="SELECT, INSERT, UPDATE"),
    ]
