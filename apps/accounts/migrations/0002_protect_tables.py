from django.db import migrations

from nexora.kernel.db.operations import ProtectTable


class Migration(migrations.Migration):
    dependencies = [("accounts", "0001_initial")]

    operations = [
        ProtectTable("users"),
        ProtectTable("refresh_tokens"),
        # What is written there stays as it was written, whoever asks.
        ProtectTable("audit_events", runtime="SELECT, INSERT", platform="SELECT, INSERT"),
    ]
