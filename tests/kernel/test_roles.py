"""What `manage.py prepare_database` makes, in a cluster of its own."""

import tempfile
from dataclasses import replace

import psycopg
import pytest

from nexora.kernel.db import embedded
from nexora.kernel.db.roles import Login, Plan, PrepareError, prepare

pytestmark = pytest.mark.slow

PLAN = Plan("shop", Login("shop_owner", "o"), Login("shop_app", "a"), "shop_platform")


@pytest.fixture(scope="module")
def host():
    with tempfile.TemporaryDirectory(prefix="nexora-") as parent:
        yield embedded.ensure_running(f"{parent}/postgres")
        embedded.leave(f"{parent}/postgres")


@pytest.fixture
def admin(host):
    with psycopg.connect(host=host, user="postgres", dbname="postgres", autocommit=True) as connection:
        prepare(connection, PLAN)
        yield connection


def test_prepares_once_and_then_has_nothing_to_do(host):
    plan = Plan("first", Login("first_owner"), Login("first_app"), "first_platform")
    with psycopg.connect(host=host, user="postgres", dbname="postgres", autocommit=True) as connection:
        assert prepare(connection, plan) == [
            "role first_owner made",
            "role first_app made",
            "role first_platform made",
            "first_app may switch to first_platform",
            "database first made",
        ]
        assert prepare(connection, plan) == []


def test_the_runtime_reaches_the_platforms_rights_only_by_switching(admin, host):
    with psycopg.connect(host=host, user="shop_app", dbname="shop") as connection:
        rights = "SELECT pg_has_role('shop_platform', 'USAGE'), pg_has_role('shop_platform', 'SET')"
        assert connection.execute(rights).fetchone() == (False, True)
        connection.execute("SET ROLE shop_platform")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("CREATE TABLE loot (id int)")


def test_the_owner_owns_the_database_and_makes_others_for_tests(admin, host):
    with psycopg.connect(host=host, user="shop_owner", dbname="shop", autocommit=True) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS goods (id int)")
        connection.execute("CREATE DATABASE shop_test")
        connection.execute("DROP DATABASE shop_test")


@pytest.mark.parametrize("spoilt", ["BYPASSRLS", "INHERIT", "CREATEDB", "CREATEROLE"])
def test_a_runtime_role_with_too_many_rights_is_corrected(admin, spoilt):
    admin.execute(f"ALTER ROLE shop_app {spoilt}")
    assert prepare(admin, PLAN) == ["role shop_app corrected"]


def test_an_inherited_platform_role_is_granted_anew(admin):
    admin.execute("GRANT shop_platform TO shop_app WITH INHERIT TRUE")
    assert prepare(admin, PLAN) == ["shop_app may switch to shop_platform"]


def test_a_managed_servers_administrator_is_enough(admin, host):
    admin.execute("CREATE ROLE steward LOGIN CREATEROLE CREATEDB")
    plan = Plan("managed", Login("managed_owner"), Login("managed_app"), "managed_platform")
    with psycopg.connect(host=host, user="steward", dbname="postgres", autocommit=True) as connection:
        assert prepare(connection, plan)
        assert prepare(connection, plan) == []


def test_a_superuser_is_refused_as_runtime(admin):
    admin.execute("CREATE ROLE almighty SUPERUSER LOGIN")
    with pytest.raises(PrepareError, match="DATABASE_URL names almighty, a superuser"):
        prepare(admin, replace(PLAN, runtime=Login("almighty")))


def test_a_runtime_that_could_become_the_owner_is_refused(admin):
    admin.execute("GRANT shop_owner TO shop_app")
    with pytest.raises(PrepareError, match="REVOKE shop_owner FROM shop_app"):
        prepare(admin, PLAN)
    admin.execute("REVOKE shop_owner FROM shop_app")


def test_two_duties_in_one_role_are_refused(admin):
    with pytest.raises(PrepareError, match="each needs a role of its own"):
        prepare(admin, replace(PLAN, platform="shop_app"))


def test_a_database_of_somebody_else_is_refused_with_the_way_out(admin):
    with pytest.raises(PrepareError, match="ALTER DATABASE postgres OWNER TO shop_owner"):
        prepare(admin, replace(PLAN, database="postgres"))
