"""The migration operations of ours, forwards and backwards, in a transaction that is rolled back."""

from datetime import UTC, datetime
from uuid import uuid4

import pytest
from django.db import IntegrityError, connection, transaction
from django.db.migrations.operations.base import Operation

from apps.crm.models import Activity
from nexora.kernel.db import operations
from nexora.kernel.db.operations import (
    Grant,
    HashPartitions,
    NewOwnerFunction,
    OwnerFunction,
    ProtectTable,
    TenantReport,
)
from nexora.kernel.scope import owner_scope
from tests.factories import ActivityFactory, CustomerFactory, DealFactory, TenantFactory, UserFactory
from tests.schema import catalog

PARTITIONS = HashPartitions("activities", modulus=16)
PROTECTION = ProtectTable("activities")


def forwards(*steps):
    with connection.schema_editor(atomic=False) as editor:
        for step in steps:
            step.database_forwards("crm", editor, None, None)


def backwards(*steps):
    with connection.schema_editor(atomic=False) as editor:
        for step in steps:
            step.database_backwards("crm", editor, None, None)


def ask(query, *params):
    with connection.cursor() as cursor:
        cursor.execute(query, params or None)
        return cursor.fetchall()


def described(table):
    with connection.cursor() as cursor:
        return catalog.read(cursor, "public")[table]


# -- All of them


@pytest.mark.parametrize("name", operations.__all__)
def test_every_operation_is_reversible_and_leaves_the_state_alone(name):
    operation = getattr(operations, name)
    if isinstance(operation, type):
        assert issubclass(operation, Operation)
        assert operation.reversible
        assert operation.state_forwards(operation.__new__(operation), "crm", object()) is None


@pytest.mark.parametrize(
    "operation",
    [
        PARTITIONS,
        PROTECTION,
        ProtectTable("x", visible="true", runtime="SELECT", platform="SELECT"),
        Grant("SELECT", on=["a", "b"], to=["runtime"]),
        OwnerFunction("f()", source="f.sql"),
        NewOwnerFunction("f()", source="f.sql", instead_of="e.sql"),
        TenantReport("r", query="SELECT 1", key=["tenant_id"], indexes={"i": "tenant_id"}),
    ],
    ids=lambda operation: type(operation).__name__,
)
def test_an_operation_is_rebuilt_from_what_it_says_of_itself(operation):
    name, args, kwargs = operation.deconstruct()
    assert name == type(operation).__name__
    assert type(operation)(*args, **kwargs).deconstruct() == operation.deconstruct()
    assert operation.describe()


# -- Hash partitions


@pytest.fixture
def activities(owner_connection):
    """Rows of several tenants with everything set, {id: row}."""
    with owner_scope():
        for _ in range(5):
            tenant = TenantFactory()
            person, customer = UserFactory(tenant=tenant), CustomerFactory(tenant=tenant)
            ActivityFactory(
                customer=customer,
                deal=DealFactory(customer=customer),
                created_by=person,
                assigned_to=person,
                due_date=datetime(2026, 1, 2, tzinfo=UTC),
                description="first",
                completed=True,
            )
            ActivityFactory(tenant=tenant, customer=None)
    return rows()


def rows():
    return dict(ask("SELECT id, to_jsonb(a) FROM activities a"))


def kind():
    return ask("SELECT relkind::text, obj_description(oid) FROM pg_class WHERE relname = 'activities'")[0]


def test_partitioning_goes_back_and_forth_and_keeps_everything(activities):
    assert len(activities) == 10
    partitioned = described("activities")

    backwards(PROTECTION, PARTITIONS)
    plain = described("activities")
    assert kind() == ("r", None)
    assert rows() == activities
    assert plain.primary_key == ("id",)
    for part in ("columns", "checks", "foreign_keys", "unique_keys"):
        assert getattr(plain, part) == getattr(partitioned, part), part
    assert list(plain.columns) == list(partitioned.columns)
    assert named(plain.indexes) == named(partitioned.indexes)
    assert ask("SELECT count(*) FROM pg_class WHERE relname LIKE 'activities\\_p__'") == [(0,)]
    assert ask("SELECT count(*) FROM pg_class WHERE relname LIKE '%before_partitions%'") == [(0,)]

    forwards(PARTITIONS, PROTECTION)
    assert kind() == ("p", "hash-partitioned by tenant_id, modulus 16")
    assert rows() == activities
    assert described("activities") == partitioned
    assert ask("SELECT count(*) FROM pg_class WHERE relispartition AND relkind = 'r'") == [(16,)]


def named(indexes):
    return {name: columns for name, columns in indexes.items() if name.startswith("idx_")}


def test_a_rebuilt_table_still_enforces_what_it_says(activities):
    backwards(PROTECTION, PARTITIONS)
    assert_enforced()
    forwards(PARTITIONS, PROTECTION)
    assert_enforced()


def assert_enforced():
    (tenant_id,) = ask("SELECT tenant_id FROM activities WHERE customer_id IS NOT NULL LIMIT 1")[0]
    row = "INSERT INTO activities (tenant_id, customer_id, type, subject) VALUES (%s, %s, %s, 'x') RETURNING completed"
    assert ask(row, tenant_id, None, "call") == [(False,)], "the default"
    with pytest.raises(IntegrityError, match="check_activity_type"), transaction.atomic():
        ask(row, tenant_id, None, "dance")
    with pytest.raises(IntegrityError, match="activities_tenant_id_customer_id_fkey"), transaction.atomic():
        ask(row, tenant_id, uuid4(), "call")
    ((counted,),) = ask("SELECT count(*) FROM activities WHERE customer_id IS NOT NULL AND tenant_id = %s", tenant_id)
    ask("DELETE FROM customers WHERE tenant_id = %s RETURNING id", tenant_id)
    assert counted and ask(
        "SELECT count(*) FROM activities WHERE customer_id IS NOT NULL AND tenant_id = %s", tenant_id
    ) == [(0,)]


def test_a_new_row_finds_its_partition(owner_connection):
    with owner_scope():
        homes = {ActivityFactory().pk for _ in range(20)}
    found = ask("SELECT tableoid::regclass::text FROM activities WHERE id = ANY(%s)", list(homes))
    assert all(home.startswith("activities_p") for (home,) in found)
    assert len(set(found)) > 3
    assert Activity._meta.db_table == "activities"


# -- Protection


def policies(table):
    return sorted(name for (name,) in ask("SELECT polname FROM pg_policy WHERE polrelid = %s::regclass", table))


@pytest.fixture
def notes(owner_connection):
    with owner_connection.cursor() as cursor:
        cursor.execute("CREATE TABLE notes (tenant_id uuid, text text)")
        cursor.execute("GRANT TRUNCATE ON notes TO nexora_app")
    return "notes"


def secured(table):
    return ask("SELECT relrowsecurity, relforcerowsecurity FROM pg_class WHERE oid = %s::regclass", table)[0]


def test_protection_is_put_on_and_taken_off(notes):
    protect = ProtectTable(notes, runtime="SELECT, INSERT")
    forwards(protect)
    assert secured(notes) == (True, True)
    assert policies(notes) == ["owner_rows", "platform_rows", "tenant_rows"]
    assert ask("SELECT has_table_privilege('nexora_app', 'notes', 'INSERT')") == [(True,)]
    assert ask("SELECT has_table_privilege('nexora_app', 'notes', 'DELETE')") == [(False,)]
    assert ask("SELECT has_table_privilege('nexora_platform', 'notes', 'DELETE')") == [(True,)]
    backwards(protect)
    assert secured(notes) == (False, False)
    assert policies(notes) == []
    assert ask("SELECT has_any_column_privilege('nexora_app', 'notes', 'SELECT')") == [(False,)]


def test_partitions_are_closed_along_with_their_parent(owner_connection):
    with owner_connection.cursor() as cursor:
        cursor.execute("CREATE TABLE notes (tenant_id uuid, text text) PARTITION BY HASH (tenant_id)")
        cursor.execute("CREATE TABLE notes_p00 PARTITION OF notes FOR VALUES WITH (MODULUS 1, REMAINDER 0)")
        cursor.execute("GRANT SELECT ON notes_p00 TO PUBLIC, nexora_app, nexora_platform")
    protect = ProtectTable("notes")
    forwards(protect)
    assert secured("notes_p00") == (True, True)
    assert policies("notes_p00") == []
    for role in ("nexora_app", "nexora_platform"):
        assert ask("SELECT has_table_privilege(%s, 'notes_p00', 'SELECT')", role) == [(False,)]
    backwards(protect)
    assert secured("notes_p00") == (False, False)


def test_rights_are_granted_and_taken_by_name(notes):
    grant = Grant("SELECT", on=["notes"], to=["platform"])
    forwards(grant)
    assert ask("SELECT has_table_privilege('nexora_platform', 'notes', 'SELECT')") == [(True,)]
    assert ask("SELECT has_table_privilege('nexora_app', 'notes', 'SELECT')") == [(False,)]
    backwards(grant)
    assert ask("SELECT has_table_privilege('nexora_platform', 'notes', 'SELECT')") == [(False,)]


# -- Functions and reports


def test_an_owners_function_is_for_the_two_roles_alone(owner_connection, tmp_path):
    source = tmp_path / "answer.v1.sql"
    source.write_text("CREATE FUNCTION answer() RETURNS int LANGUAGE sql SECURITY DEFINER AS $$ SELECT 42 % 100 $$")
    answer = OwnerFunction("answer()", source=source)
    forwards(answer)
    assert ask("SELECT answer()") == [(42,)]
    grantees = ask(
        "SELECT coalesce(r.rolname, 'PUBLIC') FROM pg_proc p, aclexplode(p.proacl) a "
        "LEFT JOIN pg_roles r ON r.oid = grantee WHERE proname = 'answer' ORDER BY 1"
    )
    assert grantees == [("nexora_app",), ("nexora_owner",), ("nexora_platform",)]
    backwards(answer)
    assert ask("SELECT count(*) FROM pg_proc WHERE proname = 'answer'") == [(0,)]


def test_a_report_is_made_with_its_view_and_removed_with_it(owner_connection):
    with owner_scope():
        DealFactory(), DealFactory()
    report = TenantReport(
        "deals_by_stage",
        query="SELECT tenant_id, stage, count(*) AS deals FROM deals WHERE title LIKE '%' GROUP BY tenant_id, stage",
        key=["tenant_id", "stage"],
        indexes={"idx_deals_by_stage": "stage"},
    )
    forwards(report)
    assert (
        len({identity for (identity,) in ask("SELECT md5(concat_ws('/', tenant_id, stage))::uuid FROM deals_by_stage")})
        == 2
    )
    assert set(described("deals_by_stage").indexes) == {"deals_by_stage_tenant_id_stage_key", "idx_deals_by_stage"}
    assert ask("SELECT has_table_privilege('nexora_app', 'deals_by_stage', 'SELECT')") == [(False,)]
    assert ask("SELECT has_table_privilege('nexora_app', 'tenant_deals_by_stage', 'SELECT')") == [(True,)]
    backwards(report)
    assert ask("SELECT count(*) FROM pg_class WHERE relname LIKE '%deals_by_stage%'") == [(0,)]


def test_a_new_owners_function_takes_the_old_ones_place_and_gives_it_back(owner_connection, tmp_path):
    for version, number in (("v1", 42), ("v2", 43)):
        (tmp_path / f"{version}.sql").write_text(
            f"CREATE FUNCTION answer() RETURNS int LANGUAGE sql SECURITY DEFINER AS 'SELECT {number}'"
        )
    old = OwnerFunction("answer()", source=tmp_path / "v1.sql")
    new = NewOwnerFunction("answer()", source=tmp_path / "v2.sql", instead_of=tmp_path / "v1.sql")
    rights = "SELECT proacl::text FROM pg_proc WHERE proname = 'answer'"
    forwards(old)
    before = ask(rights)
    forwards(new)
    assert ask("SELECT answer()") == [(43,)] and ask(rights) == before
    backwards(new)
    assert ask("SELECT answer()") == [(42,)] and ask(rights) == before
    backwards(old)
    assert ask(rights) == []
