"""The time, in UTC, from one place, so that tests and replays can set it."""

from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime

_frozen = ContextVar("nexora_clock", default=None)


def now():
    """Aware UTC datetime."""
    return _frozen.get() or datetime.now(UTC)


def today():
    return now().date()


@contextmanager
def frozen_at(moment):
    """Inside, `now()` is `moment` (aware)."""
    if moment.tzinfo is None:
        raise ValueError("frozen_at() takes an aware datetime.")
    token = _frozen.set(moment.astimezone(UTC))
    try:
        yield moment
    finally:
        _frozen.reset(token)
