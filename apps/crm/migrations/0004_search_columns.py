from django.db import migrations

from nexora.kernel.db.operations import SearchColumns


class Migration(migrations.Migration):
    dependencies = [("crm", "0003_protect_tables")]

    operations = [SearchColumns("customers", ("name", "email", "company")), SearchColumns("deals", ("title",)), SearchColumns("activities", ("subject",))]
