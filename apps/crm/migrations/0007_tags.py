from django.db import migrations

from nexora.kernel.db.operations import ArrayElements


class Migration(migrations.Migration):
    dependencies = [("crm", "0006_index_filters")]

    operations = [ArrayElements("customers", "tags", first=6)]
