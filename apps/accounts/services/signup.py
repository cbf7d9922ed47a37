"""Self-service sign-up: an organisation, its trial and its first admin, who has yet to confirm their address.

Nobody learns here whether an address belongs to an account. If it does, the organisation is made all the same, without
an admin, and the address's owner is told by mail. Both ways the same work is done, statement by statement, and either
way nobody can sign in until the link in the mail is followed.
"""

from django.contrib.auth.hashers import make_password
from django.db import transaction

from apps.tenants.services.trials import open_trial
from nexora.kernel import clock, events
from nexora.kernel.jobs import enqueue
from nexora.kernel.scope import PLATFORM_TENANT_ID, unscoped

from .. import jobs
from ..models import User
from . import attempts

SIGNED_UP, ADDRESS_IN_USE = "signed_up", "address_in_use"
DETAIL = "Open the mail that we are sending to this address, and follow its link."


def sign_up(*, organisation, subdomain, name, email, password, address=None):
    """The Tenant, made. SubdomainTaken or TooManyAttempts; the other values are the caller's to check.

    address   the client's IP address
    """
    attempts.begin(attempts.SIGN_UP, account=email, address=address)
    admin = User(
        name=name,
        email=email,
        # Before the transaction, which others may wait for.
        password=make_password(password),
        role=User.Role.ADMIN,
        status=User.Status.INACTIVE,
    )
    with (
        unscoped(reason="a stranger signs up an organisation"),
        transaction.atomic(),
        events.acting_as(events.Actor(None, "self-service sign-up", None, address)),
        events.batch(),
    ):
        tenant = open_trial(name=organisation, subdomain=subdomain)
        admin.tenant = tenant
        # No savepoint and no look beforehand: of two sign-ups with one address at the same time, one gets it.
        User.objects.unpublished("published below").bulk_create([admin], ignore_conflicts=True)
        owner_id = User.objects.filter(email=email).values_list("pk", flat=True).get()
        is_new = owner_id == admin.pk
        events.publish(_what_happened(admin, tenant, is_new))
        with unscoped(reason="the mail about a sign-up", tenant=tenant if is_new else PLATFORM_TENANT_ID):
            enqueue(jobs.send_verification if is_new else jobs.send_address_in_use, user_id=owner_id)
    return tenant


def _what_happened(admin, tenant, is_new):
    """For the new organisation's trail, which only the platform's people can read before somebody has confirmed."""
    if is_new:
        described = {"name": admin.name, "email": admin.email, "role": admin.role, "status": admin.status}
        return events.record_change(
            SIGNED_UP, admin, changes={field: [None, text] for field, text in described.items()}
        )
    return events.RecordChange(
        action=ADDRESS_IN_USE,
        model=User,
        record_id=None,
        tenant_id=tenant.pk,
        label="an address in use",
        actor=events.actor(),
        at=clock.now(),
    )
