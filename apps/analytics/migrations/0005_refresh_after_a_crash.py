from pathlib import Path

from django.db import migrations

from nexora.kernel.db.operations import NewOwnerFunction

SQL = Path(__file__).parent / "sql"


class Migration(migrations.Migration):
    dependencies = [("analytics", "0004_search_columns")]

    operations = [
        NewOwnerFunction(
            "refresh_revenue(boolean)",
            source=SQL / "refresh_revenue.v2.sql",
            instead_of=SQL / "refresh_revenue.v1.sql",
        ),
    ]
