from django.db import migrations

from nexora.kernel.db.operations import SearchColumns


class Migration(migrations.Migration):
    dependencies = [("tenants", "0004_search_columns")]

    operations = [SearchColumns("domains", ("domain",))]
