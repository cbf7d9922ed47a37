"""DATABASE_POOL=1: Django's pool in each process, told how to lend and how to come back when PostgreSQL was away."""

from psycopg_pool import PoolTimeout


def lend(connection):
    """psycopg asks this before each loan, in place of an empty statement: a session that is lent is nobody's yet."""
    from nexora.kernel.db.backend.base import OUTSIDE, SET_SCOPE  # not above: the settings import this

    # An aborted borrower may have left it in manual mode, where the statement would begin a transaction.
    connection.autocommit = True
    try:
        connection.execute(SET_SCOPE, OUTSIDE)
    except Exception:
        # Whatever ended this session has likely ended the others. Found out one by one, each would cost its borrower
        # a longer pause than the one before.
        connection._pool.check()
        raise


async def check(connection):
    """The same for the worker's own pool, whose sessions have no scope to forget."""
    try:
        await connection.execute("")
    except Exception:
        await connection._pool.check()
        raise


def refuse(pool):
    """Called when a connection could not be made. If there is no other, whoever waits is told so at once: threads of
    the web that wait in vain keep even /healthz waiting."""
    with pool._lock:
        waiting = [] if pool._nconns else [*pool._waiting]
        for client in waiting:
            pool._waiting.remove(client)
    for client in waiting:
        client.fail(PoolTimeout("PostgreSQL cannot be reached; the log of psycopg.pool says why"))


OPTIONS = {
    "min_size": 1,
    # No thread of web or worker ever waits for another: it grows only as far as they need.
    "max_size": 16,
    "check": lend,
    # A request waits for so long, then answers 503.
    "timeout": 3,
    # psycopg pauses 1, 2, 4, 8 … s between attempts to connect. Given up after two without a pause, they begin anew
    # with the next borrower: nothing is lost after an outage.
    "reconnect_timeout": 0,
    "reconnect_failed": refuse,
}
