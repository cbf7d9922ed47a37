"""Keys of programs: made, looked up at each request, and revoked."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction
from django.db.models import Q

from nexora.kernel import clock, scope
from nexora.kernel.statements import Slot, Statement, Statements

from ..models import APIKey, User

# How exact the time of the last use is: what is used all the time is written once in a while.
USE_NOTED_EVERY = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Holder:
    """A key that works, and the person of now behind it."""

    key_id: UUID
    key_name: str
    scopes: list
    last_used_at: datetime | None
    user_id: UUID
    role: str
    user_name: str


def issue_key(*, key, user_id):
    """Store a new key that acts for this person; answers its text, which nobody can read again."""
    key.user_id = key.created_by_id = user_id
    text = key.make_text()
    key.save(force_insert=True)
    return text


def revoke_key(*, key):
    """The key stops with this transaction, and stays listed as revoked. Doing so twice changes nothing."""
    with transaction.atomic():
        key = APIKey.objects.select_for_update(no_key=True).get(pk=key.pk)
        if key.revoked_at is None:
            key.revoked_at = clock.now()
            key.save()
    return key


def find_holder(*, text):
    """The Holder of the key with this text, if it works on this host now; else None."""
    is_wide = scope.require("Looking up a key").is_over_all_tenants
    statement = _statements.get(is_wide, _holder_of_token)
    row = statement.fetch({"token": APIKey.digest(text), "now": clock.now()})
    return row and Holder(*row)


def note_use(*, holder, address):
    """Write down the use of a key, unless another request, in whichever process, did so within the minute."""
    now = clock.now()
    long_ago = now - USE_NOTED_EVERY
    if holder.last_used_at is None or holder.last_used_at <= long_ago:
        noted_long_ago = Q(last_used_at=None) | Q(last_used_at__lte=long_ago)
        keys = APIKey.objects.filter(noted_long_ago, pk=holder.key_id).unpublished("a use is no edit")
        keys.update(last_used_at=now, last_used_ip=address)


_statements = Statements()


def _holder_of_token():
    column = APIKey._meta.get_field
    in_time = Q(expires_at=None) | Q(expires_at__gt=Slot("now", column("expires_at")))
    keys = APIKey.objects.filter(
        in_time, token=Slot("token", column("token")), revoked_at=None, user__status=User.Status.ACTIVE
    )
    shown = ("pk", "name", "scopes", "last_used_at", "user_id", "user__role", "user__name")
    return Statement(keys.values_list(*shown), keeps_plan=True)
