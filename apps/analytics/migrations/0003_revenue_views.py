from pathlib import Path

from django.db import migrations

from nexora.kernel.db.operations import Grant, OwnerFunction, TenantReport

SQL = Path(__file__).parent / "sql"


def revenue(column):
    # The zone is named: date_trunc of a timestamptz otherwise follows whichever session refreshes.
    return (
        f"SELECT tenant_id, date_trunc('month', {column}, 'UTC') AS month, sum(value) AS total_revenue, "
        f"count(*) AS deal_count FROM deals WHERE stage = 'closed_won' AND {column} IS NOT NULL "
        f"GROUP BY tenant_id, date_trunc('month', {column}, 'UTC')"
    )


class Migration(migrations.Migration):
    dependencies = [("analytics", "0002_protect_tables"), ("crm", "0003_protect_tables")]

    operations = [
        TenantReport(
            "revenue_by_month",
            query=revenue("created_at"),
            key=["tenant_id", "month"],
            indexes={"idx_revenue_by_month_tenant": "tenant_id"},
        ),
        TenantReport("revenue_by_close_month", query=revenue("closed_at"), key=["tenant_id", "month"]),
        Grant("SELECT", on=["view_refreshes"]),
        OwnerFunction("refresh_revenue(boolean)", source=SQL / "refresh_revenue.v1.sql"),
    ]
