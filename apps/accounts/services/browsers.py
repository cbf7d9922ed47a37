"""Sessions of browsers: a row beside Django's own session, so that people see and end them like those of the API.

Django's session holds the id of its row. A browser whose row is gone or past its end is signed out at its next click;
so is one that never had a row. The end stands fixed at the sign-in: a copied cookie cannot be kept alive by using it.
"""

import secrets
import uuid
from datetime import timedelta

from django.conf import settings
from django.db.models import Q

from nexora.kernel import clock, events

from ..models import RefreshToken
from .devices import device_of
from .sessions import NO_RECORD, used_by

# Where Django's session keeps the id of the row.
SESSION_ID = "session_id"
# How exact "last used" is: looking is what most clicks do, and a look should not write.
NOTED_EVERY = timedelta(minutes=1)


def open_browser_session(*, request, user):
    """A row for the session that django.contrib.auth.login() has just begun."""
    if (actor := events.actor()) and actor.session_id:
        # Somebody was signed in here before.
        _rows().filter(pk=actor.session_id).unpublished(NO_RECORD).delete()
    user_agent = request.headers.get("User-Agent")
    row = RefreshToken(
        user=user,
        tenant_id=user.tenant_id,
        kind=RefreshToken.Kind.BROWSER,
        # The column wants one that is nobody else's. Nobody holds this one.
        token=RefreshToken.digest(secrets.token_urlsafe(32)),
        expires_at=clock.now() + timedelta(seconds=settings.SESSION_COOKIE_AGE),
        device=device_of(user_agent),
        **used_by(user_agent, request.META.get("REMOTE_ADDR") or None),
    )
    row.save()
    request.session[SESSION_ID] = str(row.pk)


def use_browser_session(*, request, user):
    """The id of the browser's session, whose use is noted; None if there is none, or no longer."""
    session_id = _session_id(request)
    if session_id is None:
        return None
    now = clock.now()
    row = _rows().filter(pk=session_id, user_id=user.pk, expires_at__gt=now)
    found = row.values_list("last_used_at").first()
    if found is None:
        return None
    noted = now - NOTED_EVERY
    if found[0] is None or found[0] <= noted:
        # Asked again in the statement, so that of ten pages opened at once one writes.
        stale = row.filter(Q(last_used_at=None) | Q(last_used_at__lte=noted))
        used = used_by(request.headers.get("User-Agent"), request.META.get("REMOTE_ADDR") or None)
        stale.unpublished(NO_RECORD).update(**used)
    return session_id


def close_browser_session(*, request):
    """Sign out: the row goes with Django's session."""
    if session_id := _session_id(request):
        _rows().filter(pk=session_id).unpublished(NO_RECORD).delete()


def _rows():
    return RefreshToken.objects.filter(kind=RefreshToken.Kind.BROWSER)


def _session_id(request):
    try:
        return uuid.UUID(request.session.get(SESSION_ID, ""))
    except ValueError:
        return None
