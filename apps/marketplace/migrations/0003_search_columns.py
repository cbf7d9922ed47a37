from django.db import migrations

from nexora.kernel.db.operations import SearchColumns


class Migration(migrations.Migration):
    dependencies = [("marketplace", "0002_protect_tables")]

    operations = [SearchColumns("plugins", ("name", "slug"), tenant=None)]
