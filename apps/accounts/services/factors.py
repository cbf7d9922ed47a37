"""The second factor: a code of the person's phone (TOTP), or one of ten recovery codes.

A code works once: it is spent by one compare-and-swap UPDATE, so of two uses at once one wins. Guesses are counted with
the sign-in's attempts, by whoever calls `ensure_second_factor`.
"""

import logging
import secrets
from dataclasses import dataclass, field

import pyotp
import segno
from django.db import transaction
from pyotp.exceptions import OTPVerificationError

from apps.tenants.models import Tenant
from nexora.kernel import clock, events
from nexora.kernel.errors import Forbidden

from ..models import RecoveryCode, SecondFactor, User
from ..models.factors import (
    NoSecondFactor,
    SecondFactorEnrolmentRequired,
    SecondFactorInvalid,
    SecondFactorMandatory,
    SecondFactorNotStarted,
    SecondFactorRequired,
)
from . import sealing, sessions

log = logging.getLogger("nexora.accounts")

ADDED, REPLACED = "second_factor_added", "second_factor_replaced"
REMOVED, RESET = "second_factor_removed", "second_factor_reset"
CODE_USED, CODES_RENEWED = "recovery_code_used", "recovery_codes_renewed"

# Steps of 30 seconds to either side: clocks differ, and typing takes time.
WINDOW = 1
CODES = 10
CODE_LENGTH = 16  # of 32 letters: 80 random bits
OF_PERSON = "published as an event of the person"


@dataclass(frozen=True, slots=True)
class Enrolment:
    """What a phone needs to know, shown once. `reference` names this enrolment among those begun later."""

    secret: str = field(repr=False)
    uri: str = field(repr=False)
    reference: str = field(repr=False)

    @property
    def qr(self):
        """The address as a QR code: an SVG in a data: URI."""
        return segno.make(self.uri, error="m", micro=False).svg_data_uri(scale=4, border=3, light="#fff")


# -- Signing in


def has_second_factor(user):
    return _confirmed(user) is not None


def is_mandatory(user):
    """As of now, whatever the caller has loaded of the organisation and when."""
    return Tenant.objects.get(pk=user.tenant_id).requires_second_factor


def ensure_second_factor(*, user, code=None, address=None):
    """Of a person whose password is right: a NotSignedIn says what is missing. The code, if one is asked for, is spent.

    Whoever opens a session calls this first; `address` is the client's, for the trail.
    """
    factor = _confirmed(user)
    if factor is not None:
        _spend(factor, user, code, address)
    elif is_mandatory(user):
        raise SecondFactorEnrolmentRequired(
            f"{user.tenant} requires a second factor, and you have none. POST /api/v1/auth/second-factor/ sets one up, "
            "as does signing in to the back office."
        )


def _confirmed(user):
    return _factors_of(user).filter(confirmed_at__isnull=False).first()


def _factors_of(user):
    return SecondFactor.objects.filter(tenant_id=user.tenant_id, user_id=user.pk)


def _codes_of(user):
    return RecoveryCode.objects.filter(tenant_id=user.tenant_id, user_id=user.pk)


def _spend(factor, user, code, address):
    if not code or not code.strip():
        raise SecondFactorRequired("Send the code of your second factor, or a recovery code, as `code`.")
    if not (_spend_time_code(factor, code) or _spend_recovery_code(user, code, address)):
        raise SecondFactorInvalid(
            "This code is wrong, has expired or was used before. Wait for the next one, or use a recovery code."
        )


def _spend_time_code(factor, code):
    step = _step_of(factor.secret, code)
    if step is None:
        return False
    unspent = SecondFactor.objects.filter(pk=factor.pk, secret=factor.secret, last_step__lt=step)
    return unspent.unpublished(OF_PERSON).update(last_step=step, secret=sealing.reseal(factor.secret)) == 1


def _step_of(sealed, code):
    """The time step whose code this is; None for no code of now."""
    try:
        totp = pyotp.TOTP(sealing.unseal(sealed))
        return totp.verify_and_get_timecode("".join(code.split()), for_time=clock.now(), valid_window=WINDOW)
    except OTPVerificationError:
        return None
    except sealing.Unreadable:
        log.error("A second factor was sealed with a key that is in use no more: see SECRET_KEY_FALLBACKS.")
        return None


def _spend_recovery_code(user, code, address):
    unspent = _codes_of(user).filter(code=RecoveryCode.digest(user.pk, code), used_at__isnull=True)
    with transaction.atomic():
        is_spent = unspent.unpublished(OF_PERSON).update(used_at=clock.now()) == 1
        if is_spent:
            _note(CODE_USED, user, address, left=recovery_codes_left(user))
    return is_spent


# -- Setting up


def start_enrolment(*, user, code=None, address=None):
    """A new secret, to be confirmed by a code of it. Whoever has a second factor proves it by `code`; it stays in force
    until then. Whatever was begun before is void: it may have been somebody else's beginning."""
    with transaction.atomic():
        factor = _locked(user)
        if factor is None:
            factor = SecondFactor(user=user, tenant_id=user.tenant_id)
        elif factor.confirmed_at:
            _spend(factor, user, code, address)
            factor.refresh_from_db()
        secret = pyotp.random_base32()
        factor.pending_secret = sealing.seal(secret)
        factor.save()
    return _enrolment(user, secret, factor.pending_secret)


def find_enrolment(*, user, reference):
    """The enrolment that has been begun and is called `reference`, to show it once more; None if it is void."""
    factor = _factors_of(user).filter(pending_secret__isnull=False).first()
    if factor is None or factor.pending_secret != reference:
        return None
    return _enrolment(user, sealing.unseal(reference), reference)


def confirm_enrolment(*, user, code, address=None):
    """The phone knows the secret: it is in force. Answers new recovery codes."""
    with transaction.atomic():
        factor = _locked(user)
        if factor is None or factor.pending_secret is None:
            raise SecondFactorNotStarted(
                "You are not setting up a second factor. POST /api/v1/auth/second-factor/ begins."
            )
        step = _step_of(factor.pending_secret, code)
        if step is None:
            raise SecondFactorInvalid(
                "This code is wrong or over. Enter the one that your app shows now; if that fails too, begin again."
            )
        action = REPLACED if factor.confirmed_at else ADDED
        factor.secret, factor.pending_secret = factor.pending_secret, None
        factor.confirmed_at, factor.last_step = clock.now(), step
        factor.save()
        _note(action, user, address)
        return _new_recovery_codes(user)


def _enrolment(user, secret, sealed):
    uri = pyotp.TOTP(secret).provisioning_uri(name=user.email, issuer_name=user.tenant.name)
    return Enrolment(secret, uri, sealed)


def _locked(user):
    """The person's factor, or None. The person is locked, so that of two changes one waits."""
    User.objects.select_for_update(no_key=True).get(pk=user.pk)
    return _factors_of(user).first()


def _locked_with_code(user, code, address):
    """The person's factor in force, proven by a code."""
    factor = _locked(user)
    if factor is None or not factor.confirmed_at:
        raise NoSecondFactor("You have no second factor. POST /api/v1/auth/second-factor/ sets one up.")
    _spend(factor, user, code, address)
    return factor


# -- Recovery codes


def recovery_codes_left(user):
    return _codes_of(user).filter(used_at__isnull=True).count()


def renew_recovery_codes(*, user, code, address=None):
    """Ten new ones; those of before are void."""
    with transaction.atomic():
        _locked_with_code(user, code, address)
        _note(CODES_RENEWED, user, address)
        return _new_recovery_codes(user)


def _new_recovery_codes(user):
    _codes_of(user).unpublished(OF_PERSON).delete()
    codes = ["".join(secrets.choice(RecoveryCode.ALPHABET) for _ in range(CODE_LENGTH)) for _ in range(CODES)]
    RecoveryCode.objects.unpublished(OF_PERSON).bulk_create(
        RecoveryCode(user=user, tenant_id=user.tenant_id, code=RecoveryCode.digest(user.pk, code)) for code in codes
    )
    return ["-".join(code[at : at + 4] for at in range(0, CODE_LENGTH, 4)) for code in codes]


# -- The end of one


def remove_second_factor(*, user, code, address=None):
    """By the person, with a code of it; not where the organisation requires one."""
    if is_mandatory(user):
        raise SecondFactorMandatory(
            f"{user.tenant} requires a second factor. With a new phone, replace it: POST /api/v1/auth/second-factor/."
        )
    with transaction.atomic():
        _locked_with_code(user, code, address)
        _delete(user)
        _note(REMOVED, user, address)


def reset_second_factor(*, user, actor):
    """By an admin whose colleague has lost the phone: also ends that person's sessions. Without a factor, does nothing.

    The caller has asked the policy. One's own is removed with a code.
    """
    if actor.pk == user.pk:
        raise Forbidden("Your own second factor is removed with a code of it: POST /api/v1/auth/second-factor/remove/.")
    with transaction.atomic():
        factor = _locked(user)
        if factor is None:
            return
        _delete(user)
        sessions.end_all_sessions(user=user)
        if factor.confirmed_at:
            _note(RESET, user)


def _delete(user):
    _factors_of(user).unpublished(OF_PERSON).delete()
    _codes_of(user).unpublished(OF_PERSON).delete()


def _note(action, user, address=None, **values):
    """Tell the trail. At a sign-in nobody acts yet: it is the person."""
    with events.acting_as(events.actor() or events.Actor(user.pk, user.name, user.tenant_id, address)):
        changes = {name: [None, value] for name, value in values.items()}
        events.publish(events.record_change(action, user, changes=changes))
