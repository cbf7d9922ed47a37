from django.db import migrations

from nexora.kernel.db.operations import SearchColumns


class Migration(migrations.Migration):
    dependencies = [("tenants", "0003_tenant_of_host")]

    operations = [SearchColumns("tenants", ("name", "subdomain"), tenant=None)]
