"""How many requests a tenant may send in a minute, counted by several processes in Redis."""

import logging
import time
from datetime import UTC, datetime
from uuid import uuid4

import fakeredis
import pytest
from redis import ConnectionError as RedisAway

from apps.tenants import rates
from apps.tenants.models import RequestCount
from apps.tenants.rates import exact
from apps.tenants.rates.counters import Counter
from apps.tenants.rates.exact import RedisCounter
from nexora.kernel import clock
from nexora.kernel.scope import unscoped
from tests.tenants.test_rate_counters import in_threads

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


@pytest.fixture
def redis_server():
    return fakeredis.FakeServer()


@pytest.fixture
def in_redis(redis_server, monkeypatch):
    """`in_redis()`: the counter of one more process."""

    def from_url(url, **options):
        assert options["socket_timeout"] <= 0.1 and options["socket_connect_timeout"] <= 0.1
        return fakeredis.FakeRedis(server=redis_server)

    monkeypatch.setattr(exact.Redis, "from_url", from_url)
    return lambda: RedisCounter("redis://redis.test/0")


def test_redis_is_asked_where_its_url_is_set(in_redis):
    assert type(rates.counter_by("")) is Counter
    assert type(rates.counter_by("redis://redis.test/0")) is RedisCounter


def test_with_redis_processes_together_let_through_exactly_the_limit(in_redis, acme, globex):
    one, other = in_redis(), in_redis()
    both = iter([one, other] * 4)
    assert sum(in_threads(lambda: taken(next(both), acme, 40, limit=123))) == 123
    assert other.take(globex.pk, 100, WINDOW) == 1
    assert one.take(globex.pk, 100, WINDOW) == 2
    assert one._counts[acme.pk].news == 0, "the table is not told"


def test_in_redis_a_window_ends_and_another_begins(in_redis, acme):
    counter = in_redis()
    assert taken(counter, acme, 8, limit=5) == 5
    assert counter.take(acme.pk, 5, WINDOW + 1) == 1
    (left,) = {counter._redis.ttl(key) for key in counter._redis.keys("nexora:requests:*")}
    assert 60 <= left <= 120


def test_who_hammers_costs_redis_nothing_and_gets_on_with_a_larger_plan(in_redis, acme):
    counter = in_redis()
    assert taken(counter, acme, 500, limit=5) == 5
    assert int(counter._redis.get(f"nexora:requests:{acme.pk}:{WINDOW}")) == 5
    assert counter.take(acme.pk, 10, WINDOW) == 6


def test_while_redis_is_away_no_request_is_refused_or_waits(in_redis, redis_server, acme, caplog, monkeypatch):
    counter = in_redis()
    taken(counter, acme, 10)
    redis_server.connected = False
    begin = time.monotonic()
    with caplog.at_level(logging.WARNING, "nexora.rates"):
        assert taken(counter, acme, 200) == 90
    assert time.monotonic() - begin < 1
    (warning,) = caplog.records
    assert "without Redis" in warning.getMessage()
    counter.reconcile()
    assert stored() == {acme.pk: 90}, "the other processes are told through the table"
    redis_server.connected = True
    counter.reconcile()
    assert counter._look_again_at is not None, "not before some seconds"
    later = time.monotonic() + exact.PAUSE_SECONDS
    monkeypatch.setattr(exact.time, "monotonic", lambda: later)
    counter.reconcile()
    tenant = uuid4()
    assert counter.take(tenant, 100, WINDOW) == 1
    assert counter._redis.exists(f"nexora:requests:{tenant}:{WINDOW}")


def test_a_redis_that_says_nothing_is_waited_for_once(acme, caplog):
    """A port that takes the connection and never answers."""
    import socket

    with socket.create_server(("127.0.0.1", 0)) as deaf, caplog.at_level(logging.WARNING, "nexora.rates"):
        counter = RedisCounter(f"redis://:secret@127.0.0.1:{deaf.getsockname()[1]}/0")
        begin = time.monotonic()
        assert taken(counter, acme, 50) == 50
    assert time.monotonic() - begin < 1
    assert len(caplog.records) == 1 and "secret" not in caplog.text


@pytest.mark.parametrize("url", ["redis://127.0.0.1:1/0", "redis://nowhere.invalid:6379/0"])
def test_a_redis_that_cannot_be_reached_is_none(acme, url):
    counter = RedisCounter(url)
    assert taken(counter, acme, 50) == 50
    assert counter._look_again_at is not None


def test_the_error_of_a_redis_that_is_away_is_one_that_is_caught():
    assert issubclass(RedisAway, exact.RedisError)
