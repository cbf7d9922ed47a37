from django.db import connection

from nexora.kernel import clock


def dismiss_insight(*, insight):
    """Take an insight off the list, with the time; one that is off already stays as it is."""
    if not insight.dismissed:
        insight.dismissed = True
        insight.dismissed_at = clock.now()
        insight.save()
    return insight


def refresh_revenue(*, force=False):
    """Bring both revenue views up to date if deals were written since; answers whether they were refreshed."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT refresh_revenue(%s)", [force])
        (refreshed,) = cursor.fetchone()
    return refreshed


def revenue_as_of():
    """When the revenue views were last refreshed, or None before the first time."""
    # Asked beside every page of a report, and compiling this by the ORM would cost more than the page.
    with connection.cursor() as cursor:
        cursor.execute("SELECT refreshed_at FROM view_refreshes WHERE view = 'revenue_by_month'")
        found = cursor.fetchone()
    return found and found[0]
