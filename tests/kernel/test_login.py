"""Two logins on one alias: who runs what."""

from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.core.management import call_command
from django.db import connection, connections

from apps.tenants.models import Tenant
from nexora.kernel import scope
from nexora.kernel.db import login, pool
from nexora.kernel.db.login import owner_login
from nexora.kernel.scope import unscoped
from tests.database import another_session

RUNTIME, OWNER = "nexora_app", "nexora_owner"


def session_user():
    with connection.cursor() as cursor:
        cursor.execute("SELECT session_user, current_user")
        return cursor.fetchone()


@pytest.fixture
def outside_transactions(django_db_setup, django_db_blocker):
    with django_db_blocker.unblock():
        yield
        connections["default"].close()


def test_tests_run_as_the_runtime_role(db):
    assert session_user() == (RUNTIME, RUNTIME)


def test_the_runtime_role_is_bound_by_every_policy(db):
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT rolsuper, rolbypassrls, rolinherit, rolcreatedb, rolcreaterole FROM pg_roles "
            "WHERE rolname = session_user"
        )
        assert cursor.fetchone() == (False,) * 5
        cursor.execute("SELECT count(*) FROM pg_class JOIN pg_roles r ON r.oid = relowner WHERE rolname = session_user")
        assert cursor.fetchone() == (0,)


def test_the_platform_role_can_not_log_in_and_is_bound_too(db, settings):
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT rolcanlogin, rolsuper, rolbypassrls FROM pg_roles WHERE rolname = %s",
            [settings.DATABASE_PLATFORM_ROLE],
        )
        assert cursor.fetchone() == (False,) * 3


def test_owner_login_is_another_session_and_gives_the_first_one_back(outside_transactions):
    runtime = connections["default"]
    with owner_login() as owner:
        assert session_user() == (OWNER, OWNER)
        assert connections["default"] is owner is not runtime
        assert scope.current().is_over_all_tenants
        with owner_login() as nested:
            assert nested is owner
        assert session_user() == (OWNER, OWNER)
    assert connections["default"] is runtime
    assert session_user() == (RUNTIME, RUNTIME)
    assert scope.current() is None


def test_owner_login_ends_when_its_block_raises(outside_transactions):
    with pytest.raises(ZeroDivisionError), owner_login():
        1 / 0  # noqa: B018
    assert session_user() == (RUNTIME, RUNTIME)


def test_owner_login_refuses_inside_a_transaction(db):
    with pytest.raises(RuntimeError, match="outside `atomic`"), owner_login():
        pass


def test_owner_login_without_an_owner_names_the_variable(django_db_setup, django_db_blocker):
    with django_db_blocker.unblock(), another_session(login=login.OWNER) as session:
        session.settings_dict["OWNER"] = None
        with pytest.raises(ImproperlyConfigured, match="DATABASE_OWNER_URL"):
            session.ensure_connection()


def test_a_superuser_is_refused_as_runtime_login(django_db_setup, django_db_blocker, monkeypatch):
    with django_db_blocker.unblock(), another_session() as session:
        monkeypatch.setattr(
            "psycopg._connection_info.ConnectionInfo.parameter_status", lambda self, name: "on", raising=True
        )
        with pytest.raises(ImproperlyConfigured, match="a superuser, whom row-level security does not bind"):
            session.ensure_connection()


@pytest.mark.django_db(transaction=True)
def test_a_flush_runs_as_owner_and_leaves_the_platform_tenant():
    with unscoped(reason="test data"):
        Tenant(name="Acme", subdomain="acme").save()
        assert Tenant.objects.count() == 2
    call_command("flush", interactive=False, verbosity=0)
    with unscoped(reason="test"):
        assert list(Tenant.objects.values_list("pk", flat=True)) == [scope.PLATFORM_TENANT_ID]


# -- Settings from URLs


def settings_from(**environ):
    return login.database_settings(environ, data_dir=Path("/data"))


def test_without_a_url_the_embedded_server_is_used():
    entry = settings_from()
    assert (entry["USER"], entry["OWNER"]["USER"], entry["NAME"]) == ("nexora_app", "nexora_owner", "nexora")
    assert entry["EMBEDDED"] == "/data/postgres"


def test_urls_name_both_logins():
    entry = settings_from(
        DATABASE_URL="postgresql://app:s%40crt@db:6432/shop?sslmode=require",
        DATABASE_OWNER_URL="postgresql://own:er@db/shop",
    )
    assert (entry["USER"], entry["PASSWORD"], entry["HOST"], entry["PORT"], entry["NAME"]) == (
        "app", "s@crt", "db", "6432", "shop",
    )  # fmt: skip
    assert entry["OPTIONS"] == {"connect_timeout": "5", "sslmode": "require"}
    assert entry["OWNER"]["USER"] == "own"
    assert entry["EMBEDDED"] is None


def test_one_login_for_both_is_refused():
    url = "postgresql://app@db/shop"
    with pytest.raises(ValueError, match="must not own the tables"):
        settings_from(DATABASE_URL=url, DATABASE_OWNER_URL=url)


@pytest.mark.parametrize("url", ["postgresql://db/shop", "postgresql://app@db", "not a url"])
def test_a_url_that_lacks_something_is_refused_without_showing_it(url):
    with pytest.raises(ValueError, match="DATABASE_URL") as refused:
        settings_from(DATABASE_URL=url)
    assert url not in str(refused.value)


def test_pools_are_asked_for_by_name():
    url = "postgresql://app@db/shop"
    assert settings_from(DATABASE_URL=url)["CONN_MAX_AGE"] == 600
    pooled = settings_from(DATABASE_URL=f"{url}?connect_timeout=9", DATABASE_POOL="1")
    assert pooled["OPTIONS"] == {"pool": pool.OPTIONS, "connect_timeout": "9"} and pooled["CONN_MAX_AGE"] == 0
    behind = settings_from(DATABASE_URL=url, DATABASE_POOLER="transaction")
    assert behind["POOLER"] == "transaction" and behind["DISABLE_SERVER_SIDE_CURSORS"]
    for wrong in ({"DATABASE_POOL": "yes"}, {"DATABASE_POOLER": "session"}):
        with pytest.raises(ValueError, match="DATABASE_POOL"):
            settings_from(DATABASE_URL=url, **wrong)
