"""Who may do what with which relation: every right of every role, by name, and every policy."""

import pytest
from django.db import connection

from .test_tables import TENANT_TABLES, answers

READ, ADD, CRUD = "SELECT", "INSERT SELECT", "DELETE INSERT SELECT UPDATE"

# relation: (runtime, platform). What is not here, the roles do not reach.
RIGHTS = {
    "tenants": ("SELECT UPDATE(name,settings,updated_at,white_label)", CRUD),
    "subscriptions": (READ, CRUD),
    "domains": (READ, CRUD),
    "request_counts": (READ, CRUD),
    "users": (CRUD, CRUD),
    "invitations": (CRUD, CRUD),
    "refresh_tokens": (CRUD, CRUD),
    "second_factors": (CRUD, CRUD),
    "recovery_codes": (CRUD, CRUD),
    "idempotency_keys": (CRUD, CRUD),
    "attempts": (CRUD, CRUD),
    # What a key may do is fixed when it is made, and it is revoked, never removed.
    "api_keys": ("INSERT SELECT UPDATE(last_used_at,last_used_ip,name,revoked_at,updated_at)", CRUD),
    # Once told, nothing changes but that it is read.
    "notifications": ("DELETE INSERT SELECT UPDATE(read_at)", "DELETE INSERT SELECT UPDATE(read_at)"),
    "audit_events": (ADD, ADD),
    "customers": (CRUD, CRUD),
    "deals": (CRUD, CRUD),
    "activities": (CRUD, CRUD),
    "ai_predictions": (ADD, CRUD),
    "ai_insights": (CRUD, CRUD),
    "ai_credit_usage": (ADD, CRUD),
    "workflows": (CRUD, CRUD),
    "workflow_executions": ("INSERT SELECT UPDATE", CRUD),
    # A run keeps to the version that it began with.
    "workflow_versions": (ADD, CRUD),
    "workflow_steps": ("INSERT SELECT UPDATE", CRUD),
    "plugins": (READ, CRUD),
    "plugin_installations": (CRUD, CRUD),
    "tenant_revenue_by_month": (READ, READ),
    "tenant_revenue_by_close_month": (READ, READ),
    "view_refreshes": (READ, READ),
    "django_admin_log": (CRUD, CRUD),
    "django_content_type": (READ, READ),
    "auth_permission": (READ, READ),
    "django_migrations": (READ, READ),
    "django_session": (CRUD, CRUD),
    "procrastinate_jobs": (CRUD, CRUD),
    "procrastinate_events": (CRUD, CRUD),
    "procrastinate_periodic_defers": (CRUD, CRUD),
    "procrastinate_workers": (CRUD, CRUD),
}
SEQUENCES = {
    "procrastinate_jobs_id_seq",
    "procrastinate_events_id_seq",
    "procrastinate_periodic_defers_id_seq",
    "procrastinate_workers_id_seq",
    "django_admin_log_id_seq",
}
OWNER_FUNCTIONS = {"tenant_of_host(text,text)", "refresh_revenue(boolean)"}

RUNTIME, PLATFORM, OWNER = "nexora_app", "nexora_platform", "nexora_owner"
ROLES = {"tenant_rows": RUNTIME, "platform_rows": PLATFORM, "owner_rows": OWNER}


def granted(role):
    """{relation: its rights, sorted}, on whole relations and on columns; `role` may be PUBLIC."""
    rows = answers(
        "SELECT relname, privilege_type, NULL FROM pg_class c, aclexplode(c.relacl) a "
        "WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm', 'f') "
        "AND coalesce((SELECT rolname FROM pg_roles WHERE oid = a.grantee), 'PUBLIC') = %s "
        "UNION ALL SELECT relname, privilege_type, string_agg(attname, ',' ORDER BY attname) "
        "FROM pg_class c JOIN pg_attribute t ON t.attrelid = c.oid, aclexplode(t.attacl) a "
        "WHERE c.relnamespace = 'public'::regnamespace "
        "AND coalesce((SELECT rolname FROM pg_roles WHERE oid = a.grantee), 'PUBLIC') = %s "
        "GROUP BY relname, privilege_type",
        role,
        role,
    )
    found = {}
    for relation, right, columns in rows:
        found.setdefault(relation, []).append(f"{right}({columns})" if columns else right)
    return {relation: " ".join(sorted(rights)) for relation, rights in found.items()}


def test_the_runtime_has_exactly_these_rights(db):
    assert granted(RUNTIME) == {relation: rights[0] for relation, rights in RIGHTS.items()}


def test_the_platform_has_exactly_these_rights(db):
    assert granted(PLATFORM) == {relation: rights[1] for relation, rights in RIGHTS.items()}


def test_the_public_has_none(db):
    assert granted("PUBLIC") == {}


def test_nobody_empties_a_table(db):
    """TRUNCATE asks no policy."""
    assert not any("TRUNCATE" in rights for pair in RIGHTS.values() for rights in pair)


@pytest.mark.parametrize("role", [RUNTIME, PLATFORM])
def test_sequences_are_used_by_name(db, role):
    found = answers(
        "SELECT relname FROM pg_class WHERE relkind = 'S' AND relnamespace = 'public'::regnamespace "
        "AND (has_sequence_privilege(%s, oid, 'USAGE') OR has_sequence_privilege(%s, oid, 'UPDATE'))",
        role,
        role,
    )
    assert {name for (name,) in found} == SEQUENCES


@pytest.mark.parametrize("role", [RUNTIME, PLATFORM])
def test_no_role_makes_tables(db, role):
    assert answers("SELECT has_schema_privilege(%s, 'public', 'CREATE')", role) == [(False,)]


def test_what_runs_with_the_owners_rights_is_named_here_and_has_a_fixed_search_path(db):
    found = answers(
        "SELECT oid::regprocedure::text, proowner::regrole::text, proconfig, "
        "has_function_privilege('public', oid, 'EXECUTE'), has_function_privilege(%s, oid, 'EXECUTE') "
        "FROM pg_proc WHERE prosecdef AND pronamespace = 'public'::regnamespace",
        RUNTIME,
    )
    assert {name for name, *_ in found} == OWNER_FUNCTIONS
    assert {tuple(map(str, rest)) for _, *rest in found} == {
        (OWNER, "['search_path=public, pg_temp']", "False", "True")
    }


# -- Policies


@pytest.mark.parametrize("table", [*TENANT_TABLES, "django_admin_log"])
def test_row_level_security_is_forced_with_three_policies(db, table):
    secured = answers("SELECT relrowsecurity, relforcerowsecurity FROM pg_class WHERE oid = %s::regclass", table)
    assert secured == [(True, True)]
    mine = {
        "tenants": "(id = current_tenant())",
        "django_admin_log": "(EXISTS ( SELECT 1 FROM users WHERE (users.id = django_admin_log.user_id)))",
    }.get(table, "(tenant_id = current_tenant())")
    policies = answers(
        "SELECT policyname, roles::text[], permissive, cmd, qual, with_check FROM pg_policies WHERE tablename = %s",
        table,
    )
    assert {name: (roles, *map(one_line, rest)) for name, roles, *rest in policies} == {
        name: ([role], "PERMISSIVE", "ALL", *[mine if role == RUNTIME else "true"] * 2) for name, role in ROLES.items()
    }


def one_line(text):
    return " ".join(text.split())


def test_there_are_no_policies_elsewhere(db):
    tables = {table for (table,) in answers("SELECT DISTINCT tablename FROM pg_policies WHERE schemaname = 'public'")}
    assert tables == {*TENANT_TABLES, "django_admin_log"}


def test_partitions_are_closed_to_everybody_but_their_parent(db):
    partitions = answers(
        "SELECT c.relname, c.relrowsecurity AND c.relforcerowsecurity, c.relacl IS NULL OR NOT EXISTS "
        "(SELECT 1 FROM aclexplode(c.relacl) WHERE grantee <> c.relowner) "
        "FROM pg_class c WHERE c.relispartition AND c.relkind = 'r' AND c.relnamespace = 'public'::regnamespace"
    )
    assert len(partitions) == 16
    assert {(secured, closed) for _, secured, closed in partitions} == {(True, True)}


@pytest.mark.parametrize("role", [RUNTIME, PLATFORM])
@pytest.mark.parametrize("view", ["revenue_by_month", "revenue_by_close_month"])
def test_materialized_views_are_read_by_nobody_directly(db, role, view):
    assert answers("SELECT has_table_privilege(%s, %s, 'SELECT')", role, view) == [(False,)]


def test_everything_belongs_to_the_owner(db):
    owners = answers(
        "SELECT DISTINCT relowner::regrole::text FROM pg_class WHERE relnamespace = 'public'::regnamespace"
    )
    assert owners == [(OWNER,)]


def test_the_platforms_policy_is_away_until_set_role(db):
    """Membership alone would let every query of the runtime see every tenant."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_has_role(session_user, %s, 'USAGE'), pg_has_role(session_user, %s, 'MEMBER')", [PLATFORM] * 2
        )
        assert cursor.fetchone() == (False, True)
        cursor.execute("SELECT pg_has_role(session_user, %s, 'MEMBER')", [OWNER])
        assert cursor.fetchone() == (False,)
