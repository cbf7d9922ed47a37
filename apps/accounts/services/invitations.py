"""Invitations: an admin names an address and a role, its owner gets a link by mail and makes the account.

An address is unique over all tenants, and whether it is taken is nobody's business but its owner's. So nothing looks
before the mail is written: request, answer, record and trail are the same for an address that is free, one of a
colleague and one of another tenant's person. The job that writes the mail looks, and says it in the mail alone.
"""

import secrets
from datetime import timedelta

from django.db import IntegrityError, transaction

from nexora.kernel import clock, events, mail, permissions
from nexora.kernel.errors import Conflict, NexoraError
from nexora.kernel.jobs import enqueue
from nexora.kernel.scope import tenant_scope

from .. import jobs
from ..models import Invitation, User
from . import addresses, attempts, unconfirmed
from .passwords import ensure_strong

LIFETIME = timedelta(hours=72)
TOKEN_BYTES = 32
ONE_OPEN = "invitations_tenant_id_email_accepted_at_revoked_at_key"


class InvitationNotValid(NexoraError):
    """The link of an invitation works once and for 72 hours, on the host of the organisation that sent it, and as long
    as who sent it could still do so. Ask them for another."""

    code = "invitation_not_valid"
    title = "Invitation not valid"


ACCEPTED = "Your account is ready. Sign in with this address and your password."
NOT_VALID = "This invitation has been used, is over, or its link is not whole. Ask for another."


class InvitationClosed(Conflict):
    """The invitation has been accepted or revoked: there is nothing to send or to revoke. Invite the address anew."""

    code = "invitation_closed"
    title = "Invitation closed"


# -- By an admin


def invite_person(*, actor, email, role, tenant_id):
    """The open invitation of this address, sent: a new one, or the one that there is, renewed with this role."""
    permissions.ensure_may_grant(actor, role)
    with transaction.atomic():
        invitation = None
        while invitation is None:
            invitation = _make(actor, email, role, tenant_id) or _renew_open(actor, email, role, tenant_id)
        _enqueue_mail(invitation)
    return invitation


def _make(actor, email, role, tenant_id):
    invitation = Invitation(tenant_id=tenant_id, email=email, role=role)
    _begin(invitation, actor)
    try:
        with transaction.atomic():
            invitation.save(force_insert=True)
    except IntegrityError as error:
        if _violated(error) != ONE_OPEN:
            raise
        return None
    return invitation


def _renew_open(actor, email, role, tenant_id):
    """None if somebody closed it this very moment."""
    found = Invitation.objects.pending().filter(tenant_id=tenant_id, email=email)
    invitation = found.select_for_update().first()
    if invitation:
        invitation.role = role
        _begin(invitation, actor)
        invitation.save()
    return invitation


def resend_invitation(*, actor, invitation):
    """Another link and another 72 hours; the link before is dead from here on."""
    with transaction.atomic():
        invitation = _locked(invitation)
        permissions.ensure_may_grant(actor, invitation.role)
        _ensure_pending(invitation)
        _begin(invitation, actor)
        invitation.save()
        _enqueue_mail(invitation)
    return invitation


def revoke_invitation(*, invitation):
    """The link is dead. Doing so twice changes nothing."""
    with transaction.atomic():
        invitation = _locked(invitation)
        if invitation.status == Invitation.Status.REVOKED:
            return invitation
        _ensure_pending(invitation)
        invitation.status, invitation.revoked_at = Invitation.Status.REVOKED, clock.now()
        invitation.token = None
        invitation.save()
    return invitation


def _locked(invitation):
    return Invitation.objects.select_for_update().get(pk=invitation.pk, tenant_id=invitation.tenant_id)


def _ensure_pending(invitation):
    if invitation.status != Invitation.Status.PENDING:
        raise InvitationClosed(
            f"The invitation of {invitation} has been {invitation.status}. Invite the address again if need be."
        )


def _begin(invitation, actor):
    """Seventy-two hours from now, on the word of `actor`, with no link until the mail is written."""
    invitation.expires_at = clock.now() + LIFETIME
    # The key holds within the tenant: the platform's people are none of a tenant's.
    invitation.invited_by_id = actor.pk if actor.tenant_id == invitation.tenant_id else None
    invitation.token = invitation.sent_at = None


def _enqueue_mail(invitation):
    with tenant_scope(invitation.tenant_id):
        # One after another, or the earlier mail could carry the later link.
        enqueue(jobs.send_invitation, invitation_id=invitation.pk, lock=f"invitation {invitation.pk}")


# -- By the job


def home_of_invited(invitation_id):
    """Id of the tenant where the invited address has an account, or None. Asked over all tenants.

    A sign-up that nobody confirmed is no account: it gives way to who accepts.
    """
    invited = Invitation.objects.filter(pk=invitation_id).values_list("email", flat=True)
    people = User.objects.filter(email__in=list(invited)).exclude(
        status=User.Status.INACTIVE, email_verified=False, tenant__unconfirmed_since__isnull=False
    )
    return people.values_list("tenant_id", flat=True).first()


def send_invitation(*, invitation_id, home):
    """Mail the link, which is made here and kept nowhere else. `home` is what home_of_invited() found.

    The record of an address that has an account is given a token like any other, which then goes to nobody.
    """
    invitation = Invitation.objects.open().select_related("invited_by").filter(pk=invitation_id).first()
    if invitation is None or not invitation.is_vouched_for:
        return
    # Too many mails to one address wait here, where the job is tried again, and not where somebody could see it.
    attempts.begin(attempts.MAIL, account=invitation.email)
    token = secrets.token_urlsafe(TOKEN_BYTES)
    stored = Invitation.objects.open().filter(pk=invitation.pk)
    if not stored.unpublished("sent_at, below, tells of it").update(token=Invitation.digest(token)):
        return
    context = {
        "inviter": str(invitation.invited_by or ""),
        "role": invitation.get_role_display().lower(),
        "hours": LIFETIME // timedelta(hours=1),
    }
    if home is None:
        template, context["link"] = "invitation", mail.link("/join", token=token)
    elif home == invitation.tenant_id:
        template, context["link"] = "invitation_known", mail.link("/admin/")
    else:
        template = "invitation_elsewhere"
    mail.send(to=invitation.email, template=template, context=context)
    invitation.sent_at = clock.now()
    invitation.save()


# -- By who is invited


def find_invitation(*, token, lock=False):
    """The invitation that this link accepts; raises InvitationNotValid, the same for every other text."""
    found = Invitation.objects.open().select_related("invited_by").filter(token=Invitation.digest(token))
    if lock:
        found = found.select_for_update(of=("self",))
    invitation = found.first()
    if invitation is None or not invitation.is_vouched_for:
        raise _not_valid()
    return invitation


def accept_invitation(*, token, name, password, ip_address=None):
    """The new person, with the role that the invitation has now. Of two who try at once, one is."""
    attempts.begin(attempts.TOKEN, address=ip_address)
    with transaction.atomic():
        invitation = find_invitation(token=token, lock=True)
        user = User(
            tenant_id=invitation.tenant_id,
            email=invitation.email,
            name=name,
            role=invitation.role,
            # The link was in a mail to this address.
            email_verified=True,
        )
        ensure_strong(password, user)
        user.set_password(password)
        invitation.status, invitation.accepted_at = Invitation.Status.ACCEPTED, clock.now()
        invitation.token = None
        with events.acting_as(events.Actor(user.pk, str(user), user.tenant_id, ip_address)):
            if not _join(user) and not (unconfirmed.give_way(email=user.email) and _join(user)):
                # Taken since the mail was written, here or elsewhere: no more than any other refusal says.
                raise _not_valid()
            invitation.save()
    attempts.forgive(attempts.TOKEN, address=ip_address)
    return user


def _join(user):
    """Whether the address was free."""
    try:
        with transaction.atomic():
            user.save(force_insert=True)
    except IntegrityError as error:
        if not addresses.is_taken(error):
            raise
        return False
    return True


def _not_valid():
    return InvitationNotValid(NOT_VALID, fields={"token": [NOT_VALID]})


def _violated(error):
    """Name of the constraint that refused a row."""
    return getattr(getattr(error.__cause__, "diag", None), "constraint_name", None)
