from pathlib import Path

from django.db import migrations

from nexora.kernel.db.operations import NewOwnerFunction

SQL = Path(__file__).parent / "sql"


class Migration(migrations.Migration):
    dependencies = [("tenants", "0005_search_domains")]

    operations = [
        NewOwnerFunction(
            "tenant_of_host(text, text)",
            source=SQL / "tenant_of_host.v2.sql",
            instead_of=SQL / "tenant_of_host.v1.sql",
        )
    ]
