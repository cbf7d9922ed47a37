"""Counting in Redis, which all processes share: exact."""

import logging
import time

from redis import Redis, RedisError
from redis.backoff import NoBackoff
from redis.retry import Retry

from . import windows
from .counters import Counter

log = logging.getLogger("nexora.rates")

# A Redis nearby answers in a thousandth of that. Nobody waits longer for it, twice where a connection had ended.
TIMEOUT_SECONDS = 0.1
PAUSE_SECONDS = 5


class RedisCounter(Counter):
    """Asks Redis once a request. While that is away a Counter like any other, which looks again every few seconds."""

    def __init__(self, url):
        super().__init__()
        self._redis = Redis.from_url(
            url,
            socket_timeout=TIMEOUT_SECONDS,
            socket_connect_timeout=TIMEOUT_SECONDS,
            retry=Retry(NoBackoff(), 1),
        )
        self._look_again_at = None

    def take(self, tenant_id, limit, window):
        if self._look_again_at is None:
            with self._lock:
                # Who is refused is not counted, neither here nor there, and costs Redis nothing.
                if self._count_of(tenant_id, window).total >= limit:
                    return 0
            try:
                number = self._ask(tenant_id, window)
            except RedisError as error:
                self._lose(error)
            else:
                with self._lock:
                    count = self._count_of(tenant_id, window)
                    if count.window == window:
                        count.total = max(count.total, number)
                return number if number <= limit else 0
        return super().take(tenant_id, limit, window)

    def give_back(self, tenant_id, window):
        if self._look_again_at is None:
            try:
                self._redis.decr(_key(tenant_id, window))
            except RedisError as error:
                self._lose(error)
            else:
                with self._lock:
                    count = self._count_of(tenant_id, window)
                    if count.window == window:
                        count.total -= 1
                return
        super().give_back(tenant_id, window)

    def _ask(self, tenant_id, window):
        key = _key(tenant_id, window)
        pipeline = self._redis.pipeline(transaction=False)
        pipeline.incr(key)
        pipeline.expire(key, 2 * windows.SECONDS)
        return pipeline.execute()[0]

    def _lose(self, error):
        with self._lock:
            is_first, self._look_again_at = self._look_again_at is None, time.monotonic() + PAUSE_SECONDS
        if is_first:
            log.warning("requests are counted without Redis until it answers: %s", error)

    def reconcile(self):
        """Also looks for a Redis that was away: no request waits for that."""
        if self._look_again_at is not None and time.monotonic() >= self._look_again_at:
            try:
                self._redis.ping()
            except RedisError:
                self._look_again_at = time.monotonic() + PAUSE_SECONDS
            else:
                self._look_again_at = None
        super().reconcile()

    def forget(self):
        super().forget()
        self._look_again_at = None


def _key(tenant_id, window):
    return f"nexora:requests:{tenant_id}:{window}"
