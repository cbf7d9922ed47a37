"""That an address is its person's: proved by a link that was mailed to it."""

from uuid import uuid4

from django.db import transaction

from apps.tenants.models import Tenant
from nexora.kernel import events, scope
from nexora.kernel.errors import Invalid
from nexora.kernel.jobs import enqueue
from nexora.kernel.scope import unscoped

from .. import jobs
from ..models import User
from . import attempts, links

REMEDY = "Sign in if you have confirmed this address before, or ask for a new link."


def request_verification(*, email, address=None):
    """Mail another link to this address, if it is that of a person here who still has to confirm it.

    Does the same for an address that nobody has: a job that finds no one.
    """
    attempts.begin(attempts.MAIL, account=email, address=address)
    found = User.objects.filter(email=email, email_verified=False).values_list("pk", flat=True).first()
    enqueue(jobs.send_verification, user_id=found or uuid4())


def verify_email(*, token, password=None, address=None):
    """The User whose address the token confirms. LinkNotValid says no more than that.

    A token works while the account still has the address that it names and has not confirmed it: once. That of a
    sign-up also opens the account and its organisation, which nobody has opened before: an admin who deactivates a
    person is not undone by an old link. And it takes the password of the sign-up: an owner who follows a link to a
    sign-up that was not theirs must not open the account to whoever chose that.
    """
    claims = links.read_email_token(token)
    if claims is None:
        raise links.LinkNotValid(REMEDY)
    is_sign_up = claims.purpose == links.SIGN_UP
    if is_sign_up:
        attempts.begin(attempts.SIGN_IN, account=claims.email, address=address)
    with transaction.atomic(), events.batch():
        # The organisation first, as whoever removes it does.
        tenant = Tenant.objects.filter(pk=scope.current_tenant_id()).select_for_update(no_key=True).first()
        waiting = User.objects.filter(pk=claims.user_id, email=claims.email, email_verified=False)
        user = waiting.select_for_update(no_key=True).first()
        if tenant is None or user is None:
            raise links.LinkNotValid(REMEDY)
        with events.acting_as(events.Actor(user.pk, user.name, user.tenant_id, address)):
            user.email_verified = True
            if is_sign_up:
                _ensure_chosen(user, password)
                _open(user, tenant)
            user.save()
    if is_sign_up:
        attempts.forgive(attempts.SIGN_IN, account=claims.email, address=address)
    return user


def _ensure_chosen(user, password):
    if not user.check_password(password or ""):
        sentence = "This is not the password that was chosen when this organisation was signed up."
        raise Invalid(sentence, fields={"password": [sentence]})


def _open(user, tenant):
    if not tenant.unconfirmed_since or user.status != User.Status.INACTIVE:
        raise links.LinkNotValid(REMEDY)
    user.status = User.Status.ACTIVE
    tenant.unconfirmed_since = None
    with unscoped(reason="a sign-up is confirmed by its owner", tenant=tenant):
        tenant.save()
