"""What people are told: written here by whatever happens, read by each for themselves."""

from datetime import timedelta
from functools import reduce
from operator import or_

from django.db.models import Q

from nexora.kernel import clock, scope
from nexora.kernel.statements import Statement, Statements, among

from ..models import Notification, User

MOST_TOLD = 500
NO_RECORD = "notifications are no business records"
KEPT_READ = timedelta(days=90)
KEPT = timedelta(days=365)

_statements = Statements()


def notify(*, text, users=(), addresses=(), roles=(), record=None, level=Notification.Level.INFO):
    """[Notification] of the active people of the tenant in scope who are meant, one each, MOST_TOLD at most: those of
    `users`, people or their ids, and whoever has one of these email addresses or roles.

    `record` is what it is about. ValidationError, whoever is told, for a text that is empty, longer than 2,000
    characters or not storable, and for an unknown level.
    """
    told = {
        "tenant_id": scope.current_tenant_id(),
        "text": text.strip(),
        "level": level,
        "resource": record._meta.label_lower if record is not None else None,
        "record_id": record.pk if record is not None else None,
        "created_at": clock.now(),
    }
    Notification(**told).clean_fields(exclude=["user", "tenant"])
    meant = _active(id=[getattr(user, "pk", user) for user in users], email=list(addresses), role=list(roles))
    rows = [Notification(user_id=user_id, **told) for user_id in meant]
    if len(rows) == 1:
        rows[0].save(force_insert=True)
        return rows
    return Notification.objects.unpublished(NO_RECORD).bulk_create(rows)


def _active(**wanted):
    """Ids of the active people that have, of one of these columns, one of the values."""
    columns = tuple(column for column, values in wanted.items() if values)
    if not columns:
        return []

    def make():
        has_one = reduce(or_, (among(column, User._meta.get_field(column)) for column in columns))
        people = User.objects.active().filter(has_one).order_by("pk").values_list("pk")[:MOST_TOLD]
        return Statement(people, keeps_plan=True)

    return [key for (key,) in _statements.get(columns, make).execute(wanted).fetchall()]


def mark_read(*, actor, ids=None):
    """Mark the actor's own as read: those of these ids, or all. Answers how many were unread."""
    unread = Notification.objects.of(actor).unread()
    if ids is not None:
        unread = unread.filter(pk__in=ids)
    return unread.unpublished(NO_RECORD).update(read_at=clock.now())


def delete_old():
    """Remove what was read long ago, and what is a year old, in the scope in force; answers how many."""
    now = clock.now()
    old = Notification.objects.filter(Q(read_at__lte=now - KEPT_READ) | Q(created_at__lte=now - KEPT))
    return old.unpublished(NO_RECORD).delete()[0]
