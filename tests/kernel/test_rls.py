"""Three belts, each on its own: the database's policies, the ORM's filter, the composite keys.

All of it in SQL, as the runtime role, over every tenant table there is.
"""

from contextlib import contextmanager
from uuid import uuid4

import psycopg
import pytest
from django.db import DatabaseError, IntegrityError, ProgrammingError, connection, models, transaction

from apps.accounts.models import AuditEvent
from apps.analytics.models import RevenueByCloseMonth, RevenueByMonth
from apps.analytics.services import refresh_revenue
from apps.crm.models import Customer
from apps.tenants.models import Tenant
from nexora.kernel.models import TenantModel
from nexora.kernel.scope import owner_scope, tenant_scope, unscoped
from tests.factories import FACTORIES, AuditEventFactory, CustomerFactory, DealFactory, TenantFactory

TENANT_MODELS = {model._meta.db_table: model for model in FACTORIES if issubclass(model, TenantModel)}
OWNED_MODELS = {table: model for table, model in TENANT_MODELS.items() if model is not Tenant}
REFUSED = "row-level security policy|permission denied"

every_table = pytest.mark.parametrize("table", sorted(TENANT_MODELS))
every_owned_table = pytest.mark.parametrize("table", sorted(OWNED_MODELS))


def row_of(table, tenant):
    model = TENANT_MODELS[table]
    return tenant if model is Tenant else FACTORIES[model](tenant=tenant)


@pytest.fixture
def row_of_acme(table, acme):
    return row_of(table, acme)


@pytest.fixture
def row_of_globex(table, globex):
    return row_of(table, globex)


def run(statement, params=None):
    """(rows, number of rows) of one statement, in a savepoint of its own."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement, params)
        return (cursor.fetchall() if cursor.description else []), cursor.rowcount


def ids(table):
    found, _ = run(f"SELECT id FROM {table}")
    return {id_ for (id_,) in found}


@contextmanager
def refused(why=REFUSED):
    with pytest.raises(DatabaseError, match=why):
        yield


def insert_again(record, **changes):
    """INSERT the record's row once more under another id."""
    values = {f: getattr(record, f.attname) for f in record._meta.concrete_fields if not f.generated}
    values |= {record._meta.get_field(name): value for name, value in changes.items()}
    values[record._meta.pk] = changes.get("id", uuid4())
    columns = ", ".join(f'"{field.column}"' for field in values)
    marks = ", ".join(["%s"] * len(values))
    params = [field.get_db_prep_save(value, connection) for field, value in values.items()]
    return run(f"INSERT INTO {record._meta.db_table} ({columns}) VALUES ({marks})", params)


def copy_in(table):
    with transaction.atomic(), connection.cursor() as cursor, cursor.copy(f"COPY {table} (id) FROM STDIN") as copy:
        copy.write_row([str(uuid4())])


# -- First belt: the database's policies. No scope: nothing to see, nothing to write


@every_table
def test_outside_every_scope_a_table_looks_empty(table, row_of_acme):
    assert ids(table) == set()


@every_table
def test_outside_every_scope_nothing_is_written(table, row_of_acme):
    with refused():
        insert_again(row_of_acme)
    for statement in (f"UPDATE {table} SET id = id", f"DELETE FROM {table}"):
        try:
            _, count = run(statement)
        except ProgrammingError as error:
            assert "permission denied" in str(error)
        else:
            assert count == 0
    with unscoped(reason="test"):
        assert row_of_acme.pk in ids(table)


@every_owned_table
def test_outside_every_scope_the_default_tenant_is_none(table, row_of_acme):
    with refused():
        insert_again(row_of_acme, tenant=None)


# -- In a scope: this tenant's rows only


@every_table
def test_a_scope_shows_its_tenants_rows_only(table, row_of_acme, row_of_globex, acme):
    with tenant_scope(acme):
        seen = ids(table)
    assert row_of_acme.pk in seen
    assert row_of_globex.pk not in seen


@every_table
def test_another_tenants_rows_are_neither_changed_nor_deleted(table, row_of_globex, acme):
    with tenant_scope(acme):
        for statement in (f"UPDATE {table} SET id = id WHERE id = %s", f"DELETE FROM {table} WHERE id = %s"):
            try:
                _, count = run(statement, [row_of_globex.pk])
            except ProgrammingError as error:
                assert "permission denied" in str(error)
            else:
                assert count == 0
    with unscoped(reason="test"):
        assert row_of_globex.pk in ids(table)


@every_owned_table
def test_no_row_is_inserted_for_another_tenant(table, row_of_globex, acme):
    with tenant_scope(acme), refused():
        insert_again(row_of_globex)


@every_owned_table
def test_no_row_is_handed_to_another_tenant(table, row_of_acme, acme, globex):
    with tenant_scope(acme), refused():
        run(f"UPDATE {table} SET tenant_id = %s WHERE id = %s", [globex.pk, row_of_acme.pk])


@every_table
def test_another_tenants_row_is_not_locked(table, row_of_globex, acme):
    """Nor could its existence be told from waiting for it."""
    with tenant_scope(acme):
        try:
            found, _ = run(f"SELECT id FROM {table} WHERE id = %s FOR UPDATE", [row_of_globex.pk])
        except ProgrammingError as error:
            assert "permission denied" in str(error)
        else:
            assert found == []


@every_table
def test_rows_are_not_copied_in(table, acme):
    """COPY FROM would not ask the policies, so PostgreSQL refuses it."""
    why = "COPY FROM not supported with row-level security|permission denied"
    with tenant_scope(acme), pytest.raises(psycopg.Error, match=why):
        copy_in(table)


def test_sql_in_a_scope_need_not_name_the_tenant(acme):
    with tenant_scope(acme):
        run("INSERT INTO customers (name) VALUES ('Ada')")
        run("CREATE TEMPORARY TABLE incoming (name text) ON COMMIT DROP")
        with connection.cursor() as cursor, cursor.copy("COPY incoming FROM STDIN") as copy:
            copy.write_row(["Grace"])
        run("INSERT INTO customers (name) SELECT name FROM incoming")
        assert run("SELECT name, tenant_id FROM customers ORDER BY name")[0] == [("Ada", acme.pk), ("Grace", acme.pk)]


def test_copying_out_asks_the_policies(acme, globex):
    CustomerFactory(tenant=globex, name="Bob")
    CustomerFactory(tenant=acme, name="Ada")
    with tenant_scope(acme), connection.cursor() as cursor, cursor.copy("COPY customers (name) TO STDOUT") as copy:
        assert list(copy.rows()) == [("Ada",)]


@every_table
def test_tables_are_neither_emptied_nor_altered(table, acme):
    with tenant_scope(acme):
        with refused("permission denied"):
            run(f"TRUNCATE {table}")
        for statement in ("DISABLE ROW LEVEL SECURITY", "NO FORCE ROW LEVEL SECURITY", "OWNER TO nexora_app"):
            with refused("must be owner of"):
                run(f"ALTER TABLE {table} {statement}")


def test_policies_are_not_switched_off(acme, globex):
    CustomerFactory(tenant=globex)
    with tenant_scope(acme), transaction.atomic():
        run("SET LOCAL row_security = off")
        with refused("query would be affected by row-level security policy"):
            run("SELECT * FROM customers")
        transaction.set_rollback(True)


def test_a_tenant_makes_no_policy_and_no_rights(acme):
    with tenant_scope(acme):
        with refused("must be owner of"):
            run("CREATE POLICY mine ON customers USING (true)")
        with refused("must have admin option|permission denied"):
            run("GRANT nexora_owner TO nexora_app")


def test_a_function_that_tells_what_it_is_given_is_given_the_tenants_rows_only(acme, globex):
    """A policy comes before every condition that might leak."""
    CustomerFactory(tenant=globex, name="Bob")
    CustomerFactory(tenant=acme, name="Ada")
    told = []
    with tenant_scope(acme), transaction.atomic():
        connection.ensure_connection()
        connection.connection.add_notice_handler(lambda notice: told.append(notice.message_primary))
        run(
            "CREATE FUNCTION pg_temp.tell(value text) RETURNS boolean LANGUAGE plpgsql COST 0.0001 AS "
            "$$ BEGIN RAISE WARNING '%', value; RETURN true; END $$"
        )
        run("SELECT 1 FROM customers WHERE pg_temp.tell(name)")
        transaction.set_rollback(True)
    connection.connection._notice_handlers.clear()
    assert told == ["Ada"]


@pytest.mark.parametrize("partition", [f"activities_p{n:02}" for n in range(16)])
def test_partitions_are_not_read_directly(db, acme, partition):
    with tenant_scope(acme), refused("permission denied"):
        run(f"SELECT * FROM {partition}")
    with unscoped(reason="test"), refused("permission denied"):
        run(f"SELECT * FROM {partition}")


def test_the_admin_log_shows_the_tenants_own_people_only(admin, mallory):
    for person in (admin, mallory):
        with tenant_scope(person.tenant):
            run("INSERT INTO django_admin_log (user_id, action_time, object_repr, action_flag, change_message) "
                "VALUES (%s, now(), %s, 1, '')", [person.pk, person.name])  # fmt: skip
    with tenant_scope(admin.tenant):
        assert run("SELECT object_repr FROM django_admin_log")[0] == [("Admin",)]
        with refused():
            run("INSERT INTO django_admin_log (user_id, action_time, object_repr, action_flag, change_message) "
                "VALUES (%s, now(), '', 1, '')", [mallory.pk])  # fmt: skip
    assert run("SELECT * FROM django_admin_log")[0] == []


@pytest.mark.django_db(transaction=True)
def test_the_reports_show_the_tenants_own_rows_only():
    tenants = [TenantFactory(), TenantFactory()]
    for tenant, value in zip(tenants, (100, 1000), strict=True):
        DealFactory(tenant=tenant, value=value, stage="closed_won")
    assert refresh_revenue(force=True) is True
    for model in (RevenueByMonth, RevenueByCloseMonth):
        table = model._meta.db_table
        for tenant, total in zip(tenants, (100, 1000), strict=True):
            with tenant_scope(tenant):
                assert run(f"SELECT total_revenue FROM {table}")[0] == [(total,)]
                assert [report.total_revenue for report in model.objects.all()] == [total]
        with unscoped(reason="test"):
            both = list(model.objects.filter(tenant__in=tenants))
        assert sorted(report.total_revenue for report in both) == [100, 1000]
        assert len({report.pk for report in both}) == 2
        assert run(f"SELECT total_revenue FROM {table}")[0] == []


def test_the_materialized_view_itself_is_not_read(acme):
    with tenant_scope(acme), refused("permission denied"):
        run("SELECT * FROM revenue_by_month")
    with tenant_scope(acme):
        assert list(RevenueByMonth.objects.all()) == []


def test_the_reports_are_refreshed_by_the_owners_function_alone(db):
    with refused("must be owner of|permission denied"):
        run("REFRESH MATERIALIZED VIEW revenue_by_month")


# -- unscoped(): every tenant's rows, by the platform's own role


@every_table
def test_unscoped_sees_every_tenants_rows(table, row_of_acme, row_of_globex):
    with unscoped(reason="test"):
        assert {row_of_acme.pk, row_of_globex.pk} <= ids(table)


def test_what_the_platform_reads_in_a_transaction_a_tenant_does_not(acme, globex):
    CustomerFactory(tenant=globex)
    with transaction.atomic():
        with unscoped(reason="test"):
            assert len(ids("customers")) == 1
        with tenant_scope(acme):
            assert ids("customers") == set()
        assert ids("customers") == set()


# -- The audit trail stays as it was written


@pytest.mark.parametrize("change", ["UPDATE audit_events SET action = 'x'", "DELETE FROM audit_events"])
def test_the_audit_trail_is_neither_changed_nor_deleted(acme, change):
    AuditEventFactory(tenant=acme)
    with tenant_scope(acme), refused("permission denied"):
        run(change)
    with unscoped(reason="test"), refused("permission denied"):
        run(change)
    with tenant_scope(acme), refused("permission denied"), transaction.atomic():
        AuditEvent.objects.unpublished("test").update(action="x")


# -- First belt without the second, second without the first


def test_the_policies_hold_where_the_orm_forgets_the_tenant(acme, globex):
    CustomerFactory(tenant=globex, name="Bob")
    CustomerFactory(tenant=acme, name="Ada")
    forgetful = models.QuerySet(Customer)
    assert "WHERE" not in str(forgetful.query)
    with tenant_scope(acme):
        assert [c.name for c in forgetful.all()] == ["Ada"]
        assert [c.name for c in Customer.objects.raw("SELECT * FROM customers")] == ["Ada"]
    assert list(forgetful.all()) == []


def test_the_orms_filter_holds_where_no_policy_binds(owner_connection):
    """As the owner, whose policy admits every row."""
    with owner_scope():
        acme, globex = TenantFactory(), TenantFactory()
        CustomerFactory(tenant=globex, name="Bob")
        CustomerFactory(tenant=acme, name="Ada")
    with tenant_scope(acme):
        assert {name for (name,) in run("SELECT name FROM customers")[0]} == {"Ada", "Bob"}
        assert [c.name for c in Customer.objects.all()] == ["Ada"]
        assert Customer.objects.filter(name="Bob").unpublished("test").update(name="x") == 0
        assert Customer.objects.filter(name="Bob").unpublished("test").delete()[0] == 0


# -- Third belt: composite keys


def references():
    """[(table, field)] of every key between two tenants' own tables."""
    return [
        pytest.param(table, field.name, id=f"{table}.{field.column}")
        for table, model in sorted(OWNED_MODELS.items())
        for field in model._meta.concrete_fields
        if field.many_to_one and field.related_model in OWNED_MODELS.values()
    ]


@pytest.mark.parametrize(("table", "reference"), references())
def test_no_row_points_into_another_tenant_even_if_the_owner_writes_it(owner_connection, table, reference):
    model = OWNED_MODELS[table]
    field = model._meta.get_field(reference)
    with owner_scope():
        acme, globex = TenantFactory(), TenantFactory()
        row, target = FACTORIES[model](tenant=acme), FACTORIES[field.related_model](tenant=globex)
    column = field.column
    with pytest.raises(IntegrityError, match=f"{table}_tenant_id_{column}_fkey"):
        run(f"UPDATE {table} SET {column} = %s WHERE id = %s", [target.pk, row.pk])
    with pytest.raises(IntegrityError, match=f"{table}_tenant_id_{column}_fkey"):
        insert_again(row, **{reference: target.pk, "id": uuid4()} | unique_values(model))


def unique_values(model):
    """New values for what may occur only once."""
    names = {field.name for field in model._meta.fields}
    numbers = {"number": 4_711} if "number" in names else {}
    return numbers | {name: str(uuid4()) for name in ("token", "domain", "email") if name in names}


def test_a_key_of_another_tenant_and_one_of_nobody_are_refused_alike(acme, globex):
    """Otherwise the difference would tell which ids exist."""
    deal, bob = DealFactory(tenant=acme), CustomerFactory(tenant=globex)
    told = []
    for target in (bob.pk, uuid4()):
        with tenant_scope(acme), pytest.raises(IntegrityError) as error:
            run("UPDATE deals SET customer_id = %s WHERE id = %s", [target, deal.pk])
        told.append(str(error.value).replace(str(target), "…"))
    assert told[0] == told[1]


def test_a_customer_is_not_moved_away_from_its_deals(acme, globex):
    deal = DealFactory(tenant=acme)
    with unscoped(reason="test"), pytest.raises(IntegrityError, match="deals_tenant_id_customer_id_fkey"):
        run("UPDATE customers SET tenant_id = %s WHERE id = %s", [globex.pk, deal.customer_id])
