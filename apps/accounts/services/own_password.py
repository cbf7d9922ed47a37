"""One's own password is changed by who knows it, whichever session, page or token they come with."""

from django.db import transaction

from nexora.kernel import events
from nexora.kernel.errors import Invalid, NotSignedIn

from ..models import User
from . import attempts

REFUSED = "password_refused"


def confirm_own_password(*, user, password):
    """Invalid, naming `current_password`, unless this is the person's password. Each try counts as one at the sign-in.

    Outside a transaction: what is counted must stay although the request is refused. Whoever holds somebody's session
    or access token for a few minutes must neither own the account nor find out its password.
    """
    actor = events.actor()
    subject = {"account": user.email, "address": actor and actor.address}
    attempts.begin(attempts.SIGN_IN, **subject)
    # Read from the body before any serializer has looked at it: it may be a number.
    if not (isinstance(password, str) and user.check_password(password)):
        events.publish(events.record_change(REFUSED, user))
        sentence = "Send your present password beside the new one."
        raise Invalid(f"This is not your present password. {sentence}", fields={"current_password": [sentence]})
    attempts.forgive(attempts.SIGN_IN, **subject)


def change_own_password(*, user, current_password, new_password):
    """The person's other sessions end; the one in which they do it stays."""
    confirm_own_password(user=user, password=current_password)
    with transaction.atomic():
        user = User.objects.select_for_update(no_key=True).get(pk=user.pk)
        user.set_password(new_password)
        user.save()


def find_active(*, user_id):
    user = User.objects.active().filter(pk=user_id).first()
    if user is None:
        raise NotSignedIn("This account is no longer active.", code="account_closed")
    return user
