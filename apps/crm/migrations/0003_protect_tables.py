from django.db import migrations

from nexora.kernel.db.operations import ProtectTable


class Migration(migrations.Migration):
    dependencies = [("crm", "0002_partition_activities")]

    operations = [ProtectTable("customers"), ProtectTable("deals"), ProtectTable("activities")]
