"""Every migration has a way back, and the models say what the migrations made."""

from contextlib import contextmanager
from io import StringIO
from uuid import uuid4

import psycopg
import pytest
from django.apps import apps
from django.core.management import call_command
from django.db import connection, migrations
from django.db.migrations.loader import MigrationLoader

from nexora.kernel.db.login import OWNER
from nexora.kernel.scope import PLATFORM_TENANT_ID
from tests.database import another_session, as_default
from tests.schema import catalog

# From the highest to the lowest, as imports go.
OURS = ["marketplace", "analytics", "workflows", "crm", "accounts", "tenants"]


@pytest.fixture(scope="module")
def loader():
    return MigrationLoader(None)


def test_our_apps_are_these():
    assert {config.label for config in apps.get_app_configs() if config.name.startswith("apps.")} == set(OURS)


def our_operations():
    loader = MigrationLoader(None)
    for (app, name), migration in sorted(loader.disk_migrations.items()):
        if app in OURS:
            for number, operation in enumerate(migration.operations):
                yield pytest.param(operation, id=f"{app}.{name}[{number}]")


@pytest.mark.parametrize("operation", list(our_operations()))
def test_every_operation_has_a_way_back(operation):
    assert operation.reversible
    if isinstance(operation, migrations.RunSQL):
        assert operation.reverse_sql is not None
    if isinstance(operation, migrations.RunPython):
        assert operation.reverse_code is not None


def test_migrations_are_numbered_without_gaps_and_named(loader):
    for app in OURS:
        names = sorted(name for label, name in loader.disk_migrations if label == app)
        assert [name[:4] for name in names] == [f"{n:04}" for n in range(1, len(names) + 1)]
        assert not any("auto" in name for name in names), names


def test_no_migration_mixes_data_with_tables(loader):
    """PostgreSQL refuses to alter a table with pending trigger events, and a way back is written for one subject."""
    for (app, name), migration in loader.disk_migrations.items():
        if app in OURS and any(isinstance(o, migrations.RunPython) for o in migration.operations):
            assert all(isinstance(o, migrations.RunPython) for o in migration.operations), f"{app}.{name}"


def test_models_and_migrations_agree(db):
    output = StringIO()
    call_command("makemigrations", check_changes=True, dry_run=True, stdout=output)
    assert "No changes detected" in output.getvalue()


def test_every_migration_can_be_shown_as_sql(db, loader):
    """What an operator reads before a release."""
    for app, name in sorted(key for key in loader.disk_migrations if key[0] in OURS):
        output = StringIO()
        call_command("sqlmigrate", app, name, stdout=output)
        assert "BEGIN;" in output.getvalue()


@contextmanager
def scratch_database():
    """An empty database of the owner's, as the default connection."""
    name = f"{connection.settings_dict['NAME']}_scratch_{uuid4().hex[:8]}"
    with another_session(login=OWNER) as session:
        with session._nodb_cursor() as cursor:
            cursor.execute(f'CREATE DATABASE "{name}" ENCODING UTF8 TEMPLATE template0')
        try:
            session.settings_dict["NAME"] = name
            with as_default(session):
                yield session
        finally:
            session.close()
            session.settings_dict["NAME"] = connection.settings_dict["NAME"]
            with session._nodb_cursor() as cursor:
                cursor.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


def migrate(*target):
    call_command("migrate", *target, interactive=False, verbosity=0)


def everything(session):
    """All that makes the database ours: tables, functions, policies, rights."""
    with session.cursor() as cursor:
        tables = catalog.read(cursor, "public")
        catalogues = [tables]
        for query in (
            "SELECT oid::regprocedure::text, proacl::text FROM pg_proc WHERE pronamespace = 'public'::regnamespace",
            "SELECT relname, relacl::text, relkind, relrowsecurity, relforcerowsecurity FROM pg_class "
            "WHERE relnamespace = 'public'::regnamespace AND relkind NOT IN ('i', 'I')",
            "SELECT tablename, policyname, roles::text, qual, with_check FROM pg_policies",
        ):
            cursor.execute(f"{query} ORDER BY 1, 2")
            catalogues.append(cursor.fetchall())
        return catalogues


@pytest.mark.slow
def test_all_the_way_forward_back_and_forward_again(django_db_setup, django_db_blocker):
    with django_db_blocker.unblock(), scratch_database() as session:
        migrate()
        first = everything(session)
        assert platform_tenants(session) == [(PLATFORM_TENANT_ID, "nexora")]

        for app in OURS:
            migrate(app, "zero")
        tables, functions, relations, policies = everything(session)
        framework = ("django_", "auth_", "procrastinate_")
        assert [name for name in tables if not name.startswith(framework)] == []
        assert [name for name, _ in functions if not name.startswith("procrastinate_")] == []
        assert [name for name, rights, *_ in relations if "nexora_app" in (rights or "")] == []
        assert [name for name, rights, *_ in relations if "nexora_platform" in (rights or "")] == []
        assert policies == []

        migrate()
        again = everything(session)
        for before, after in zip(first, again, strict=True):
            assert after == before
        assert platform_tenants(session) == [(PLATFORM_TENANT_ID, "nexora")]


def platform_tenants(session):
    with session.cursor() as cursor:
        cursor.execute("SELECT id, subdomain FROM tenants")
        return cursor.fetchall()


def test_the_runtime_can_not_migrate(db):
    with pytest.raises(Exception, match="permission denied") as refused, connection.cursor() as cursor:
        cursor.execute("CREATE TABLE mine (id int)")
    assert isinstance(refused.value.__cause__, psycopg.errors.InsufficientPrivilege)
