"""What PostgreSQL does with our queries: one partition, and lists out of an index."""

from uuid import uuid4

import pytest
from django.db import connection, models, transaction

from apps.crm.models import Activity, Customer
from apps.crm.viewsets import CustomerViewSet
from apps.tenants.models import Tenant
from nexora.kernel.api.filters import search_condition
from nexora.kernel.db.login import owner_login
from nexora.kernel.models import TenantModel
from nexora.kernel.scope import tenant_scope
from tests.contracts.routes import LISTS
from tests.factories import FACTORIES, ActivityFactory, TenantFactory

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
        pytest.param(table, index.expressions[1].expression.name, id=table)
        for table, model in sorted(MODELS.items())
        for index in model._meta.indexes
        if len(index.expressions) == 3
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
    """Hosts, kept answers, codes and counts are looked up by key; notifications are listed by person."""
    others = {"domains", "idempotency_keys", "recovery_codes", "attempts", "request_counts", "notifications"}
    assert {param.id for param in newest_first()} == set(MODELS) - others


@pytest.mark.django_db(transaction=True)
def test_a_search_of_a_large_tenant_reads_the_rows_that_it_finds():
    """Under row-level security: an operator that may tell what it sees would not be let near an index."""
    acme, globex = TenantFactory(subdomain="acme"), TenantFactory(subdomain="globex")
    for tenant, rows in ((acme, 3000), (globex, 30)):
        with tenant_scope(tenant):
            run(
                "INSERT INTO customers (name, email, company) "
                f"SELECT 'Person ' || n, n || '@example.com', 'Firm ' || n % 50 FROM generate_series(1, {rows}) n"
            )
    with owner_login():
        run("ANALYZE customers")
    for text, count in (("person 77", 11), ("77", 11), ("FIRM 49", 69), ("nobody", 0)):
        with tenant_scope(acme):
            found = Customer.objects.filter(search_condition(CustomerViewSet.search_fields, text))
            plan = found.explain()
            assert found.count() == count
        assert "Seq Scan" not in plan, plan
        for name in Customer.searched:
            assert f"{name}_folded >= '{text.lower()}'::text" in plan, plan
            assert f"idx_customers_tenant_id_{name}_folded" in plan, plan
    with tenant_scope(globex):
        assert Customer.objects.filter(search_condition(("name",), "person")).count() == 30


def test_what_lists_search_is_stored_for_searching():
    for route in LISTS:
        assert set(route.viewset.search_fields) <= set(route.model.searched), route
