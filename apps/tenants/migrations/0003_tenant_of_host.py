from pathlib import Path

from django.db import migrations

from nexora.kernel.db.operations import OwnerFunction

SQL = Path(__file__).parent / "sql"


class Migration(migrations.Migration):
    dependencies = [("tenants", "0002_protect_tables")]

    operations = [OwnerFunction("tenant_of_host(text, text)", source=SQL / "tenant_of_host.v1.sql")]
