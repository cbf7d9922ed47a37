from django.db import migrations

from nexora.kernel.db.operations import SearchColumns


class Migration(migrations.Migration):
    dependencies = [("accounts", "0004_grant_framework_tables")]

    operations = [SearchColumns("users", ("name", "email"))]
