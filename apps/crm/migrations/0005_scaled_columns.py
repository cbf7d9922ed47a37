from django.db import migrations

from nexora.kernel.db.operations import ScaledColumns


class Migration(migrations.Migration):
    dependencies = [("crm", "0004_search_columns")]

    operations = [ScaledColumns("deals", {"value": 2})]
