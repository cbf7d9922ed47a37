from nexora.kernel import events

from ..definition import resources
from ..definition.registry import Trigger, register

RESOURCE = {"type": "string", "maxLength": 64, "description": "Kind of records: customers, deals, activities, …"}
FIELD = {"type": "string", "maxLength": 64}


class OfRecord(Trigger):
    listens = True
    properties = {"resource": RESOURCE}
    required = ("resource",)

    @classmethod
    def fields_named(cls, spec):
        """[(pointer, name)] of the fields that the trigger looks at."""
        return []

    @classmethod
    def problems(cls, given, check):
        resource = resources.resource_named(given["resource"])
        if resource is None:
            return
        for pointer, name in cls.fields_named(given):
            if name not in resource.columns:
                yield pointer, f"{given['resource']} have no field {name}. They have {', '.join(resource.columns)}."


@register
class RecordCreated(OfRecord):
    type = "record.created"
    title = "A record is created"
    actions = (events.CREATED,)
    example = {"type": "record.created", "resource": "customers"}

    @classmethod
    def matches(cls, change, spec):
        return True


@register
class RecordUpdated(OfRecord):
    type = "record.updated"
    title = "A record is changed"
    description = "With `fields`, only when one of these has changed."
    actions = (events.UPDATED,)
    properties = {
        **OfRecord.properties,
        "fields": {"type": "array", "items": FIELD, "minItems": 1, "maxItems": 50},
    }
    example = {"type": "record.updated", "resource": "deals", "fields": ["value", "expected_close_date"]}

    @classmethod
    def fields_named(cls, spec):
        return [(f"fields/{number}", name) for number, name in enumerate(spec.get("fields", []))]

    @classmethod
    def matches(cls, change, spec):
        watched = spec.get("fields")
        return any(name in change.changes for name in watched) if watched else bool(change.changes)


@register
class RecordDeleted(OfRecord):
    type = "record.deleted"
    title = "A record is deleted"
    description = "Its last values are what `record` shows. Rows that the database deletes along start nothing."
    actions = (events.DELETED,)
    example = {"type": "record.deleted", "resource": "customers"}

    @classmethod
    def matches(cls, change, spec):
        return True


@register
class FieldChanged(OfRecord):
    type = "field.changed"
    title = "A field changes, from one value to another"
    description = "`from` and `to` may be left out, for any value; null is none."
    actions = (events.UPDATED,)
    properties = {**OfRecord.properties, "field": FIELD, "from": {}, "to": {}}
    required = ("resource", "field")
    example = {"type": "field.changed", "resource": "customers", "field": "status", "from": "lead", "to": "active"}

    @classmethod
    def fields_named(cls, spec):
        return [("field", spec["field"])]

    @classmethod
    def matches(cls, change, spec):
        if spec["field"] not in change.changes:
            return False
        before, after = change.changes[spec["field"]]
        return all(spec[name] == value for name, value in (("from", before), ("to", after)) if name in spec)
