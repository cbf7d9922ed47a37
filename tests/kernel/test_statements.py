"""SQL that is written once is filled anew each time, with the tenant in scope and each value as its column has it."""

from decimal import Decimal
from uuid import uuid4

import pytest
from django.db import DataError, ProgrammingError, connection, transaction
from django.db.models import F, QuerySet, Value
from django.db.models.functions import Lower
from django.test.utils import CaptureQueriesContext

from apps.crm.models import Customer, Deal
from apps.workflows.models import WorkflowExecution, WorkflowStep
from nexora.kernel import clock, statements
from nexora.kernel.errors import CrossTenantWrite, ScopeRequired
from nexora.kernel.scope import tenant_scope, unscoped
from nexora.kernel.statements import KEY, Find, Slot, Statement, Statements, among
from tests.factories import CustomerFactory, DealFactory, WorkflowExecutionFactory, WorkflowFactory


def by_key():
    return Customer.objects.filter(pk=Slot(KEY, Customer._meta.pk))


@pytest.fixture
def fresh(monkeypatch):
    """No statement is known yet."""
    for name in ("_inserts", "_updates"):
        monkeypatch.setattr(statements, name, Statements())


def test_a_statement_asks_for_the_rows_of_whatever_tenant_is_in_scope(acme, globex):
    ours, theirs = CustomerFactory(tenant=acme), CustomerFactory(tenant=globex)
    with tenant_scope(acme):
        find = Find(by_key())
        assert find.record({KEY: ours.pk}) == ours
        assert find.record({KEY: theirs.pk}) is None
    with tenant_scope(globex):
        assert find.record({KEY: ours.pk}) is None
        assert find.record({KEY: theirs.pk}) == theirs
    with pytest.raises(ScopeRequired):
        find.record({KEY: ours.pk})


def test_the_session_is_told_the_scope_before_a_kept_statement(acme, globex):
    """Row-level security stands behind the statement, not only the condition in it."""
    theirs = CustomerFactory(tenant=globex)
    with tenant_scope(globex):
        find = Find(by_key())
    find.sql = find.sql.replace('"customers"."tenant_id" = %s AND ', "")
    find.params = [param for param in find.params if param[0] is not statements.TenantSlot]
    with tenant_scope(globex):
        assert find.record({KEY: theirs.pk}) == theirs
    with tenant_scope(acme):
        assert find.record({KEY: theirs.pk}) is None


def test_a_query_that_lacks_its_tenant_cannot_be_kept(acme):
    with tenant_scope(acme), pytest.raises(AssertionError, match="Customer was compiled without its tenant"):
        Statement(QuerySet(Customer))


def test_one_that_was_found_is_changed_like_any_other(acme):
    made = CustomerFactory(tenant=acme, name="Ada", custom_fields={"a": 1})
    with tenant_scope(acme):
        found = Find(by_key()).record({KEY: made.pk})
        assert found.changed_fields() == {} and found.__dict__.keys() == Customer.objects.get().__dict__.keys()
        found.custom_fields["a"] = 2
        found.save()
        assert Customer.objects.get().custom_fields == {"a": 2}


def test_rows_are_written_by_kept_sql(acme, globex, fresh):
    with CaptureQueriesContext(connection) as queries:
        first, second = DealFactory(tenant=acme, value="12.5"), DealFactory(tenant=globex, value=Decimal("-1"))
    inserts = [query["sql"] for query in queries if query["sql"].startswith('INSERT INTO "deals"')]
    assert len(inserts) == 2 and len(statements._inserts.known) == 2  # a customer's, a deal's
    for deal, tenant, value in ((first, acme, "12.50"), (second, globex, "-1.00")):
        with tenant_scope(tenant):
            deal.title = f"{tenant.name}'s"
            deal.save()
            assert str(Deal.objects.get().value) == value and Deal.objects.get().title == deal.title
    assert len(statements._updates.known) == 1


@pytest.mark.parametrize("value", [None, {}, [], {"a": None}, {"value": "%s"}, "text", 0])
def test_json_is_stored_as_the_orm_would(acme, value):
    with tenant_scope(acme):
        kept = CustomerFactory(tenant=acme, custom_fields=value)
        by_orm = Customer(tenant=acme, name="By the ORM", custom_fields=value)
        Customer.objects.unpublished("test data").bulk_create([by_orm])
        with connection.cursor() as cursor:
            cursor.execute("SELECT custom_fields::text FROM customers")
            texts = [text for (text,) in cursor.fetchall()]
        assert texts[0] == texts[1]
        kept.custom_fields = {"b": 1}
        kept.save()
        kept.custom_fields = value
        kept.save()
        assert Customer.objects.get(pk=kept.pk).custom_fields == value


def test_what_the_database_fills_in_is_read_back(acme):
    with tenant_scope(acme):
        made = Customer(tenant=acme, name="Ada", email="ada@example.com")
        made.save()
        stored = Customer.objects.get()
        for column in Customer._meta.concrete_fields:
            assert getattr(made, column.attname) == getattr(stored, column.attname), column.name


@pytest.mark.parametrize("number", [2**31, 2**32 + 5, -(2**31) - 1, 2**64 + 7])
def test_a_whole_number_too_large_for_its_column_is_refused(acme, number):
    with tenant_scope(acme):
        deal = DealFactory(probability=1)
        deal.probability = number
        with pytest.raises(DataError), transaction.atomic():
            deal.save()
        with pytest.raises(DataError), transaction.atomic():
            Deal(customer=deal.customer, title="Too likely", value=1, probability=number).save()
        assert Deal.objects.get().probability == 1


def test_an_expression_is_written_by_the_orm(acme, fresh):
    with tenant_scope(acme):
        customer = Customer(tenant=acme, name=Lower(Value("ADA")))
        customer.save()
        assert customer.name == "ada"
        deal = DealFactory(tenant=acme, customer=customer, probability=10)
        deal.probability = F("probability") + 5
        deal.save()
        assert deal.probability == 15
    assert not statements._updates.known


def test_the_scope_over_all_tenants_has_statements_of_its_own(acme, globex, fresh):
    ours, theirs = CustomerFactory(tenant=acme), CustomerFactory(tenant=globex)
    with tenant_scope(acme):
        ours.name = "Ours"
        ours.save()
    with unscoped(reason="test"):
        theirs.name = "Theirs"
        theirs.save()
    with unscoped(reason="test"):
        assert sorted(Customer.objects.values_list("name", flat=True)) == ["Ours", "Theirs"]
    assert len(statements._updates.known) == 2


def test_an_update_finds_no_row_of_another_tenant(acme, globex, fresh):
    ours, theirs = CustomerFactory(tenant=acme), CustomerFactory(tenant=globex)
    name = Customer._meta.get_field("name")
    with tenant_scope(acme):
        assert statements.update(Customer, ours.pk, {name: "Mine"}, "default") == 1
        assert statements.update(Customer, theirs.pk, {name: "Mine"}, "default") == 0


def test_a_kept_plan_keeps_no_rights(acme, globex, fresh):
    """PostgreSQL plans an INSERT once for each session; which rows it admits follows the scope all the same."""
    columns = {column.attname: column for column in Customer._meta.concrete_fields}

    def insert(tenant):
        values = {columns["tenant_id"]: tenant.pk, columns["name"]: "Ada"}
        return statements.insert(Customer, values, (), "default")

    for _ in range(8):  # PostgreSQL takes one plan for all values after five
        with tenant_scope(acme):
            insert(acme)
        with unscoped(reason="test"):
            insert(globex)
    with tenant_scope(acme), pytest.raises(ProgrammingError, match="row-level security"), transaction.atomic():
        insert(globex)
    with tenant_scope(globex):
        assert Customer.objects.count() == 8


def test_a_session_keeps_the_plan_of_a_statement_that_asks_for_it_and_of_no_other(acme):
    customer = CustomerFactory(tenant=acme)
    with tenant_scope(acme):
        kept, other = Find(by_key()), Statement(by_key())
        for _ in range(8):  # psycopg would keep any by itself after five
            assert kept.record({KEY: customer.pk}) == customer
            assert other.fetch({KEY: customer.pk})
            Customer.objects.filter(pk=customer.pk).first()
    with connection.cursor() as cursor:
        cursor.execute("SELECT statement FROM pg_prepared_statements WHERE statement LIKE 'SELECT \"customers\".%'")
        (found,) = cursor.fetchall()
    assert found == (kept.sql.replace("= (%s)", "= ($2)").replace("%s", "$1"),)


def test_a_record_is_found_together_with_those_it_refers_to(acme, admin, django_assert_num_queries):
    deal = DealFactory(tenant=acme, assigned_to=admin)
    lonely = DealFactory(tenant=acme, assigned_to=None)
    with tenant_scope(acme):
        deals = Deal.objects.filter(pk=Slot(KEY, Deal._meta.pk)).select_related("customer__created_by", "assigned_to")
        find = Find(deals.defer("customer__tags"))
        with django_assert_num_queries(2):
            found, other = find.record({KEY: deal.pk}), find.record({KEY: lonely.pk})
            assert (found, found.customer, found.assigned_to) == (deal, deal.customer, admin)
            assert found.value == deal.value and found.customer.name == deal.customer.name
            assert other.assigned_to is None and other.customer.created_by is None
        assert found.customer.tags == deal.customer.tags
        found.customer.name = "Anew"
        found.customer.save()
        assert Customer.objects.get(pk=deal.customer_id).name == "Anew"


def test_a_list_finds_the_rows_that_have_one_of_it(acme, globex):
    rows = [CustomerFactory(tenant=acme, name=name) for name in ("Ada", "Bea", "Cem")]
    theirs = CustomerFactory(tenant=globex, name="Ada")
    pk, name = (Customer._meta.get_field(column) for column in ("id", "name"))
    with tenant_scope(acme):
        found = Customer.objects.filter(among("keys", pk) | among("names", name)).order_by("name")
        find = Statement(found.values_list("name"), keeps_plan=True)

        def names(**values):
            return [name for (name,) in find.execute(values).fetchall()]

        for _ in range(2):
            assert names(keys=[], names=[]) == []
            assert names(keys=[rows[2].pk, theirs.pk], names=["Ada", "Dee"]) == ["Ada", "Cem"]
            assert names(keys=[str(rows[1].pk)], names=[]) == ["Bea"]


def test_a_row_and_a_change_of_another_are_stored_together(acme, globex, django_assert_num_queries):
    with tenant_scope(acme):
        run = WorkflowExecutionFactory(tenant=acme, workflow=WorkflowFactory(tenant=acme))
        gone = WorkflowExecution(pk=uuid4(), tenant=acme, workflow=run.workflow)
        run.output = {"steps": {"a": 1}}
        step = WorkflowStep(execution=run, path="0", key="a", type="stop", status="completed", started_at=clock.now())
        with django_assert_num_queries(1):
            run.save_with(step)
        assert not run.changed_fields() and not step.changed_fields()
        assert WorkflowExecution.objects.get(pk=run.pk).output == {"steps": {"a": 1}}
        assert WorkflowStep.objects.get().execution == run
        step.status = "failed"
        step.save()
        assert WorkflowStep.objects.get().status == "failed"
        gone._state.adding = False
        gone.output = {}
        again = WorkflowStep(execution=run, path="1", key="b", type="stop", status="completed", started_at=clock.now())
        with pytest.raises(WorkflowExecution.NotUpdated, match="is gone"), transaction.atomic():
            gone.save_with(again)
        assert WorkflowStep.objects.count() == 1
    with tenant_scope(globex), pytest.raises(CrossTenantWrite):
        run.save_with(again)


def test_one_cursor_serves_a_session_until_the_session_ends(acme):
    customer = CustomerFactory(tenant=acme)
    with tenant_scope(acme):
        find = Find(by_key())
        assert find.record({KEY: customer.pk}) and find.record({KEY: customer.pk})
        kept = list(connection._lent.values())
        find.record({KEY: customer.pk})
        assert list(connection._lent.values()) == kept and len({type(cursor) for cursor in kept}) == len(kept)


@pytest.mark.django_db(transaction=True)
def test_a_new_session_has_cursors_of_its_own(acme):
    customer = CustomerFactory(tenant=acme)
    with tenant_scope(acme):
        find = Find(by_key())
        for _ in range(3):
            assert find.record({KEY: customer.pk}) == customer
            connection.close()
            assert not connection._lent


def test_logs_show_what_was_sent(acme):
    with CaptureQueriesContext(connection) as queries:
        CustomerFactory(tenant=acme, name="Ada %s 'O")
    (sent,) = [query["sql"] for query in queries if query["sql"].startswith('INSERT INTO "customers"')]
    assert "'Ada %s ''O'" in sent and "$1" not in sent
