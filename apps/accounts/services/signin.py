"""The way in, the same for the API and the admin: attempts are counted, the password is checked, then the second
factor, and the trail is told."""

from contextlib import contextmanager

from django.contrib.auth import authenticate
from django.db import transaction

from nexora.kernel import clock, events, scope
from nexora.kernel.errors import NotSignedIn

from ..models import User
from ..models.factors import SecondFactorEnrolmentRequired, SecondFactorRequired
from . import attempts, factors, sessions

SIGNED_IN, FAILED = "signed_in", "sign_in_failed"


def sign_in(*, request, email, password, code=None):
    """{"access", "refresh"} for the right password, and code where one is due; NotSignedIn says what is missing.

    Of a wrong password it says `invalid_credentials` and no more, whatever the code.
    """
    user = recognise(request=request, email=email, password=password)
    with between_steps(request):
        factors.ensure_second_factor(user=user, code=code, address=address_of(request))
    return let_in(request=request, user=user)


def let_in(*, request, user):
    """A session of the API for a person who has proven everything: {"access", "refresh"}."""
    with transaction.atomic():
        _hold(user)
        welcome(request=request, user=user, by="API")
        return sessions.open_session(
            user=user, user_agent=request.headers.get("User-Agent"), ip_address=address_of(request)
        )


def _hold(user):
    """Lock the person, if they are still who the password was checked for. Checking one takes a while: a session begun
    by the old one would not be there yet when a change of the password ends them all."""
    same = User.objects.active().with_role(user.role).filter(pk=user.pk, password=user.password)
    if not same.unpublished("a sign-in is no edit").update(last_login=clock.now()):
        raise NotSignedIn("The account was changed while you signed in. Sign in again.", code="account_closed")


def recognise(*, request, email, password):
    """The person who has this password here. NotSignedIn or TooManyAttempts otherwise, alike for unknown addresses."""
    attempts.begin(attempts.SIGN_IN, account=email, address=address_of(request))
    user = authenticate(request, username=email, password=password)
    if user is None:
        note_failure(request=request, email=email)
        raise NotSignedIn("No active account here has this email and password.", code="invalid_credentials")
    return user


@contextmanager
def recognised(*, request, email, password):
    """As recognise(), for what is no sign-in; the attempt is forgiven if what is done inside succeeds."""
    user = recognise(request=request, email=email, password=password)
    yield user
    forgive(request=request, user=user)


@contextmanager
def between_steps(request):
    """Who has yet to send a code has guessed nothing: the address has one attempt less, or an office where people sign
    in in two steps would soon wait for each of them. The account's stays, as codes are guessed by its password."""
    try:
        yield
    except (SecondFactorRequired, SecondFactorEnrolmentRequired):
        attempts.forgive(attempts.SIGN_IN, address=address_of(request))
        raise


def try_again(*, request, user):
    """Count one more attempt of somebody whose password was right a while ago: a code is guessed as slowly as it."""
    attempts.begin(attempts.SIGN_IN, account=user.email, address=address_of(request))


def forgive(*, request, user):
    """The attempt succeeded, with everything that was asked for."""
    attempts.forgive(attempts.SIGN_IN, account=user.email, address=address_of(request))


def welcome(*, request, user, by):
    """The person is in: the attempt is forgiven, and the trail says so. `by` is the API or the back office."""
    forgive(request=request, user=user)
    with events.acting_as(events.Actor(user.pk, user.name, user.tenant_id, address_of(request))):
        events.publish(events.record_change(SIGNED_IN, user, changes={"by": [None, by]}))


def note_failure(*, request, email):
    """The same look and the same row for every address, so that the time taken does not tell which exist."""
    user = User.objects.filter(email=email.strip().lower()).first()
    with events.acting_as(events.Actor(None, "somebody", None, address_of(request))):
        events.publish(
            events.RecordChange(
                action=FAILED,
                model=User,
                record_id=user and user.pk,
                tenant_id=scope.current_tenant_id(),
                # A password typed into the wrong box must not be kept.
                label=user.name if user else "an unknown address",
                actor=events.actor(),
                at=clock.now(),
            )
        )


def address_of(request):
    """The client's IP address, or None."""
    return request.META.get("REMOTE_ADDR") or None
