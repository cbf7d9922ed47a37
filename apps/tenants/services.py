"""A super_admin's work inside one tenant: begun with a reason, and on record in that tenant's own trail."""

from datetime import timedelta

from django.db import connection, transaction

from nexora.kernel import clock, events

from .models import RequestCount

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


# -- Requests counted by tenant and minute: see apps.tenants.rates

# In the order of the tenants, so that two processes never wait for each other. One that has been deleted has no row.
ADD_REQUEST_COUNTS = """
    INSERT INTO request_counts (tenant_id, starts_at, count)
    SELECT news.tenant_id, %s, news.count
      FROM unnest(%s::uuid[], %s::integer[]) AS news (tenant_id, count)
      JOIN tenants ON tenants.id = news.tenant_id
     ORDER BY news.tenant_id
        ON CONFLICT (tenant_id, starts_at) DO UPDATE SET count = request_counts.count + EXCLUDED.count
    RETURNING tenant_id, count
"""
KEEP_REQUEST_COUNTS = timedelta(hours=1)


def add_request_counts(*, counts, starts_at):
    """Add {tenant id: count} to the minute that starts then, in the scope in force; answers {tenant id: its total}."""
    with connection.cursor() as cursor:
        cursor.execute(ADD_REQUEST_COUNTS, [starts_at, list(counts), list(counts.values())])
        return dict(cursor.fetchall())


def delete_past_request_counts():
    """Remove those of minutes long over, in the scope in force; answers how many."""
    past = RequestCount.objects.filter(starts_at__lt=clock.now() - KEEP_REQUEST_COUNTS)
    return past.unpublished("counts are no business records").delete()[0]
