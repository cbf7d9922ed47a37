from django.db import migrations

from nexora.kernel.db.operations import HashPartitions


class Migration(migrations.Migration):
    dependencies = [("crm", "0001_initial")]

    operations = [HashPartitions("activities", modulus=16)]
