"""Somebody leaves: their account is closed, and what they were seeing to goes to a colleague."""

from django.db import transaction

from nexora.kernel import events, handover
from nexora.kernel.errors import Conflict

from ..models import User


class NoSuccessor(Conflict):
    """Open records go to an active colleague of the same organisation who may edit them, and to nobody else."""

    code = "no_successor"
    title = "Not a successor"


def hand_over(*, person, successor):
    """Everything open that `person` holds is `successor`'s; {kind: how many}."""
    with transaction.atomic():
        person, successor = _locked(person, successor)
        _ensure_takes_over(person, successor)
        moved = handover.move_open(person=person, successor=successor)
        changes = {name: [count, 0] for name, count in moved.items() if count}
        events.publish(events.record_change("handed_over", person, changes=changes | {"to": [None, str(successor.pk)]}))
    return moved


def deactivate_person(*, person, successor=None):
    """Close the account, and hand over to `successor`, if there is one, or do neither; {kind: how many were moved}."""
    with transaction.atomic():
        moved = hand_over(person=person, successor=successor) if successor else {}
        (person,) = _locked(person)
        person.status = User.Status.INACTIVE
        person.save()
    return moved


def _locked(*people):
    """The same people as they are now, in the same order; locked in one order, so that nobody changes meanwhile."""
    ids = [person.pk for person in people]
    found = User.objects.filter(tenant_id=people[0].tenant_id, pk__in=ids).order_by("pk")
    known = {user.pk: user for user in found.select_for_update(no_key=True)}
    if missing := [person for person in people if person.pk not in known]:
        raise NoSuccessor(f"{missing[0]} is no longer here. Choose somebody else.")
    return [known[pk] for pk in ids]


def _ensure_takes_over(person, successor):
    if successor.pk == person.pk:
        raise NoSuccessor(f"{person} cannot take over from {person}. Choose a colleague.")
    if not successor.is_active:
        raise NoSuccessor(f"{successor} is {successor.status} and takes nothing over. Choose an active colleague.")
    if not successor.is_staff:
        raise NoSuccessor(f"{successor} is a guest, who may edit nothing. Choose somebody of another role.")
