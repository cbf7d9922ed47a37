"""A super_admin's work inside one tenant: begun with a reason, and on record in that tenant's own trail."""

from django.db import transaction

from nexora.kernel import events

# Where a browser session keeps it: {"tenant": id, "name": …, "reason": …}.
INSIDE = "inside_tenant"


def enter_tenant(*, session, tenant, reason):
    """From here on this session's admin shows `tenant` alone. The reason is kept in the tenant's trail."""
    with transaction.atomic():
        events.publish(events.record_change("entered", tenant, changes={"reason": [None, reason]}))
        session[INSIDE] = {"tenant": str(tenant.pk), "name": tenant.name, "reason": reason}


def leave_tenant(*, session, tenant):
    """Back to all tenants. `tenant` is None if it has gone meanwhile."""
    with transaction.atomic():
        if tenant is not None:
            events.publish(events.record_change("left", tenant))
        session.pop(INSIDE, None)


def tenant_inside(session):
    """What enter_tenant() kept, or None."""
    return session.get(INSIDE)
