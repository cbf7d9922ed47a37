from django.db import migrations

from nexora.kernel.db.operations import CRUD, ProtectTable


class Migration(migrations.Migration):
    dependencies = [("tenants", "0001_initial")]

    operations = [
        # A tenant edits its name, settings and brand; plan, status and subdomain are the platform's.
        ProtectTable(
            "tenants",
            visible="id = current_tenant()",
            runtime="SELECT, UPDATE (name, settings, white_label, updated_at)",
            platform=CRUD,
        ),
        ProtectTable("subscriptions", runtime="SELECT"),
        ProtectTable("domains", runtime="SELECT"),
    ]
