from django.db import connection

from nexora.kernel import clock

from .models import ViewRefresh


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


def revenue_refreshes():
    """The moment when the revenue views were last refreshed; no row before the first time."""
    return ViewRefresh.objects.filter(view="revenue_by_month").values_list("refreshed_at", flat=True)


def revenue_as_of():
    """That moment, or None."""
    return revenue_refreshes().first()
