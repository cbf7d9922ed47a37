"""What PostgreSQL does with our queries: one partition, and lists out of an index."""

from uuid import uuid4

import pytest
from django.db import connection, models, transaction

from apps.crm.models import Activity
from apps.tenants.models import Tenant
from nexora.kernel.models import TenantModel
from nexora.kernel.scope import tenant_scope
from tests.factories import FACTORIES, ActivityFactory

MODELS = {m._meta.db_table: m for m in FACTORIES if issubclass(m, TenantModel) and m is not Tenant}


def run(statement):
    with connection.cursor() as cursor:
        cursor.execute(statement)
        return cursor.fetchall() if cursor.description else []


def explain(queryset, **planner):
    with transaction.atomic():
        for name, value in planner.items():
            run(f"SET LOCAL {name} = {value}")
        return queryset.explain()


def test_a_query_of_the_orm_reads_one_partition(acme):
    ActivityFactory(tenant=acme)
    with tenant_scope(acme):
        for queryset in (Activity.objects.all(), Activity.objects.pending(), Activity.objects.filter(pk=uuid4())):
            plan = explain(queryset)
            assert sum(f"activities_p{n:02}" in plan for n in range(16)) == 1, plan


def test_plain_sql_reads_one_partition_too(acme):
    """By the policy alone: pruned when the statement starts."""
    ActivityFactory(tenant=acme)
    with tenant_scope(acme):
        plan = "\n".join(line for (line,) in run("EXPLAIN SELECT * FROM activities"))
    assert "Subplans Removed: 15" in plan


def newest_first():
    """[(table, column)] of every table whose list has an index of its own."""
    return [
        pytest.param(table, index.name.removeprefix(f"idx_{table}_tenant_id_").removesuffix("_id"), id=table)
        for table, model in sorted(MODELS.items())
        for index in model._meta.indexes
        if index.name.endswith("_at_id")
    ]


@pytest.mark.parametrize(("table", "column"), newest_first())
def test_the_newest_rows_come_out_of_an_index(acme, table, column):
    model = MODELS[table]
    with tenant_scope(acme):
        newest = model.objects.order_by(models.F(column).desc(nulls_last=True), "-id")[:50]
        plan = explain(newest, enable_seqscan="off", enable_bitmapscan="off", enable_sort="off")
    assert "Sort" not in plan, plan
    assert "Index Scan using" in plan or "Index Only Scan using" in plan, plan
    if table != "activities":
        assert f"idx_{table}_tenant_id_{column}_id" in plan, plan


def test_every_list_has_its_index():
    """Sessions and hosts are few and looked up by key."""
    assert {param.id for param in newest_first()} == set(MODELS) - {"refresh_tokens", "domains"}
