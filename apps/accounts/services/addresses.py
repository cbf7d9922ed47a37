"""Naming an address for a person oneself: the answer tells whether somebody has it, in any organisation.

Invitations tell nothing. Here each refusal is counted, and stands in the trail; after a few, nobody of the organisation
names an address before a wait is over, free or not, and the next refusal makes it longer. Counted for the organisation
and not for the person: several admins have no more refusals than one. Success forgives nothing, or every second address
could be one's own.
"""

from django.db import IntegrityError

from nexora.kernel import clock, events, scope

from ..models import User
from . import attempts

REFUSED = "address_refused"
ONE_ADDRESS = "users_email_key"


def hold(*, people):
    """(wait, found) in one statement: see attempts.hold(). Whether there is one of `people`."""
    return attempts.hold(attempts.ADDRESS, account=_account(), beside=people)


def ensure_no_wait(wait, *, email, present=None):
    """TooManyAttempts while there is a wait, unless the address is the one that the person has at present."""
    if wait and User._meta.get_field("email").to_python(email) != present:
        raise attempts.TooManyAttempts(wait)


def is_taken(error):
    """Whether it was a person's address that the database refused."""
    diagnosis = getattr(error.__cause__, "diag", None)
    return isinstance(error, IntegrityError) and getattr(diagnosis, "constraint_name", None) == ONE_ADDRESS


def note_refusal(*, user):
    """Count one more, in the transaction of hold(). The address itself is kept nowhere."""
    attempts.begin(attempts.ADDRESS, account=_account())
    events.publish(
        events.RecordChange(
            action=REFUSED,
            model=User,
            record_id=user.pk,
            tenant_id=scope.current_tenant_id(),
            label=str(user),
            actor=events.actor(),
            at=clock.now(),
        )
    )


def _account():
    return str(scope.current_tenant_id())
