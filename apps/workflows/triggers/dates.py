from datetime import UTC, datetime, time, timedelta
from uuid import UUID

from django.db import models
from django.db.models import Q

from nexora.kernel import permissions

from ..definition import resources, values
from ..definition.registry import Trigger, register
from ..engine import owners
from ..engine.starting import Start, Tick
from .records import FIELD, RESOURCE

# Records looked at in one go; the next minute goes on where it stopped.
AT_ONCE = 500
# All that have the date of the last look were looked at then: none has a greater id.
NONE = UUID(int=2**128 - 1)


@register
class DateReached(Trigger):
    type = "date.reached"
    title = "A date of a record is reached"
    description = "Or comes near: `before` it, or `after` it, by a duration such as P1D. A day begins at midnight UTC."
    is_timed = True
    properties = {
        "resource": RESOURCE,
        "field": FIELD,
        "before": {"type": "string", "maxLength": 40},
        "after": {"type": "string", "maxLength": 40},
    }
    required = ("resource", "field")
    example = {"type": "date.reached", "resource": "deals", "field": "expected_close_date", "before": "P3D"}

    @classmethod
    def problems(cls, given, check):
        resource = resources.resource_named(given["resource"])
        if resource is not None and given["field"] not in resource.moments:
            yield "field", f"is no date of {given['resource']}. They have {', '.join(resource.moments)}."
        if "before" in given and "after" in given:
            yield "after", "cannot stand beside before. Say one of them."
        for name in ("before", "after"):
            if name in given:
                try:
                    values.duration(given[name])
                except values.BadTemplate as error:
                    yield name, str(error)

    @staticmethod
    def offset(spec):
        """What lies between the record's date and the moment at which its run starts."""
        if "before" in spec:
            return -values.duration(spec["before"])
        return values.duration(spec["after"]) if "after" in spec else timedelta(0)

    @classmethod
    def tick(cls, workflow, now):
        """Runs for the records whose date was reached since the last look; a date that was moved counts anew."""
        spec, since = workflow.trigger, workflow.next_run_at
        resource = resources.resource_named(spec["resource"])
        if since is None or resource is None:
            return Tick([], now)
        name, offset = spec["field"], cls.offset(spec)
        first, last = since - offset, now - offset
        if not isinstance(resource.columns[name], models.DateTimeField):
            first, last = first.date(), last.date()
        reached = Q(**{f"{name}__gt": first}) | Q(**{name: first, "pk__gt": workflow.clock_record_id or NONE})
        rows = permissions.narrow(resource.model.objects.all(), owners.owner_of(workflow), "view")
        rows = rows.filter(reached, **{f"{name}__gte": first, f"{name}__lte": last}).order_by(name, "pk")
        found = list(rows[:AT_ONCE])
        starts = [cls._start(resource, record, name) for record in found]
        if len(found) < AT_ONCE:
            return Tick(starts, now)
        return Tick(starts, _moment(getattr(found[-1], name)) + offset, passed=found[-1].pk)

    @classmethod
    def _start(cls, resource, record, name):
        reached = _moment(getattr(record, name)).isoformat()
        return Start(
            trigger={"type": cls.type, "at": reached, "field": name},
            resource=resource.name,
            record_id=record.pk,
            key=f"{name} {record.pk} {reached}",
            record=record,
        )


def _moment(value):
    return value if isinstance(value, datetime) else datetime.combine(value, time(), UTC)
