"""A person with an authenticator app, and what they send."""

from datetime import timedelta

import pyotp

from apps.accounts.models import AuditEvent
from apps.tenants.models import Tenant
from nexora.kernel import clock
from nexora.kernel.scope import tenant_scope, unscoped
from tests.factories import PASSWORD, TOTP_SECRET

AUTH = "/api/v1/auth/"
TOKEN, REFRESH, ME, FACTOR, CONFIRM, CODES, REMOVE = (
    f"{AUTH}{path}/"
    for path in (
        "token",
        "token/refresh",
        "me",
        "second-factor",
        "second-factor/confirm",
        "second-factor/recovery-codes",
        "second-factor/remove",
    )
)
STEP = timedelta(seconds=30)


def require(tenant, value=True):
    with unscoped(reason="test data"):
        fresh = Tenant.objects.get(pk=tenant.pk)
        fresh.settings = {"require_second_factor": value}
        fresh.publishes = False
        fresh.save()


def code_of(secret=TOTP_SECRET, after=0):
    return pyotp.TOTP(secret).at(clock.now(), counter_offset=after)


def ask(client, address, user, code=None, password=PASSWORD):
    body = {"email": user.email, "password": password} | ({} if code is None else {"code": code})
    return client.post(address, body)


def outcome(answer):
    return answer.status_code, answer.json()["code"] if answer.status_code >= 400 else None


def enrol(client, user, **proof):
    """(secret, recovery codes)"""
    started = ask(client, FACTOR, user, **proof)
    assert started.status_code == 200, started.content
    secret = started.json()["secret"]
    confirmed = ask(client, CONFIRM, user, code_of(secret))
    assert confirmed.status_code == 200, confirmed.content
    return secret, confirmed.json()["recovery_codes"]


def trail(tenant):
    with tenant_scope(tenant):
        return list(AuditEvent.objects.order_by("created_at", "id"))


def actions(tenant):
    return [event.action for event in trail(tenant)]
