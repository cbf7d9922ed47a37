"""A pool of one session that goes from tenant to tenant, whatever happened to the one before."""

import threading
import time
from contextlib import contextmanager, suppress

import psycopg
import pytest
from django.db import DatabaseError, InterfaceError, OperationalError, connections, transaction

from apps.crm.models import Customer
from nexora.kernel.api.exceptions import as_error
from nexora.kernel.db import pool
from nexora.kernel.scope import PLATFORM_TENANT_ID, tenant_scope, unscoped
from tests.database import as_default
from tests.factories import CustomerFactory, TenantFactory

TOLD = "SELECT current_setting('nexora.tenant_id', true), current_setting('role'), current_user::text"
RUNTIME, PLATFORM = "nexora_app", "nexora_platform"


@contextmanager
def pool_of(size, *, host=None, **options):
    """`borrow`, where `with borrow() as connection:` is a request's time with one of its sessions: the default one."""
    blank = connections["default"].copy()
    if host:
        blank.settings_dict |= {"EMBEDDED": None, "HOST": host}
    pools = blank._connection_pools = {}  # not the one of the tests themselves
    blank.settings_dict["CONN_MAX_AGE"] = 0
    blank.settings_dict["OPTIONS"]["pool"] = pool.OPTIONS | {"max_size": size, "timeout": 5} | options

    @contextmanager
    def borrow():
        connection = blank.copy()
        connection._connection_pools = pools
        with as_default(connection):
            try:
                yield connection
            finally:
                connection.close()

    try:
        yield borrow
    finally:
        blank.close_pool()


@pytest.fixture
def borrow(db):
    with pool_of(1) as borrow:
        yield borrow


def ask(connection, sql, *params):
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        return cursor.fetchall()


def end(connection, *sessions):
    """As an administrator or a crash would."""
    with psycopg.connect(**connection.get_connection_params()) as other:
        for session in sessions:
            other.execute("SELECT pg_terminate_backend(%s, 2000)", [session.info.backend_pid])


def owners(connection):
    """Tenants of all that plain SQL shows: the policy alone is between it and the others' rows."""
    return {row[0] for row in ask(connection, "SELECT tenant_id FROM customers")}


# -- What may happen to a session before it goes back


def nothing(connection):
    ask(connection, "SELECT 1")


def an_error(connection):
    with pytest.raises(DatabaseError, match="division"):
        ask(connection, "SELECT 1 / 0")


def an_error_that_ends_a_transaction(connection):
    with pytest.raises(DatabaseError, match="division"), transaction.atomic():
        Customer(name="lost").save()
        ask(connection, "SELECT 1 / 0")


def an_error_in_a_savepoint(connection):
    with transaction.atomic():
        with pytest.raises(DatabaseError, match="division"), transaction.atomic():
            ask(connection, "SELECT 1 / 0")
        ask(connection, "SELECT 1")


def an_error_that_is_swallowed(connection):
    with transaction.atomic(), suppress(DatabaseError):
        ask(connection, "SELECT 1 / 0")


def a_timeout(connection):
    with pytest.raises(OperationalError, match="statement timeout"), transaction.atomic():
        ask(connection, "SELECT set_config('statement_timeout', '50ms', true)")
        ask(connection, "SELECT pg_sleep(5)")


def a_cancelled_statement(connection):
    ask(connection, "SELECT 1")
    timer = threading.Timer(0.1, connection.connection.cancel)
    timer.start()
    with pytest.raises(OperationalError, match="user request"):
        ask(connection, "SELECT pg_sleep(5)")
    timer.join()


def a_transaction_left_open(connection):
    with transaction.atomic():
        Customer(name="lost").save()
        connection.close()


def an_aborted_transaction_left_open(connection):
    with transaction.atomic():
        with suppress(DatabaseError):
            ask(connection, "SELECT 1 / 0")
        connection.close()


def work_as_the_platform(connection):
    with unscoped(reason="test"):
        ask(connection, "SELECT 1")


def rows_that_nobody_fetched(connection):
    next(iter(Customer.objects.iterator(chunk_size=1)), None)


def the_end_of_the_session(connection):
    ask(connection, "SELECT 1")
    end(connection, connection.connection)
    with pytest.raises(OperationalError):
        ask(connection, "SELECT 1")


MISHAPS = [
    nothing, an_error, an_error_that_ends_a_transaction, an_error_in_a_savepoint, an_error_that_is_swallowed, a_timeout,
    a_cancelled_statement, a_transaction_left_open, an_aborted_transaction_left_open, work_as_the_platform,
    rows_that_nobody_fetched, the_end_of_the_session,
]  # fmt: skip


@pytest.mark.django_db(transaction=True)
def test_a_session_that_comes_from_the_pool_is_nobodys(borrow):
    tenants = [TenantFactory(subdomain=name) for name in ("acme", "globex")]
    for tenant in tenants:
        CustomerFactory(tenant=tenant)
    sessions = []
    for number, mishap in enumerate(MISHAPS):
        last, tenant = tenants[number % 2], tenants[(number + 1) % 2]
        with borrow() as connection, tenant_scope(last):
            assert owners(connection) == {last.pk}
            mishap(connection)
            connection.close()
            assert owners(connection) == {last.pk}
        with borrow() as connection:
            connection.ensure_connection()
            sessions.append(connection.connection.info.backend_pid)
            # Past Django, which would say whose it is before any statement.
            assert connection.connection.execute(TOLD).fetchone() == ("", "none", RUNTIME), mishap
            assert connection.connection.autocommit
            assert owners(connection) == set(), mishap
            with tenant_scope(tenant):
                assert owners(connection) == {tenant.pk}, mishap
    # One session served them all, but for the last, who ended it.
    assert len(set(sessions[:-1])) == 1 and sessions[-1] not in sessions[:-1]
    with unscoped(reason="test"):
        assert not Customer.objects.filter(name="lost").exists()


@pytest.mark.django_db(transaction=True)
def test_tenants_take_turns_on_one_session_and_never_see_each_other(borrow):
    tenants = [TenantFactory(subdomain=name) for name in ("acme", "globex", "initech")]
    for tenant in tenants:
        CustomerFactory(tenant=tenant)
    faults = []

    def work(tenant, turn):
        try:
            for mishap in MISHAPS[turn:] + MISHAPS[:turn]:
                with tenant_scope(tenant), borrow() as connection:
                    assert owners(connection) == {tenant.pk}, mishap
                    with suppress(DatabaseError):
                        mishap(connection)
                with borrow() as connection:
                    assert owners(connection) == set(), mishap
        except BaseException as error:
            faults.append(repr(error))

    threads = [threading.Thread(target=work, args=(tenants[turn % 3], turn)) for turn in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert faults == []


def test_a_cursor_kept_beyond_its_time_does_not_read_the_next_ones_session(db):
    with pool_of(2, min_size=2) as borrow, borrow() as connection:
        connection.pool.open(wait=True)
        cursor = connection.cursor()
        cursor.execute(TOLD)
        connection.close()
        with pytest.raises(InterfaceError, match="closed"):
            cursor.execute(TOLD)
        ask(connection, TOLD)  # the other session: the one given back is last in the queue
        with tenant_scope(PLATFORM_TENANT_ID), borrow() as another:
            ask(another, TOLD)
            assert another.connection is cursor.connection
            with pytest.raises(InterfaceError, match="closed"):
                cursor.execute(TOLD)


def test_sessions_that_ended_while_nobody_had_them_cost_one_pause_between_them(db):
    with pool_of(4, min_size=4, timeout=pool.OPTIONS["timeout"]) as borrow, borrow() as connection:
        connection.pool.open(wait=True)
        sessions = [*connection.pool._pool]
        assert len(sessions) == 4
        end(connection, *sessions)
        assert ask(connection, "SELECT 1") == [(1,)]


def test_a_server_that_is_away_is_told_at_once_to_all_who_wait(db):
    refused = []

    def ask_in_vain():
        with borrow() as connection:
            try:
                ask(connection, "SELECT 1")
            except OperationalError as error:
                refused.append(error)

    with pool_of(4, host="/nowhere", timeout=20) as borrow:
        threads = [threading.Thread(target=ask_in_vain) for _ in range(8)]
        begin = time.monotonic()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert time.monotonic() - begin < 5
    assert [as_error(error).status for error in refused] == [503] * 8


def test_who_waits_for_a_session_that_exists_goes_on_waiting_when_no_other_is_to_be_had(db):
    answers = []

    def ask_later():
        with borrow() as connection:
            answers.extend(ask(connection, "SELECT 1"))

    with pool_of(2) as borrow, borrow() as connection:
        connection.pool.open(wait=True)
        ask(connection, "SELECT 1")
        connection.pool.kwargs["host"] = "/nowhere"
        thread = threading.Thread(target=ask_later)
        thread.start()
        thread.join(0.5)
        assert thread.is_alive()
        connection.close()
        thread.join()
    assert answers == [(1,)]


def test_a_session_that_is_not_to_be_had_is_waited_for_and_then_503(db):
    with pool_of(1, timeout=0.1) as borrow, borrow() as connection:
        ask(connection, "SELECT 1")
        with borrow() as another, pytest.raises(OperationalError) as refused:
            ask(another, "SELECT 1")
    assert as_error(refused.value).status == 503
