"""Requests counted by tenant and minute: see apps.tenants.rates."""

from datetime import timedelta

from django.db import connection

from nexora.kernel import clock

from ..models import RequestCount

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
