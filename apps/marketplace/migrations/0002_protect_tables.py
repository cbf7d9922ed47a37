from django.db import migrations

from nexora.kernel.db.operations import CRUD, Grant, ProtectTable


class Migration(migrations.Migration):
    dependencies = [("marketplace", "0001_initial")]

    operations = [
        # The catalogue is everybody's to read and the platform's to write.
        Grant("SELECT", on=["plugins"], to=["runtime"]),
        Grant(CRUD, on=["plugins"], to=["platform"]),
        ProtectTable("plugin_installations"),
    ]
