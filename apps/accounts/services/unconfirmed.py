"""Sign-ups that nobody confirmed. Their names, and their addresses, become free again."""

from datetime import timedelta

from django.db import transaction

from apps.tenants.models import Tenant
from nexora.kernel import clock
from nexora.kernel.scope import unscoped

from ..models import User

KEPT_DAYS = 7


def give_way(*, email):
    """Delete the unconfirmed sign-up with this address, whose owner has just joined elsewhere; whether there was one.

    Anybody can sign up with a stranger's address, and so must keep nobody from an invitation.
    """
    with unscoped(reason="an unconfirmed sign-up gives way to the address's owner"), transaction.atomic():
        held = Tenant.objects.filter(pk__in=User.objects.filter(email=email).values("tenant_id"))
        return bool(held) and _remove(held.filter(unconfirmed_since__isnull=False), held[0].pk)


def remove_unconfirmed():
    """Delete the organisations of old unconfirmed sign-ups, in the scope in force; answers how many.

    An organisation in which somebody works stays, however that came about.
    """
    old = Tenant.objects.filter(unconfirmed_since__lte=clock.now() - timedelta(days=KEPT_DAYS))
    removed = 0
    for tenant_id in list(old.values_list("pk", flat=True)):
        with transaction.atomic():
            removed += _remove(old, tenant_id)
    return removed


def _remove(tenants, tenant_id):
    # Locked and looked at again: somebody may be following the link.
    tenant = tenants.filter(pk=tenant_id).select_for_update(of=("self",)).first()
    people = User.objects.filter(tenant_id=tenant_id)
    if tenant is None or (people.active() | people.filter(email_verified=True)).exists():
        return False
    tenant.delete()
    return True
