"""How often somebody may try: growing waits for each account and for each address, exact, in the database.

An attempt is counted before it is carried out and committed at once, so that of many at the same time none is free:
once an account must wait, one attempt is let through for each wait. Success forgives. Unknown accounts are counted like
known ones. What is counted is kept as a hash, with a key: somebody types their password into the wrong box, and a bare
hash of that is found by trying.

Where only the attempts that failed count, hold() lets one at a time go on.
"""

from dataclasses import dataclass
from datetime import timedelta
from ipaddress import IPv6Address, ip_address

from django.db import connection, transaction
from django.utils.crypto import salted_hmac

from nexora.kernel import clock, scope
from nexora.kernel.api.exceptions import TooManyRequests

from ..models import Attempt

NO_RECORD = "attempts are no business records"
LONGEST_WAIT = timedelta(minutes=15)
FORGOTTEN_AFTER = timedelta(hours=24)

# An upsert, although it changes nothing: it locks the row and answers with its newest version, both at once.
HOLD = """
    WITH held AS (
        INSERT INTO attempts AS known (tenant_id, purpose, subject, last_at) VALUES (%s, %s, %s, %s)
        ON CONFLICT (tenant_id, purpose, subject) DO UPDATE SET count = known.count
        RETURNING blocked_until
    )
    SELECT blocked_until, EXISTS ({beside}) FROM held
"""


class TooManyAttempts(TooManyRequests):
    """There were too many attempts for this account or from this address. Each further one makes the wait longer."""

    code = "too_many_attempts"
    title = "Too many attempts"

    def __init__(self, wait):
        self.wait = max(1, -(-wait // timedelta(seconds=1)))
        noun = "second" if self.wait == 1 else "seconds"
        super().__init__(f"There were too many attempts. Try again in {self.wait} {noun}.")


@dataclass(frozen=True, slots=True)
class Purpose:
    """What is tried. `free` attempts for an account, and from an address, come before the first wait."""

    name: str
    free: int
    free_from_address: int


# An office has one address, and a Monday morning.
SIGN_IN = Purpose("sign_in", free=5, free_from_address=50)
SIGN_UP = Purpose("sign_up", free=3, free_from_address=10)
# Each sends a mail to somebody who may not have asked for it.
MAIL = Purpose("mail", free=3, free_from_address=20)
# Tokens cannot be guessed; who tries is kept from trying fast.
TOKEN = Purpose("token", free=20, free_from_address=20)
# See services.addresses.
ADDRESS = Purpose("address", free=5, free_from_address=5)


def wait_after(count, free):
    """2, 4, 8 … seconds after the last of the free attempts and each beyond, LONGEST_WAIT at most; None before."""
    if count < free:
        return None
    return min(timedelta(seconds=2 ** min(count - free + 1, 20)), LONGEST_WAIT)


def begin(purpose, *, account=None, address=None):
    """Count one attempt. TooManyAttempts, and nothing is counted, while the account or the address must wait."""
    free = _subjects(purpose, account, address)
    with transaction.atomic():
        found = _locked(purpose, free)
        # Only now: whoever had the rows before may have held them for a while.
        now = clock.now()
        wait = max((row.blocked_until - now for row in found if row.blocked_until), default=timedelta(0))
        if wait > timedelta(0):
            raise TooManyAttempts(wait)
        for row in found:
            count = _left_of(row, free[row.subject], now) + 1
            wait = wait_after(count, free[row.subject])
            _store(row, count=count, last_at=now, blocked_until=wait and now + wait)


def hold(purpose, *, account, beside):
    """(wait, found) in one statement: the account's timedelta to wait or None, and whether the queryset has a row.

    Inside a transaction. Until it ends, whoever else holds the account waits for it, and then sees what it has counted.
    """
    (subject,) = _subjects(purpose, account, None)
    sql, params = beside.values("pk").query.sql_with_params()
    with connection.cursor() as cursor:
        values = [scope.current_tenant_id(), purpose.name, subject, clock.now(), *params]
        cursor.execute(HOLD.format(beside=sql), values)
        blocked_until, found = cursor.fetchone()
    wait = blocked_until and blocked_until - clock.now()
    return (wait if wait and wait > timedelta(0) else None), found


def forgive(purpose, *, account=None, address=None):
    """The attempt succeeded: the account starts anew, and the address has one attempt less."""
    of_account = _subjects(purpose, account, None)
    with transaction.atomic():
        # Both, in the order in which they are counted: of two who have one row each, neither would get on.
        for row in _in_order(purpose, _subjects(purpose, account, address)):
            if row.subject in of_account:
                _rows(purpose, of_account).unpublished(NO_RECORD).delete()
            else:
                _store(row, count=max(0, row.count - 1), blocked_until=None)


def delete_old():
    """Remove what is forgotten, in the scope in force; answers how many."""
    old = Attempt.objects.filter(last_at__lte=clock.now() - FORGOTTEN_AFTER)
    return old.unpublished(NO_RECORD).delete()[0]


def _left_of(row, free, now):
    """What is left of the row's count: a quiet day forgets as many as are free, so that an office's typing errors of a
    month do not add up; a whole one forgets all."""
    quiet = max(now - row.last_at, timedelta(0))
    return 0 if quiet >= FORGOTTEN_AFTER else max(0, row.count - quiet // (FORGOTTEN_AFTER / free))


def _subjects(purpose, account, address):
    """{hash: free attempts}"""
    found = {}
    if account is not None:
        found[_digest("account", account.strip().lower())] = purpose.free
    if address:
        found[_digest("address", _network(address))] = purpose.free_from_address
    return found


def _network(address):
    """Whoever has one IPv6 address has 2^64 of them."""
    parsed = ip_address(address)
    if isinstance(parsed, IPv6Address):
        return str(parsed.ipv4_mapped or int(parsed) >> 64)
    return str(parsed)


def _digest(kind, text):
    return salted_hmac("apps.accounts.services.attempts", f"{kind}|{text}", algorithm="sha256").hexdigest()


def _rows(purpose, subjects):
    return Attempt.objects.filter(purpose=purpose.name, subject__in=subjects)


def _locked(purpose, subjects):
    """The rows of all of them, made where there are none, locked in one order."""
    tenant_id, now = scope.current_tenant_id(), clock.now()
    Attempt.objects.unpublished(NO_RECORD).bulk_create(
        [
            Attempt(tenant_id=tenant_id, purpose=purpose.name, subject=subject, last_at=now)
            for subject in sorted(subjects)
        ],
        ignore_conflicts=True,
    )
    found = _in_order(purpose, subjects)
    # One that has been forgiven since is to be made once more.
    return found if len(found) == len(subjects) else _locked(purpose, subjects)


def _in_order(purpose, subjects):
    """The rows that there are, locked in one order."""
    return list(_rows(purpose, subjects).order_by("subject").select_for_update())


def _store(row, **values):
    Attempt.objects.filter(pk=row.pk).unpublished(NO_RECORD).update(**values)
