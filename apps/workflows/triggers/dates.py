from datetime import UTC, datetime, time, timedelta

from django.db import models
from django.db.models import Exists, ExpressionWrapper, OuterRef, Value

from nexora.kernel import permissions

from ..definition import resources, values
from ..definition.registry import Trigger, register
from ..engine import owners
from ..engine.starting import Start
from ..models import WorkflowExecution
from .records import FIELD, RESOURCE

# Records looked at in one go; the next minute goes on where it stopped.
AT_ONCE = 500


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
            return [], now
        owner = owners.owner_of(workflow)
        name, offset = spec["field"], cls.offset(spec)
        is_day = not isinstance(resource.columns[name], models.DateTimeField)
        first, last = since - offset, now - offset
        if is_day:
            first, last = first.date(), last.date()
        rows = permissions.narrow(resource.model.objects.all(), owner, "view")
        rows = rows.filter(**{f"{name}__gt": first, f"{name}__lte": last}).exclude(_started(workflow, name, offset))
        found = list(rows.order_by(name, "pk")[:AT_ONCE])
        if len(found) < AT_ONCE:
            return [cls._start(resource, record, name) for record in found], now
        # Others may have the last one's date as well: the next look begins before it, and leaves out who has had a run.
        before = timedelta(days=1) if is_day else timedelta(microseconds=1)
        again = max(since, _moment(getattr(found[-1], name)) - before + offset)
        return [cls._start(resource, record, name) for record in found], again

    @classmethod
    def _start(cls, resource, record, name):
        reached = _moment(getattr(record, name)).isoformat()
        return Start(
            trigger={"type": cls.type, "at": reached, "field": name},
            resource=resource.name,
            record_id=record.pk,
            key=f"{name} {record.pk} {reached}",
        )


def _started(workflow, name, offset):
    """Whether a record's date, as it is, has started a run already."""
    reached = ExpressionWrapper(OuterRef(name) + Value(offset), models.DateTimeField())
    runs = WorkflowExecution.objects.filter(
        workflow_id=workflow.pk, record_id=OuterRef("pk"), trigger_key__isnull=False
    )
    return Exists(runs.filter(started_at__gte=reached))


def _moment(value):
    return value if isinstance(value, datetime) else datetime.combine(value, time(), UTC)
