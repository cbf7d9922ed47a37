"""Sign-ups that nobody confirmed. Their names become free again."""

from datetime import timedelta

from django.db import transaction

from apps.tenants.models import Tenant
from nexora.kernel import clock

from ..models import User

KEPT_DAYS = 7


def remove_unconfirmed():
    """Delete the organisations of old unconfirmed sign-ups, in the scope in force; answers how many.

    An organisation in which somebody works stays, however that came about.
    """
    old = Tenant.objects.filter(unconfirmed_since__lte=clock.now() - timedelta(days=KEPT_DAYS))
    removed = 0
    for tenant_id in list(old.values_list("pk", flat=True)):
        with transaction.atomic():
            # Locked and looked at again: somebody may be following the link.
            tenant = old.filter(pk=tenant_id).select_for_update().first()
            people = User.objects.filter(tenant_id=tenant_id)
            if tenant and not (people.active() | people.filter(email_verified=True)).exists():
                tenant.delete()
                removed += 1
    return removed
