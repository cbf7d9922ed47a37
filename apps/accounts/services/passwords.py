"""Forgotten passwords: a link by mail, for one hour and one use, of which nothing is stored.

Its token is a signature over the person's id, password hash, last sign-in and the time, so that a new password, a
sign-in and an hour each end it.
"""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from uuid import UUID

from django.conf import settings
from django.contrib.auth.password_validation import validate_password
from django.contrib.auth.tokens import PasswordResetTokenGenerator
from django.core.exceptions import ValidationError
from django.db import transaction

from nexora.kernel import clock, events, mail
from nexora.kernel.errors import Invalid, NexoraError
from nexora.kernel.jobs import enqueue

from .. import jobs
from ..models import User
from . import attempts


class ResetLinkNotValid(NexoraError):
    """The link of a password reset works once and for an hour, on the host that sent it. Ask for another."""

    code = "reset_link_not_valid"
    title = "Link not valid"


NOT_VALID = "This link has been used, is more than an hour old, or is not whole. Ask for another."


class ResetTokens(PasswordResetTokenGenerator):
    key_salt = "apps.accounts.services.passwords"

    def _now(self):
        return clock.now().replace(tzinfo=None)


_signatures = ResetTokens()


def request_password_reset(*, email, ip_address=None):
    """Have a link mailed to the active person of this address. Whether there is one makes no difference here."""
    attempts.begin(attempts.MAIL, account=email, address=ip_address)
    found = User.objects.active().filter(email=email.strip().lower()).values_list("pk", flat=True).first()
    enqueue(jobs.send_password_reset, user_id=found)


def send_password_reset(*, user_id):
    user = User.objects.active().filter(pk=user_id).first()
    if user is None:
        return
    context = {
        "name": user.get_short_name(),
        "link": mail.link("/password-reset/confirm", token=make_reset_token(user)),
        "minutes": settings.PASSWORD_RESET_TIMEOUT // 60,
    }
    mail.send(to=user.email, template="password_reset", context=context)


def send_password_notice(*, user_id):
    user = User.objects.active().filter(pk=user_id).first()
    if user is None:
        return
    context = {"name": user.get_short_name(), "link": mail.link("/password-reset")}
    mail.send(to=user.email, template="password_changed", context=context)


def make_reset_token(user):
    return f"{urlsafe_b64encode(user.pk.bytes).decode().rstrip('=')}.{_signatures.make_token(user)}"


def find_by_reset_token(*, token, lock=False):
    """The person whose valid token this is; raises ResetLinkNotValid, the same for every other text."""
    name, _, signature = token.partition(".")
    people = User.objects.active()
    if lock:
        # Of two who use the link at once, the second finds another password, and so another signature.
        people = people.select_for_update(no_key=True)
    user = people.filter(pk=_user_id(name)).first()
    if user is None or not _signatures.check_token(user, signature):
        raise ResetLinkNotValid(NOT_VALID, fields={"token": [NOT_VALID]})
    return user


def _user_id(name):
    try:
        return UUID(bytes=urlsafe_b64decode(f"{name}=="))
    except ValueError:
        return None


def reset_password(*, token, password, ip_address=None):
    """A new password for who holds the link. All their sessions end, and as the mail reached them, it is theirs."""
    attempts.begin(attempts.TOKEN, address=ip_address)
    with transaction.atomic():
        user = find_by_reset_token(token=token, lock=True)
        ensure_strong(password, user)
        user.set_password(password)
        user.email_verified = True
        with events.acting_as(events.Actor(user.pk, str(user), user.tenant_id, ip_address)):
            user.save()
        enqueue(jobs.send_password_notice, user_id=user.pk)
    attempts.forgive(attempts.TOKEN, address=ip_address)
    # Whoever was kept from signing in by somebody's guesses has just proven who they are.
    attempts.forgive(attempts.SIGN_IN, account=user.email)


def ensure_strong(password, user):
    """Invalid, naming the field `password`, unless the validators accept it for this person."""
    try:
        validate_password(password, user)
    except ValidationError as error:
        raise Invalid(
            "Choose another password and send the request again.", fields={"password": error.messages}
        ) from error
