from nexora.kernel.models import plain
from nexora.kernel.permissions import ensure_may_take_along

from ..definition.registry import Action, register
from ..definition.resources import resource_named
from . import writing

RESOURCE = {"type": "string", "maxLength": 64}
# Its id; where it is left out, the record that the run is about.
RECORD = {"type": "string", "maxLength": 2_000, "description": "Its id; left out: the record that the run is about."}
VALUES = {"type": "object", "minProperties": 1, "maxProperties": 50}


class OnRecord(Action):
    @classmethod
    def problems(cls, given, check):
        resource = resource_named(given["resource"])
        if resource is not None:
            if resource.serializer is None:
                yield "resource", "is read-only: no action writes it."
            for name in given.get("values", {}):
                if name not in resource.writable:
                    known = ", ".join(resource.writable)
                    yield (
                        f"values/{name[:64]}",
                        f"is no field of {given['resource']} that can be set. Those are {known}.",
                    )
        if "record" in cls.properties and "record" not in given and check.record is not resource:
            yield "record", f"is missing: the trigger is about no record of {given['resource']}."

    @classmethod
    def record_id(cls, step, given):
        return given.get("record") or step.record_id


@register
class CreateRecord(OnRecord):
    type = "record.create"
    title = "Create a record"
    right = "create"
    properties = {"resource": RESOURCE, "values": VALUES}
    required = ("resource", "values")
    example = {
        "key": "deal",
        "type": "record.create",
        "with": {
            "resource": "deals",
            "values": {"customer": "{{ record.id }}", "title": "Offer for {{ record.name }}", "value": "0.00"},
        },
    }

    @classmethod
    def perform(cls, step, given):
        resource = writing.resource_for(step, given["resource"], "create")
        return {"id": str(writing.create(step, resource, given["values"]).pk)}


@register
class UpdateRecord(OnRecord):
    type = "record.update"
    title = "Change a record"
    right = "update"
    properties = {"resource": RESOURCE, "record": RECORD, "values": VALUES}
    required = ("resource", "values")
    example = {
        "key": "activate",
        "type": "record.update",
        "with": {"resource": "customers", "record": "{{ record.customer }}", "values": {"status": "active"}},
    }

    @classmethod
    def perform(cls, step, given):
        resource = writing.resource_for(step, given["resource"], "update")
        record = writing.target(step, resource, cls.record_id(step, given), "update")
        before = {name: plain(value) for name, value in resource.values(record).items()}
        writing.update(step, resource, record, given["values"])
        after = {name: plain(value) for name, value in resource.values(record).items()}
        changed = sorted(name for name in after if after[name] != before[name] and name != "updated_at")
        return {"id": str(record.pk), "changed": changed}


@register
class DeleteRecord(OnRecord):
    type = "record.delete"
    title = "Delete a record"
    right = "delete"
    properties = {"resource": RESOURCE, "record": RECORD}
    required = ("resource",)
    example = {"key": "remove", "type": "record.delete", "with": {"resource": "activities"}}

    @classmethod
    def perform(cls, step, given):
        resource = writing.resource_for(step, given["resource"], "delete")
        record = writing.target(step, resource, cls.record_id(step, given), "delete")
        ensure_may_take_along(step.owner, record)
        answer = {"id": str(record.pk), "label": str(record)}
        record.delete()
        return answer
