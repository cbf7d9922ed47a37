"""Our tables against the seed's, both as PostgreSQL describes them: the expected values are nobody's typing."""

import hashlib
import re
from datetime import UTC, datetime

import pytest
from django.db import NotSupportedError, connection, transaction

from apps.accounts.models import User
from nexora.kernel.scope import owner_scope, tenant_scope, unscoped
from tests.database import as_default
from tests.factories import DealFactory, TenantFactory

from . import deviations
from .catalog import PARTITIONED, SEED, TABLES, statements


def test_the_seeds_sql_is_the_users_own_words():
    """seed.sql holds the user's document's SQL, unchanged: the expectation can not be bent to fit."""
    digest = "ad40f8ac35de43f40475da24f28780082fe5c78c1daa8dc2c70ef0db67176b13"
    assert hashlib.sha256(SEED.encode()).hexdigest() == digest


def test_every_table_of_the_seed_is_here(ours):
    assert len(TABLES) == 14
    assert set(TABLES) <= set(ours)


@pytest.mark.parametrize("table", TABLES)
def test_columns_are_the_seeds(seed, ours, table):
    expected = {name: deviations.column(name, column) for name, column in seed[table].columns.items()}
    assert {name: column for name, column in ours[table].columns.items() if name in expected} == expected


@pytest.mark.parametrize("table", TABLES)
def test_columns_stand_in_the_seeds_order_then_ours(seed, ours, table):
    count = len(seed[table].columns)
    assert list(ours[table].columns)[:count] == list(seed[table].columns)


@pytest.mark.parametrize("table", TABLES)
def test_added_columns_take_rows_that_do_not_name_them(seed, ours, table):
    for name, column in ours[table].columns.items():
        if name not in seed[table].columns:
            assert deviations.is_allowed_addition(table, name, column), f"{table}.{name}"
            assert column.nullable or (table, name) in deviations.NOT_NULL_ADDITIONS, f"{table}.{name}"


@pytest.mark.parametrize("table", TABLES)
def test_checks_are_the_seeds_by_name_and_expression(seed, ours, table):
    extra = deviations.CHECKS.get(table, set())
    assert {n: c for n, c in ours[table].checks.items() if n not in extra} == seed[table].checks
    assert extra <= ours[table].checks.keys()


@pytest.mark.parametrize("table", TABLES)
def test_foreign_keys_are_the_seeds_with_the_tenant_added(seed, ours, table):
    expected = {deviations.foreign_key(table, key) for key in seed[table].foreign_keys.values()}
    found = set(ours[table].foreign_keys.values())
    assert expected <= found
    ours_only = {key.columns for key in found - expected}
    assert ours_only - deviations.FOREIGN_KEYS.get(table, set()) <= {("tenant_id",)}
    assert deviations.FOREIGN_KEYS.get(table, set()) <= ours_only


@pytest.mark.parametrize("table", TABLES)
def test_foreign_keys_are_named_as_postgresql_would(ours, table):
    for name, key in ours[table].foreign_keys.items():
        assert name == f"{table}_{'_'.join(key.columns)}_fkey"


@pytest.mark.parametrize("table", TABLES)
def test_primary_key_is_the_seeds(seed, ours, table):
    assert ours[table].primary_key == deviations.PRIMARY_KEYS.get(table, seed[table].primary_key)


@pytest.mark.parametrize("table", TABLES)
def test_unique_keys_are_the_seeds_and_targets_of_composite_keys(seed, ours, table):
    extra = {n: c for n, c in ours[table].unique_keys.items() if n not in seed[table].unique_keys}
    assert seed[table].unique_keys.items() <= ours[table].unique_keys.items()
    assert set(extra.values()) - {("tenant_id", "id")} == deviations.UNIQUE_KEYS.get(table, set())


@pytest.mark.parametrize("table", TABLES)
def test_indexes_are_the_seeds_by_name_and_columns(seed, ours, table):
    expected = {n: c for n, c in seed[table].indexes.items() if n.startswith("idx_")}
    assert expected.items() <= ours[table].indexes.items()


@pytest.mark.parametrize("table", TABLES)
def test_indexes_of_ours_are_named_after_their_columns(seed, ours, table):
    for name, columns in ours[table].indexes.items():
        if name in seed[table].indexes or not name.startswith("idx_"):
            continue
        # Of `(tags[1])` it is tags_1.
        words = [re.split(r"\W", re.sub(r"[([]*(\w+)\[(\d+)\].*", r"\1_\2", column))[0] for column in columns]
        assert name == f"idx_{table}_{'_'.join(words)}"


# -- The statements that are no tables


def test_the_seeds_two_inserts_run_as_written_and_their_tenant_answers_on_its_host(db, client):
    inserts = statements("INSERT INTO")
    assert len(inserts) == 2
    # As the platform; a session of the owner is bound by no more.
    with unscoped(reason="the seed's own INSERTs"), connection.cursor() as cursor:
        for insert in inserts:
            cursor.execute(insert)
    with connection.cursor() as cursor:
        cursor.execute("SELECT id::text, status FROM tenant_of_host('acme', 'acme.localhost')")
        acme, status = cursor.fetchone()
    assert (acme, status) == ("00000000-0000-0000-0000-000000000001", "active")
    with tenant_scope(acme):
        person = User.objects.get()
        assert (person.email, person.role, person.status) == ("admin@acme.com", "admin", "active")
    answers = {host: client.get("/api/v1/auth/me/", HTTP_HOST=host) for host in ("acme.localhost", "initech.localhost")}
    assert {host: (a.status_code, a.json()["code"]) for host, a in answers.items()} == {
        "acme.localhost": (401, "not_authenticated"),
        "initech.localhost": (404, "unknown_host"),
    }
    # The hash in the document is cut short; it lets nobody in and breaks nothing.
    signing_in = {"email": "admin@acme.com", "password": "x"}
    answer = client.post("/api/v1/auth/token/", signing_in, "application/json", HTTP_HOST="acme.localhost")
    assert (answer.status_code, answer.json()["code"]) == (401, "invalid_credentials")


def test_the_seeds_two_inserts_run_as_owner_too(owner_connection):
    with owner_connection.cursor() as cursor:
        for insert in statements("INSERT INTO"):
            cursor.execute(insert)
        cursor.execute("SELECT schema_name FROM tenants WHERE subdomain = 'acme'")
        assert cursor.fetchone() == ("t_00000000000000000000000000000001",)


def test_the_seeds_partitioned_copy_is_refused_by_postgresql(owner_connection):
    """Why `activities` itself is the partitioned table, with tenant_id in its key."""
    with owner_connection.cursor() as cursor:
        cursor.execute("CREATE SCHEMA seed; SET LOCAL search_path = seed, public")
        cursor.execute("CREATE TABLE activities (id uuid PRIMARY KEY, tenant_id uuid NOT NULL)")
        refusal = pytest.raises(NotSupportedError, match="must include all partitioning columns")
        with refusal as refused, transaction.atomic():
            cursor.execute(PARTITIONED)
    assert "tenant_id" in str(refused.value)


# -- The materialized view


def test_the_materialized_view_has_the_seeds_columns_and_index(seed, ours):
    expected = {name: deviations.column(name, column) for name, column in seed["revenue_by_month"].columns.items()}
    expected["tenant_id"] = seed["revenue_by_month"].columns["tenant_id"]
    assert ours["revenue_by_month"].columns == expected
    assert list(ours["revenue_by_month"].columns) == list(expected)
    assert seed["revenue_by_month"].indexes.items() <= ours["revenue_by_month"].indexes.items()


@pytest.mark.parametrize("zone", ["UTC", "Pacific/Auckland"])
def test_the_materialized_view_holds_what_the_seeds_query_answers_in_utc(owner_connection, zone):
    (query,) = [s.split(" AS", 1)[1] for s in statements("CREATE MATERIALIZED VIEW")]
    with as_default(owner_connection), owner_scope(), owner_connection.cursor() as cursor:
        make_deals()
        cursor.execute("SET LOCAL TimeZone = 'UTC'")
        cursor.execute(query)
        expected = sorted(cursor.fetchall())
        cursor.execute(f"SET LOCAL TimeZone = '{zone}'")
        cursor.execute("REFRESH MATERIALIZED VIEW revenue_by_month")
        cursor.execute("SET LOCAL TimeZone = 'UTC'")
        cursor.execute("SELECT * FROM revenue_by_month")
        assert sorted(cursor.fetchall()) == expected
        assert len(expected) == 2


def make_deals():
    tenant = TenantFactory()
    for moment, stage in (
        (datetime(2026, 1, 31, 23, 59, tzinfo=UTC), "closed_won"),
        (datetime(2026, 1, 1, 0, 0, tzinfo=UTC), "closed_won"),
        (datetime(2026, 2, 1, 0, 0, tzinfo=UTC), "closed_won"),
        (datetime(2026, 3, 1, 0, 0, tzinfo=UTC), "proposal"),
    ):
        DealFactory(tenant=tenant, created_at=moment, stage=stage)
