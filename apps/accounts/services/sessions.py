"""Sessions of the API: one row of refresh_tokens each, a family of tokens that follow from one sign-in.

Those of browsers are rows of the same table: see services.browsers. What ends sessions here ends both kinds.

Every refresh replaces the token by one compare-and-swap UPDATE. Whoever comes second with the token before it, within
ROTATION_GRACE, is told `token_rotated` and the session lives (two tabs woke up together). Later, or with any older
token, somebody kept a token that was already spent: the session ends.
"""

import uuid
from datetime import timedelta

from django.db import transaction
from rest_framework_simplejwt.exceptions import TokenError
from rest_framework_simplejwt.settings import api_settings
from rest_framework_simplejwt.tokens import AccessToken
from rest_framework_simplejwt.tokens import RefreshToken as RefreshJWT

from nexora.kernel import clock, events, scope
from nexora.kernel.errors import NotSignedIn

from ..models import RefreshToken, User
from ..models.factors import SecondFactorEnrolmentRequired
from .devices import device_of

ROTATION_GRACE = timedelta(seconds=10)
NO_RECORD = "sessions are no business records"
ALL_ENDED = "sessions_ended"


def open_session(*, user, user_agent=None, ip_address=None):
    """A new session of `user`: {"access", "refresh"}."""
    session_id = uuid.uuid4()
    refresh, expires_at = _refresh_token(session_id)
    RefreshToken(
        id=session_id,
        user=user,
        tenant_id=user.tenant_id,
        token=RefreshToken.digest(refresh),
        expires_at=expires_at,
        device=device_of(user_agent),
        **used_by(user_agent, ip_address),
    ).save()
    return {"access": access_token(user, session_id), "refresh": refresh}


def used_by(user_agent, ip_address):
    """What a session's row says of its last use."""
    user_agent = (user_agent or "").replace("\x00", "")[:255] or None
    return {"user_agent": user_agent, "ip_address": ip_address, "last_used_at": clock.now()}


def refresh_session(*, refresh, user_agent=None, ip_address=None):
    """The next {"access", "refresh"} of a session; NotSignedIn says why not."""
    session_id = _session_of(refresh)
    spent = RefreshToken.digest(refresh)
    replacement, expires_at = _refresh_token(session_id)
    now = clock.now()
    session = RefreshToken.objects.filter(pk=session_id, kind=RefreshToken.Kind.API)
    with transaction.atomic():
        swapped = (
            session.filter(token=spent, expires_at__gt=now)
            .unpublished(NO_RECORD)
            .update(
                token=RefreshToken.digest(replacement),
                previous_token=spent,
                rotated_at=now,
                expires_at=expires_at,
                **used_by(user_agent, ip_address),
            )
        )
        users = User.objects.active().with_requirement()
        user = users.filter(refresh_tokens__id=session_id).first() if swapped else None
        if swapped and (user is None or user.lacks_second_factor):
            session.unpublished(NO_RECORD).delete()
    if user and user.lacks_second_factor:
        # A session that was there before would otherwise put the requirement off for ever, one refresh after another.
        raise SecondFactorEnrolmentRequired(
            "Your organisation requires a second factor now, and you have none. This session has ended. "
            "POST /api/v1/auth/second-factor/ sets one up."
        )
    if user:
        return {"access": access_token(user, session_id), "refresh": replacement}
    # Outside the transaction above: the end of a session must stay, and an error would roll it back.
    known = session.first()
    if known and known.previous_token == spent and now - known.rotated_at <= ROTATION_GRACE:
        raise NotSignedIn("This token has just been replaced. Use the newer one.", code="token_rotated")
    session.unpublished(NO_RECORD).delete()
    raise NotSignedIn("This session has ended. Sign in again.", code="session_ended")


def end_session(*, refresh):
    """Sign out. A token that was already replaced ends its session too."""
    RefreshToken.objects.filter(pk=_session_of(refresh)).unpublished(NO_RECORD).delete()


def end_all_sessions(*, user):
    """Sign `user` out everywhere; answers how many sessions ended. Access tokens live on for their few minutes."""
    with transaction.atomic():
        held = RefreshToken.objects.filter(tenant_id=user.tenant_id, user_id=user.pk)
        ended, _ = held.unpublished(NO_RECORD).delete()
        if ended:
            events.publish(events.record_change(ALL_ENDED, user, changes={"sessions": [ended, 0]}))
    return ended


def delete_expired():
    """Remove sessions past their end, in the scope in force; answers how many."""
    removed, _ = RefreshToken.objects.filter(expires_at__lte=clock.now()).unpublished(NO_RECORD).delete()
    return removed


def access_token(user, session_id):
    token = AccessToken()
    token["sub"] = str(user.pk)
    token["role"] = user.role
    token["tenant"] = str(user.tenant_id)
    token["name"] = user.name
    token["sid"] = str(session_id)
    return str(token)


def _refresh_token(session_id):
    """(text, expiry). Signed, so that only a token that was really issued can name, and so end, a session."""
    token = RefreshJWT()
    token["sid"] = str(session_id)
    token["tenant"] = str(scope.current().tenant_id) if scope.current() else ""
    return str(token), clock.now() + api_settings.REFRESH_TOKEN_LIFETIME


def _session_of(refresh):
    try:
        token = RefreshJWT(refresh)
        if token["tenant"] != str(scope.current_tenant_id()):
            raise NotSignedIn("This session belongs to another organisation's host.", code="token_not_valid")
        return uuid.UUID(token["sid"])
    except (TokenError, KeyError, ValueError) as error:
        raise NotSignedIn(
            "The refresh token is invalid or has expired. Sign in again.", code="token_not_valid"
        ) from error
