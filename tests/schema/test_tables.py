"""Shapes that every table must have, read from PostgreSQL's catalogue and from the models."""

import pytest
from django.apps import apps
from django.db import connection, models

from apps.crm.models import Activity
from nexora.kernel.copies import folded, more, scaled
from nexora.kernel.models import TenantModel

OUR_MODELS = {
    model._meta.db_table: model
    for config in apps.get_app_configs()
    if config.name.startswith("apps.")
    for model in config.get_models()
}
TABLES = sorted(table for table, model in OUR_MODELS.items() if model._meta.managed)
TENANT_TABLES = sorted(
    table for table, model in OUR_MODELS.items() if model._meta.managed and issubclass(model, TenantModel)
)
OWNED_TABLES = sorted(set(TENANT_TABLES) - {"tenants"})

# Keys that hold across tenants: the seed's, the host names of the whole platform, and hashes of secrets of 256 bits,
# whose clash would tell a tenant of another's secret only if it had it.
GLOBAL_KEYS = {
    "users_email_key",
    "tenants_subdomain_key",
    "plugins_slug_key",
    "refresh_tokens_token_key",
    "domains_domain_key",
    "api_keys_token_key",
}

# A tenant table may point at tenants, and by composite key at its own tenant's rows. The catalogue is everybody's.
PLAIN_TARGETS = {"tenants", "plugins"}


def search_columns(table):
    """Copies that PostgreSQL makes for nexora.kernel.search; no row is written or read with them."""
    return {*map(folded, declared(table, "searched"))}


def copies(table):
    """All that it makes for nexora.kernel.copies."""
    return search_columns(table) | {*map(scaled, declared(table, "scaled"))} | {*map(more, declared(table, "elements"))}


def declared(table, name):
    return getattr(OUR_MODELS[table], name, {})


def answers(query, *params):
    with connection.cursor() as cursor:
        cursor.execute(query, params or None)
        return cursor.fetchall()


# -- Models and tables


@pytest.mark.parametrize("table", TABLES)
def test_every_field_is_a_column_and_every_column_a_field(ours, table):
    fields = {field.column for field in OUR_MODELS[table]._meta.concrete_fields}
    assert fields == set(ours[table].columns) - copies(table)


@pytest.mark.parametrize("table", TABLES)
def test_what_is_searched_has_its_column_and_index(ours, table):
    assert search_columns(table) <= set(ours[table].columns)
    begin = [] if table in ("plugins", "tenants") else ["tenant_id"]
    for column in search_columns(table):
        assert "_".join(["idx", table, *begin, column]) in ours[table].indexes
    for column in map(scaled, declared(table, "scaled")):
        assert ours[table].columns[column].type == "bigint"
        assert f"idx_{table}_tenant_id_{column}_id" in ours[table].indexes
    for name, first in dict(declared(table, "elements")).items():
        assert ours[table].columns[more(name)].type == "boolean"
        assert f"idx_{table}_tenant_id_{more(name)}_created_at_id" in ours[table].indexes
        assert {f"idx_{table}_tenant_id_{name}_{number}" for number in range(1, first + 1)} <= {*ours[table].indexes}
        assert f"idx_{table}_tenant_id_{name}_{first + 1}" not in ours[table].indexes


@pytest.mark.parametrize("table", TABLES)
def test_fields_stand_in_the_columns_order(ours, table):
    columns = [column for column in ours[table].columns if column not in copies(table)]
    assert [field.column for field in OUR_MODELS[table]._meta.concrete_fields] == columns


@pytest.mark.parametrize("table", TABLES)
def test_fields_and_columns_agree_on_type_null_and_default(ours, table):
    for field in OUR_MODELS[table]._meta.concrete_fields:
        column = ours[table].columns[field.column]
        assert column.type == field.db_type(connection).replace("varchar", "character varying").replace(", ", ","), (
            field
        )
        if not field.generated:
            assert field.null == column.nullable, field
            assert field.has_db_default() == (column.default is not None), field


@pytest.mark.parametrize("table", [table for table in TABLES if table != "activities"])
def test_the_models_key_is_the_tables(ours, table):
    assert ours[table].primary_key == (OUR_MODELS[table]._meta.pk.column,)


def test_the_partitioned_model_is_keyed_by_id_and_its_table_by_tenant_and_id(ours):
    """Django's composite key can not be registered in the admin; ids are UUIDs, so `id` alone still names one row."""
    assert Activity._meta.pk.column == "id"
    assert ours["activities"].primary_key == ("tenant_id", "id")


@pytest.mark.parametrize("table", TABLES)
def test_constraints_and_indexes_of_the_model_are_in_the_table(ours, table):
    options = OUR_MODELS[table]._meta
    in_table = {*ours[table].checks, *ours[table].unique_keys, *ours[table].foreign_keys}
    assert {constraint.name for constraint in options.constraints} <= in_table
    assert {index.name for index in options.indexes} <= set(ours[table].indexes)


@pytest.mark.parametrize("table", TABLES)
def test_every_constraint_has_a_sentence_for_people(table):
    for constraint in OUR_MODELS[table]._meta.constraints:
        if isinstance(constraint, models.CheckConstraint):
            assert constraint.violation_error_message != constraint.default_violation_error_message, constraint


# -- Tenancy


def test_every_table_with_a_tenant_id_is_a_tenant_model(db):
    """Also a table that some migration made by hand."""
    found = answers(
        "SELECT c.relname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid WHERE a.attname = 'tenant_id' "
        "AND c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relnamespace = 'public'::regnamespace"
    )
    assert sorted(table for (table,) in found) == OWNED_TABLES


@pytest.mark.parametrize("table", OWNED_TABLES)
def test_tenant_id_is_required_and_by_default_the_scopes(ours, table):
    column = ours[table].columns["tenant_id"]
    assert (column.type, column.nullable, column.default) == ("uuid", False, "current_tenant()")


@pytest.mark.parametrize("table", OWNED_TABLES)
def test_foreign_keys_between_tenant_tables_carry_the_tenant(ours, table):
    for name, key in ours[table].foreign_keys.items():
        if key.target not in PLAIN_TARGETS:
            assert key.columns[0] == key.target_columns[0] == "tenant_id", name


@pytest.mark.parametrize("table", OWNED_TABLES)
def test_a_tenants_end_ends_its_rows(ours, table):
    assert ours[table].foreign_keys[f"{table}_tenant_id_fkey"].on_delete == "CASCADE"


# -- Shape for growth


@pytest.mark.parametrize("table", TABLES)
def test_unique_keys_contain_the_tenant(ours, table):
    for name, columns in ours[table].unique_keys.items():
        assert "tenant_id" in columns or name in GLOBAL_KEYS, name


def test_the_list_of_global_keys_only_shrinks(ours):
    assert {name for table in TABLES for name in ours[table].unique_keys} >= GLOBAL_KEYS
    assert len(GLOBAL_KEYS) <= 6


def test_no_unique_index_hides_beside_the_constraints(db):
    hidden = answers(
        "SELECT i.indexrelid::regclass::text FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid "
        "WHERE i.indisunique AND c.relname = ANY(%s) "
        "AND NOT EXISTS (SELECT 1 FROM pg_constraint WHERE conindid = i.indexrelid)",
        TABLES,
    )
    assert hidden == []


def test_no_column_counts_up(db):
    """A sequence is one place that every write of every tenant meets. Django's and the queue's own tables aside."""
    counting = answers(
        "SELECT c.relname, a.attname FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid "
        "LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum "
        "WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND a.attnum > 0 "
        "AND (a.attidentity <> '' OR pg_get_expr(d.adbin, d.adrelid) LIKE 'nextval%')"
    )
    assert [table for table, _ in counting if not table.startswith(("django_", "auth_", "procrastinate_"))] == []


def test_no_trigger_holds_business_rules(db):
    triggers = answers("SELECT tgrelid::regclass::text FROM pg_trigger WHERE NOT tgisinternal")
    assert {table for (table,) in triggers} <= {"procrastinate_jobs"}


def test_no_column_is_computed_when_read(db):
    """PostgreSQL 18's virtual columns; stored ones are allowed."""
    assert answers("SELECT attrelid::regclass::text, attname FROM pg_attribute WHERE attgenerated = 'v'") == []


@pytest.mark.parametrize(
    ("table", "targets"), [("tenants", set()), ("users", {"tenants"}), ("plugins", {"users"}), ("domains", {"tenants"})]
)
def test_what_everything_points_at_points_at_little(ours, table, targets):
    """plugins.author_id is the seed's."""
    assert {key.target for key in ours[table].foreign_keys.values()} == targets


# -- Partitions and views


def test_activities_is_partitioned_in_sixteen_by_hash_of_the_tenant(db):
    assert answers("SELECT pg_get_partkeydef('activities'::regclass)") == [("HASH (tenant_id)",)]
    bounds = answers(
        "SELECT c.relname, pg_get_expr(c.relpartbound, c.oid) FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid "
        "WHERE i.inhparent = 'activities'::regclass ORDER BY c.relname"
    )
    assert bounds == [(f"activities_p{n:02}", f"FOR VALUES WITH (modulus 16, remainder {n})") for n in range(16)]


def test_every_partition_has_every_index(db):
    counts = answers(
        "SELECT i.indexrelid::regclass::text, count(h.inhrelid) FROM pg_index i "
        "LEFT JOIN pg_inherits h ON h.inhparent = i.indexrelid "
        "WHERE i.indrelid = 'activities'::regclass GROUP BY 1 ORDER BY 1"
    )
    assert len(counts) >= 7
    assert {count for _, count in counts} == {16}


def test_materialized_views_refresh_concurrently(db):
    """That takes a unique index over plain columns."""
    views = answers(
        "SELECT c.relname, bool_or(i.indisunique AND i.indpred IS NULL AND i.indexprs IS NULL) FROM pg_class c "
        "LEFT JOIN pg_index i ON i.indrelid = c.oid WHERE c.relkind = 'm' GROUP BY 1 ORDER BY 1"
    )
    assert views == [("revenue_by_close_month", True), ("revenue_by_month", True)]


@pytest.mark.parametrize("view", ["revenue_by_month", "revenue_by_close_month"])
def test_reports_are_read_through_a_view_of_the_tenants_own_rows(db, view):
    ((kind, options, owner),) = answers(
        "SELECT relkind::text, reloptions, relowner::regrole::text FROM pg_class WHERE relname = %s", f"tenant_{view}"
    )
    assert (kind, options, owner) == ("v", ["security_barrier=true"], "nexora_owner")
    assert f"tenant_{view}" in OUR_MODELS
