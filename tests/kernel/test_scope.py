"""The scope of a context, and how the database session follows it."""

import logging
import threading
from uuid import UUID, uuid4

import pytest
from django.db import DatabaseError, InterfaceError, OperationalError, connection, transaction
from django.db.utils import NotSupportedError

from apps.crm.models import Customer
from nexora.kernel import scope
from nexora.kernel.errors import CrossTenantWrite, ScopeRequired
from nexora.kernel.scope import tenant_scope, unscoped
from tests.database import another_session, as_default
from tests.factories import CustomerFactory

ACME, GLOBEX = uuid4(), uuid4()
RUNTIME, PLATFORM = "nexora_app", "nexora_platform"


@pytest.fixture
def session(django_db_setup, django_db_blocker):
    """A runtime session of its own, in autocommit, as the default connection."""
    with django_db_blocker.unblock(), another_session() as own, as_default(own):
        yield own


@pytest.fixture(autouse=True)
def _role_names(settings):
    assert settings.DATABASES["default"]["USER"] == RUNTIME
    assert settings.DATABASE_PLATFORM_ROLE == PLATFORM


def told(cursor=None):
    """(tenant, role) as the database session has them."""
    with cursor or connection.cursor() as cursor:
        cursor.execute("SELECT current_tenant(), current_user")
        return cursor.fetchone()


# -- The context


def test_there_is_no_scope_unless_one_is_entered():
    assert scope.current() is None
    with pytest.raises(ScopeRequired, match="tenant_scope"):
        scope.current_tenant_id()


def test_scopes_nest_and_end_with_their_block():
    with tenant_scope(ACME):
        with tenant_scope(GLOBEX):
            assert scope.current_tenant_id() == GLOBEX
        assert scope.current_tenant_id() == ACME
    assert scope.current() is None


def test_a_scope_ends_when_its_block_raises():
    with pytest.raises(ZeroDivisionError), tenant_scope(ACME):
        1 / 0  # noqa: B018
    assert scope.current() is None


@pytest.mark.parametrize("given", [ACME, str(ACME), type("Tenant", (), {"pk": ACME})()], ids=["uuid", "text", "record"])
def test_a_tenant_may_be_given_as_record_uuid_or_text(given):
    with tenant_scope(given) as entered:
        assert entered.tenant_id == ACME


@pytest.mark.parametrize("given", ["acme", "", None, 7])
def test_what_is_no_tenant_is_refused(given):
    with pytest.raises((ValueError, TypeError)), tenant_scope(given):
        pass


@pytest.mark.parametrize("reason", ["", "   ", None])
def test_leaving_the_scope_takes_a_reason(reason):
    with pytest.raises(ValueError, match="needs a reason"):
        unscoped(reason=reason)


def test_the_reason_for_leaving_the_scope_is_logged(caplog):
    with caplog.at_level(logging.INFO, "nexora.scope"), unscoped(reason="monthly invoices"):
        pass
    assert "unscoped: monthly invoices" in caplog.text


def test_no_tenant_is_current_inside_unscoped():
    with unscoped(reason="test"):
        assert scope.current().is_over_all_tenants
        assert scope.default_tenant_id() is None
        with pytest.raises(ScopeRequired):
            scope.current_tenant_id()


def test_another_thread_is_in_no_scope():
    seen = []
    with tenant_scope(ACME):
        thread = threading.Thread(target=lambda: seen.append(scope.current()))
        thread.start()
        thread.join()
    assert seen == [None]


# -- The session follows


def test_the_session_is_told_tenant_and_role(session):
    assert told() == (None, RUNTIME)
    with tenant_scope(ACME):
        assert told() == (ACME, RUNTIME)
        with unscoped(reason="test"):
            assert told() == (None, PLATFORM)
        assert told() == (ACME, RUNTIME)
    assert told() == (None, RUNTIME)


def test_a_session_is_told_once_per_change(session, monkeypatch):
    sent = []
    send = type(session)._send
    monkeypatch.setattr(type(session), "_send", lambda self, state: (sent.append(state), send(self, state)))
    with tenant_scope(ACME):
        told(), told(), told()
    assert sent == [(str(ACME), "none")]


def test_a_cursor_held_across_scopes_follows_the_scope_of_each_statement(session):
    cursor = session.cursor()
    with tenant_scope(ACME):
        cursor.execute("SELECT current_tenant()")
        assert cursor.fetchone() == (ACME,)
    with tenant_scope(GLOBEX):
        cursor.execute("SELECT current_tenant()")
        assert cursor.fetchone() == (GLOBEX,)
    cursor.execute("SELECT current_tenant()")
    assert cursor.fetchone() == (None,)


@pytest.mark.parametrize("debug", [False, True], ids=["plain", "debug"])
def test_many_statements_of_one_cursor_follow_too(session, debug):
    session.force_debug_cursor = debug
    cursor = session.cursor()
    with tenant_scope(ACME):
        cursor.executemany("SELECT 1", [(), ()])
        assert told() == (ACME, RUNTIME)


def test_state_survives_a_commit(session):
    with tenant_scope(ACME):
        with transaction.atomic():
            told()
        assert told() == (ACME, RUNTIME)


def test_a_scope_entered_in_a_transaction_is_left_after_its_commit(session):
    with transaction.atomic(), tenant_scope(ACME):
        told()
    assert told() == (None, RUNTIME)


def test_a_rollback_takes_the_setting_back_and_it_is_sent_again(session):
    with tenant_scope(ACME):
        told()
        with pytest.raises(ZeroDivisionError), transaction.atomic(), tenant_scope(GLOBEX):
            told()
            1 / 0  # noqa: B018
        assert told() == (ACME, RUNTIME)
    with tenant_scope(GLOBEX):
        assert told() == (GLOBEX, RUNTIME)


def test_a_savepoint_rollback_takes_the_setting_back_and_it_is_sent_again(session):
    with transaction.atomic(), tenant_scope(ACME):
        told()
        with tenant_scope(GLOBEX):
            with pytest.raises(ZeroDivisionError), transaction.atomic():
                told()
                1 / 0  # noqa: B018
            assert told() == (GLOBEX, RUNTIME)
        assert told() == (ACME, RUNTIME)


def test_the_platform_role_is_given_back_when_the_transaction_fails(session):
    with pytest.raises(DatabaseError), transaction.atomic(), unscoped(reason="test"), session.cursor() as cursor:
        cursor.execute("SELECT 1 / 0")
    assert told() == (None, RUNTIME)


def test_a_commit_that_is_a_rollback_takes_the_setting_back_and_it_is_sent_again(session):
    """An error caught inside `atomic` leaves a failed transaction, whose COMMIT rolls back and says nothing."""
    with tenant_scope(ACME):
        told()
        with transaction.atomic(), tenant_scope(GLOBEX), session.cursor() as cursor, pytest.raises(DatabaseError):
            cursor.execute("SELECT 1 / 0")
    with tenant_scope(GLOBEX):
        assert told() == (GLOBEX, RUNTIME)


def test_entering_a_scope_in_a_failed_transaction_reports_the_transaction(session):
    with transaction.atomic():
        with pytest.raises(DatabaseError, match="division by zero"), session.cursor() as cursor:
            cursor.execute("SELECT 1 / 0")
        with tenant_scope(ACME), pytest.raises(DatabaseError, match="current transaction is aborted"):
            told()
    with tenant_scope(ACME):
        assert told() == (ACME, RUNTIME)


def test_a_closed_connection_begins_outside_every_scope_and_is_told_again(session):
    with tenant_scope(ACME):
        told()
        session.close()
        assert told() == (ACME, RUNTIME)
        session.close()
    assert told() == (None, RUNTIME)


def test_a_cursor_held_beyond_its_connection_says_so(session):
    cursor = session.cursor()
    session.close()
    with tenant_scope(ACME), pytest.raises((OperationalError, InterfaceError), match="closed"):
        cursor.execute("SELECT 1")


def test_a_lost_session_is_an_operational_error_of_django(session):
    """What a broken connection raises is what request handling and health checks catch."""
    with session.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        (pid,) = cursor.fetchone()
    with another_session() as other, other.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s, 2000)", [pid])
    with tenant_scope(ACME), pytest.raises(OperationalError):
        told()
    session.close_if_unusable_or_obsolete()
    with tenant_scope(ACME):
        assert told() == (ACME, RUNTIME)


def test_a_reused_thread_carries_nothing_over(session):
    """As a web server's thread: one request after another on one persistent connection."""

    def request(tenant_id):
        with tenant_scope(tenant_id):
            return told()

    assert [request(ACME), request(GLOBEX), told()] == [(ACME, RUNTIME), (GLOBEX, RUNTIME), (None, RUNTIME)]


def test_a_server_side_cursor_keeps_the_scope_it_was_opened_in(acme, globex):
    for tenant in (acme, globex):
        for _ in range(5):
            CustomerFactory(tenant=tenant)
    seen = []
    with tenant_scope(acme):
        for customer in Customer.objects.iterator(chunk_size=2):
            seen.append(customer.tenant_id)
            with tenant_scope(globex):
                assert Customer.objects.count() == 5
    assert seen == [acme.pk] * 5


def test_a_server_side_cursor_in_no_scope_reads_nothing(acme):
    CustomerFactory(tenant=acme)
    with pytest.raises(ScopeRequired):
        list(Customer.objects.iterator(chunk_size=2))
    with connection.chunked_cursor() as cursor:
        cursor.execute("SELECT * FROM customers")
        assert cursor.fetchall() == []


@pytest.mark.parametrize("role", ["nexora_owner", "postgres"])
def test_switching_to_a_stronger_role_is_refused(session, role):
    with session.cursor() as cursor, pytest.raises(DatabaseError, match=r"permission denied|does not exist"):
        cursor.execute(f"SET ROLE {role}")


def test_the_session_can_not_be_given_away(session):
    with session.cursor() as cursor, pytest.raises((DatabaseError, NotSupportedError), match="permission denied"):
        cursor.execute("SET SESSION AUTHORIZATION nexora_owner")


def test_a_tenant_id_is_no_place_for_sql(session):
    """The setting travels as a parameter, and the scope takes UUIDs only."""
    with pytest.raises(ValueError), tenant_scope("'; RESET ROLE; --"):
        pass
    with tenant_scope(str(UUID(int=7))):
        assert told() == (UUID(int=7), RUNTIME)


def test_the_search_path_never_moves(session):
    with tenant_scope(ACME), session.cursor() as cursor:
        cursor.execute("SHOW search_path")
        assert cursor.fetchone() == ('"$user", public',)
    assert session.schema_name == "public"


def test_django_tenants_own_call_sets_the_scope(acme):
    connection.set_tenant(acme)
    assert scope.current_tenant_id() == acme.pk
    connection.set_schema_to_public()
    assert scope.current() is None


@pytest.mark.django_db
def test_the_platform_may_narrow_itself_to_one_tenant(acme, globex):
    """As the platform role, and yet every query carries the tenant, and new rows are the tenant's."""
    CustomerFactory(tenant=acme, name="Ada")
    CustomerFactory(tenant=globex, name="Grace")
    with scope.unscoped(reason="a support case", tenant=acme):
        assert list(Customer.objects.values_list("name", flat=True)) == ["Ada"]
        made = Customer(name="Charles")
        made.save()
        assert made.tenant_id == acme.pk
        with pytest.raises(CrossTenantWrite):
            Customer(name="Mallory's", tenant=globex).save()
        with connection.cursor() as cursor:
            cursor.execute("SELECT current_user, current_tenant()")
            assert cursor.fetchone() == ("nexora_platform", acme.pk)
