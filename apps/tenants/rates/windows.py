"""The minutes in which requests are counted, numbered from the epoch: all processes agree on them."""

from datetime import UTC, datetime

from nexora.kernel import clock

SECONDS = 60


def current():
    return int(clock.now().timestamp()) // SECONDS


def start_of(window):
    """Aware UTC datetime."""
    return datetime.fromtimestamp(window * SECONDS, UTC)
