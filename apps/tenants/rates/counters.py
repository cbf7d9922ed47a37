"""Counting in the process.

A request costs no query: each process counts for itself, and a thread of its own tells the others through the table
request_counts, every INTERVAL_SECONDS. Beyond a limit, all processes together let through at most what reaches them
within such an interval, and within the time that its statement takes. While PostgreSQL is away each counts alone: n
processes then let through up to n times the limit. RedisCounter is exact.
"""

import logging
import threading

from django.db import close_old_connections, connections

from nexora.kernel.scope import unscoped

from ..services import counts
from . import windows

log = logging.getLogger("nexora.rates")

INTERVAL_SECONDS = 1


class _Count:
    """A tenant's requests in one window: `total` as far as this process knows, and `news` that the others do not."""

    __slots__ = ("news", "total", "window")

    def __init__(self, window):
        self.window, self.total, self.news = window, 0, 0


class Counter:
    def __init__(self):
        self._lock = threading.Lock()
        self._counts = {}
        self._serves = False
        self._thread = None
        self._stopping = threading.Event()
        self._is_alone = False

    def take(self, tenant_id, limit, window):
        """This request's number among the tenant's in the window, from 1 on; 0, uncounted, if there were `limit`."""
        with self._lock:
            count = self._count_of(tenant_id, window)
            if count.total >= limit:
                return 0
            count.total += 1
            count.news += 1
            if self._serves and self._thread is None:
                self._start()
            return count.total

    def give_back(self, tenant_id, window):
        """This request should not have been counted. Of a window that is over, nobody needs to know any more."""
        with self._lock:
            count = self._count_of(tenant_id, window)
            if count.window == window:
                count.total -= 1
                count.news -= 1

    def _count_of(self, tenant_id, window):
        """The tenant's, in this window, or in a later one that another request has begun meanwhile."""
        count = self._counts.get(tenant_id)
        if count is None or count.window < window:
            count = self._counts[tenant_id] = _Count(window)
        return count

    def forget(self):
        with self._lock:
            self._counts = {}

    # -- Together with other processes

    def serve(self):
        """Said by a process that answers requests (nexora.wsgi): from the first one on, a thread reconciles."""
        self._serves = True

    def reconcile(self):
        """Tell the others what is new here, and learn what they have counted of the same tenants."""
        window = windows.current()
        with self._lock:
            # What the others do not know of a window that is over, nobody needs to know any more.
            self._counts = {tenant: count for tenant, count in self._counts.items() if count.window >= window}
            news = {tenant: count.news for tenant, count in self._counts.items() if count.news}
        if not news:
            return
        with unscoped(reason="requests of all tenants that this process has counted"):
            totals = counts.add_request_counts(counts=news, starts_at=windows.start_of(window))
        with self._lock:
            for tenant_id, told in news.items():
                count = self._counts.get(tenant_id)
                if count is not None and count.window == window:
                    count.news -= told
                    # A tenant that has been deleted has no total.
                    count.total = max(count.total, totals.get(tenant_id, 0) + count.news)

    def _start(self):
        self._thread = threading.Thread(target=self._run, name="request-counts", daemon=True)
        self._thread.start()

    def stop(self):
        """End the thread. That of a process ends with it: what it has not told then is of a second at most."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join()

    def _run(self):
        while not self._stopping.wait(INTERVAL_SECONDS):
            self._round()
        connections.close_all()

    def _round(self):
        """Whatever is wrong, requests go on being answered and counted, and the next round tries again."""
        try:
            try:
                self.reconcile()
            finally:
                # As after a request: one of the pool goes back, and one that has ended or is old is not asked again.
                close_old_connections()
        except Exception as error:
            if not self._is_alone:
                log.warning("requests are counted by this process alone until PostgreSQL answers: %s", error)
            self._is_alone = True
        else:
            self._is_alone = False
