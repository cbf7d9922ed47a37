"""How many requests a tenant may send in a minute, counted by several processes."""

import logging
import threading
import time
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest
from django.db import OperationalError, connection

from apps.tenants import jobs
from apps.tenants.models import RequestCount, Tenant
from apps.tenants.rates import counters, windows
from apps.tenants.rates.counters import Counter
from apps.tenants.services import counts
from nexora.kernel import clock
from nexora.kernel.scope import tenant_scope, unscoped
from tests.database import another_session, as_default
from tests.factories import RequestCountFactory, TenantFactory
from tests.kernel.test_pool import pool_of

NOON = datetime(2026, 11, 26, 12, 0, 17, tzinfo=UTC)
WINDOW = int(NOON.timestamp()) // 60


@pytest.fixture(autouse=True)
def _noon():
    with clock.frozen_at(NOON):
        yield


def taken(counter, tenant, requests, limit=100):
    """How many of so many requests are let through."""
    return sum(counter.take(tenant.pk, limit, WINDOW) > 0 for _ in range(requests))


def stored():
    with unscoped(reason="test"):
        return {count.tenant_id: count.count for count in RequestCount.objects.all()}


def test_what_comes_back_late_takes_nothing_from_the_minute_that_has_begun(acme):
    counter = Counter()
    taken(counter, acme, 1)
    for _ in range(5):
        counter.take(acme.pk, 100, WINDOW + 1)
    counter.give_back(acme.pk, WINDOW)
    assert counter.take(acme.pk, 100, WINDOW + 1) == 6
    assert counter.take(acme.pk, 100, WINDOW) == 7, "asked a moment before, counted a moment after"


# -- Through the table


@pytest.fixture
def two():
    return Counter(), Counter()


def test_two_processes_know_after_an_interval_what_both_have_counted(two, acme, globex):
    one, other = two
    taken(one, acme, 30)
    taken(other, acme, 20)
    taken(other, globex, 7)
    one.reconcile()
    other.reconcile()
    assert stored() == {acme.pk: 50, globex.pk: 7}
    assert other.take(acme.pk, 100, WINDOW) == 51
    # The first hears of the others' when it has news of its own.
    assert one.take(acme.pk, 100, WINDOW) == 31
    one.reconcile()
    other.reconcile()
    assert stored() == {acme.pk: 52, globex.pk: 7}
    assert one.take(acme.pk, 100, WINDOW) in (52, 53)


@pytest.mark.parametrize("arriving", [1, 7, 40])
def test_two_processes_let_through_no_more_than_the_limit_and_what_arrives_within_an_interval(two, acme, arriving):
    """So many reach each of them in each second."""
    passed = 0
    for _second in range(200):
        for counter in two:
            passed += taken(counter, acme, arriving)
        for counter in two:
            counter.reconcile()
    assert 100 <= passed <= 100 + 2 * arriving
    assert stored() == {acme.pk: passed}


def test_one_process_alone_is_exact(two, acme):
    counter, _ = two
    for _second in range(20):
        counter.reconcile()
        taken(counter, acme, 7)
    assert taken(counter, acme, 1) == 0
    counter.reconcile()
    assert stored() == {acme.pk: 100}


def test_threads_of_a_process_are_counted_exactly(two, acme):
    counter, _ = two
    assert sum(in_threads(lambda: taken(counter, acme, 500, limit=1234))) == 1234


def in_threads(work, count=8):
    """What each of so many threads returns."""
    answers = []
    threads = [threading.Thread(target=lambda: answers.append(work())) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers


def test_requests_during_the_statement_are_told_by_the_next(two, acme, monkeypatch):
    counter, _ = two
    tell = counts.add_request_counts

    def slowly(**counts):
        taken(counter, acme, 3)
        return tell(**counts)

    taken(counter, acme, 10)
    monkeypatch.setattr(counts, "add_request_counts", slowly)
    counter.reconcile()
    assert stored() == {acme.pk: 10}
    monkeypatch.undo()
    counter.reconcile()
    assert stored() == {acme.pk: 13}
    assert counter.take(acme.pk, 100, WINDOW) == 14


def test_all_tenants_are_told_of_in_one_statement_and_nothing_in_none(two, acme, globex, django_assert_num_queries):
    counter, _ = two
    with django_assert_num_queries(0):
        counter.reconcile()
    taken(counter, acme, 1)
    taken(counter, globex, 1)
    with unscoped(reason="warm"), connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    with django_assert_num_queries(1):
        counter.reconcile()


def test_tenants_are_told_of_in_one_order_so_that_two_processes_do_not_wait_for_each_other(two, db):
    counter, _ = two
    tenants = sorted((TenantFactory() for _ in range(12)), key=lambda tenant: tenant.pk, reverse=True)
    for tenant in tenants:
        taken(counter, tenant, 1)
    counter.reconcile()
    with unscoped(reason="test"), connection.cursor() as cursor:
        cursor.execute("SELECT tenant_id FROM request_counts ORDER BY ctid")
        assert [tenant_id for (tenant_id,) in cursor.fetchall()] == [tenant.pk for tenant in reversed(tenants)]


def test_the_past_takes_no_room(two, acme, globex):
    counter, _ = two
    taken(counter, acme, 5)
    with clock.frozen_at(NOON + timedelta(minutes=1)):
        counter.take(globex.pk, 100, WINDOW + 1)
        counter.reconcile()
    assert set(counter._counts) == {globex.pk}
    assert stored() == {globex.pk: 1}


def test_a_tenant_that_has_been_deleted_is_in_nobodys_way(two, acme, globex):
    counter, _ = two
    taken(counter, globex, 5)
    counter.reconcile()
    taken(counter, acme, 2)
    taken(counter, globex, 1)
    with unscoped(reason="test"):
        Tenant.objects.get(pk=globex.pk).delete()
    counter.reconcile()
    counter.reconcile()
    assert stored() == {acme.pk: 2}
    assert counter._counts[globex.pk].news == 0


def test_a_tenant_reads_its_own_count_and_no_other(acme, globex):
    RequestCountFactory(tenant=acme, count=1)
    RequestCountFactory(tenant=globex, count=2)
    with tenant_scope(acme), connection.cursor() as cursor:
        cursor.execute("SELECT count FROM request_counts")
        assert cursor.fetchall() == [(1,)]


def test_old_minutes_are_removed(acme, globex):
    for tenant in (acme, globex):
        RequestCountFactory(tenant=tenant, starts_at=NOON - timedelta(minutes=61))
        RequestCountFactory(tenant=tenant, starts_at=NOON - timedelta(minutes=1), count=2)
    jobs.delete_past_request_counts()
    assert stored() == {acme.pk: 2, globex.pk: 2}


# -- The thread, and a database that is away


@pytest.fixture
def served(monkeypatch):
    """`served(counter)`: as in a process that answers requests, but ten times as fast, and with an end."""
    monkeypatch.setattr(counters, "INTERVAL_SECONDS", 0.05)
    made = []

    def start(counter):
        made.append(counter)
        counter.serve()
        return counter

    yield start
    for counter in made:
        counter.stop()


def wait_until(is_so, seconds=10):
    deadline = time.monotonic() + seconds
    while not is_so() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert is_so()


@pytest.mark.django_db(transaction=True)
def test_the_thread_starts_with_the_first_request_counted_and_tells_by_itself(served):
    # The thread's clock is not the test's.
    window = windows.current
    tenant = TenantFactory()
    counter = served(Counter())
    assert counter._thread is None
    with clock.frozen_at(datetime.now(UTC)):
        counter.take(tenant.pk, 100, window())
    assert counter._thread.daemon
    wait_until(lambda: stored() == {tenant.pk: 1})


@contextmanager
def database_away(monkeypatch):
    def away(**counts):
        raise OperationalError("the server closed the connection unexpectedly")

    with monkeypatch.context() as patch:
        patch.setattr(counts, "add_request_counts", away)
        yield


@pytest.mark.django_db(transaction=True)
def test_while_the_database_is_away_a_process_counts_alone_and_tells_it_later(two, acme, monkeypatch, caplog):
    counter, _ = two
    taken(counter, acme, 30)
    with caplog.at_level(logging.WARNING, "nexora.rates"), database_away(monkeypatch):
        for _second in range(5):
            counter._round()
            taken(counter, acme, 5)
    assert taken(counter, acme, 100) == 45
    (warning,) = caplog.records
    assert "by this process alone" in warning.getMessage()
    counter._round()
    assert stored() == {acme.pk: 100}
    caplog.clear()
    with caplog.at_level(logging.WARNING, "nexora.rates"), database_away(monkeypatch):
        taken(counter, TenantFactory(), 1)
        counter._round()
    assert len(caplog.records) == 1, "another time it is away, another warning"


@contextmanager
def kept_for(seconds):
    """The connection of this thread, kept for so long."""
    with another_session() as own, as_default(own):
        own.settings_dict["OPTIONS"].pop("pool", None)
        own.settings_dict["CONN_MAX_AGE"] = seconds
        yield own


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("seconds", "is_kept"), [(600, True), (0, False)])
def test_a_connection_is_kept_as_long_as_the_settings_say(seconds, is_kept):
    tenant = TenantFactory()
    counter = Counter()
    with kept_for(seconds) as own:
        for number in (1, 2):
            taken(counter, tenant, 1)
            counter._round()
            assert (own.connection is not None) == is_kept
            assert stored_by(own.copy()) == {tenant.pk: number}


@pytest.mark.django_db(transaction=True)
def test_a_connection_of_the_pool_goes_back_after_each_round():
    tenant = TenantFactory()
    counter = Counter()
    with pool_of(1) as borrow, borrow() as own:
        for _ in range(2):
            taken(counter, tenant, 1)
            counter._round()
            assert own.connection is None
        with borrow() as another:
            assert stored_by(another) == {tenant.pk: 2}


def stored_by(another):
    with unscoped(reason="test"), another.cursor() as cursor:
        cursor.execute("SELECT tenant_id, count FROM request_counts")
        found = dict(cursor.fetchall())
    another.close()
    return found


@pytest.mark.django_db(transaction=True)
def test_a_session_that_has_ended_is_replaced_by_the_next_round():
    tenant = TenantFactory()
    counter = Counter()
    with kept_for(600) as own:
        taken(counter, tenant, 1)
        counter._round()
        own.connection.close()
        taken(counter, tenant, 1)
        counter._round()
        assert stored_by(own.copy()) == {tenant.pk: 2}


@pytest.mark.django_db(transaction=True)
def test_processes_that_tell_of_the_same_tenants_at_once_do_not_lock_each_other_out():
    tenants = [TenantFactory() for _ in range(20)]

    def tell():
        try:
            with clock.frozen_at(NOON):
                for number in range(15):
                    counter = Counter()
                    for tenant in tenants if number % 2 else reversed(tenants):
                        taken(counter, tenant, 1)
                    counter.reconcile()
        finally:
            connection.close()
        return True

    assert in_threads(tell, 4) == [True] * 4
    assert set(stored().values()) == {60}
