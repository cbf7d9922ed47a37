from uuid import UUID

from django.db.models import Count, F, Max, OuterRef, Subquery
from django.db.models.functions import Coalesce

from apps.accounts.models import User
from nexora.kernel import handover

from ..definition.registry import Action, StepFailed, register
from ..definition.resources import resource_named
from . import writing
from .records import RECORD

ROLES = [User.Role.ADMIN.value, User.Role.MANAGER.value, User.Role.USER.value]


@register
class Assign(Action):
    type = "record.assign"
    title = "Assign a record"
    description = "`to` a person, by id or address, or by a rule: whoever holds the fewest open records of the kind."
    right = "update"
    properties = {
        "resource": {"enum": ["deals", "activities"]},
        "record": RECORD,
        "to": {"type": "string", "minLength": 1, "maxLength": 2_000},
        "rule": {"enum": ["fewest_open"]},
        "roles": {"type": "array", "items": {"enum": ROLES}, "minItems": 1},
    }
    required = ("resource",)
    example = {"key": "assign", "type": "record.assign", "with": {"resource": "deals", "rule": "fewest_open"}}

    @classmethod
    def problems(cls, given, check):
        if ("to" in given) == ("rule" in given):
            yield "", "needs one of to and rule."
        if "record" not in given and check.record is not resource_named(given["resource"]):
            yield "record", f"is missing: the trigger is about no record of {given['resource']}."

    @classmethod
    def perform(cls, step, given):
        resource = writing.resource_for(step, given["resource"], "update")
        record = writing.target(step, resource, given.get("record") or step.record_id, "update")
        person = _person(given["to"]) if "to" in given else _least_busy(resource.model, given.get("roles", ROLES))
        writing.update(step, resource, record, {"assigned_to": str(person.pk)})
        return {"id": str(record.pk), "assigned_to": str(person.pk), "name": person.name}


def _person(text):
    try:
        wanted = {"pk": UUID(text)}
    except ValueError:
        wanted = {"email": text.strip().lower()}
    person = User.objects.filter(**wanted, status=User.Status.ACTIVE).first()
    if person is None:
        raise StepFailed(f"There is no active person {text[:100]}.")
    return person


def _least_busy(model, roles):
    """Who holds the fewest open records; among equals, whoever was given one longest ago, or never."""
    (kind,) = [kind for kind in handover.kinds() if kind.model is model]
    held = kind.is_open(model.objects.filter(**{kind.holder: OuterRef("pk")})).order_by()
    count = held.values(kind.holder).annotate(number=Count("*")).values("number")
    latest = model.objects.filter(**{kind.holder: OuterRef("pk")}).order_by().values(kind.holder)
    people = User.objects.filter(status=User.Status.ACTIVE, role__in=roles).annotate(
        held=Coalesce(Subquery(count), 0), last=Subquery(latest.annotate(at=Max("updated_at")).values("at"))
    )
    person = people.order_by("held", F("last").asc(nulls_first=True), "pk").first()
    if person is None:
        raise StepFailed(f"There is nobody to give it to: no active person is {' or '.join(roles)}.")
    return person
