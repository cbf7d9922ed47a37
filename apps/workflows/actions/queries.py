"""Finding records: a condition over `item` as a query, bounded."""

from contextlib import contextmanager
from datetime import UTC, datetime, time, timedelta

from django.core.exceptions import ValidationError
from django.db import OperationalError, connection
from django.db.models import Q
from psycopg.errors import QueryCanceled

from nexora.kernel import permissions

from ..definition import conditions
from ..definition.registry import Action, Enter, StepFailed, register
from ..definition.resources import resource_named
from . import writing
from .records import RESOURCE

MOST_FOUND = 200
MOST_SECONDS = 5
LOOK_UPS = {"eq": "exact", "gt": "gt", "gte": "gte", "lt": "lt", "lte": "lte"}
WHERE = {"description": "A condition over item, the record looked at."}
LIMIT = {"type": "integer", "minimum": 1, "maximum": MOST_FOUND}
ORDER = {"type": "string", "maxLength": 64, "description": "A field, with - before it for the other direction."}


@contextmanager
def _in_time():
    """What a condition asks of many records may not hold a worker, or the request of a test run, for long."""
    with connection.cursor() as cursor:
        cursor.execute(f"SET LOCAL statement_timeout = {MOST_SECONDS * 1_000}")
    try:
        yield
    except OperationalError as error:
        if isinstance(error.__cause__, QueryCanceled):
            raise StepFailed(
                f"Looking took longer than {MOST_SECONDS} s. Ask for less, by fields that narrow."
            ) from error
        raise
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL statement_timeout TO DEFAULT")


class OverRecords(Action):
    properties = {"resource": RESOURCE, "where": WHERE, "limit": LIMIT, "order": ORDER}
    required = ("resource",)
    right = "view"

    @classmethod
    def problems(cls, given, check):
        resource = resource_named(given["resource"])
        if resource is None:
            return
        order = given.get("order", "").removeprefix("-")
        if order and (order not in resource.columns or resource.columns[order].get_internal_type() in UNORDERED):
            yield "order", f"is no field that {given['resource']} can be ordered by."
        if "where" in given:
            for pointer, sentence in conditions.problems(given["where"], check.resolves_with_item(resource)):
                yield f"where/{pointer}".rstrip("/"), sentence
            for pointer, sentence in unqueried(given["where"], "where"):
                yield pointer, sentence

    @classmethod
    def prepare(cls, step):
        given = super().prepare(step) if "where" not in step.given else step.given
        if "where" not in given:
            return given
        rest = {name: value for name, value in given.items() if name not in ("where", *cls.blocks)}
        return step.render(rest) | {"where": _filled_in(step, given["where"])}

    @classmethod
    def find(cls, step, given):
        """The records, at most `limit`, in their order."""
        resource = writing.resource_for(step, given["resource"], "view")
        rows = permissions.narrow(resource.model.objects.all(), step.owner, "view")
        try:
            with _in_time():
                if "where" in given:
                    rows = rows.filter(as_query(given["where"], resource))
                order = given.get("order", "-created_at" if "created_at" in resource.columns else "id")
                return resource, list(rows.order_by(order, "pk")[: given.get("limit", MOST_FOUND)])
        except (ValueError, TypeError, ValidationError) as error:
            raise StepFailed(f"The records cannot be compared so: {str(error)[:200]}") from error


UNORDERED = ("JSONField", "ArrayField")


@register
class FindRecords(OverRecords):
    type = "record.find"
    title = "Find records"
    description = "What is found is there for later steps: found, the ids and, under the resource's name, the labels."
    example = {
        "key": "sitting",
        "type": "record.find",
        "with": {
            "resource": "deals",
            "where": {"path": "item.updated_at", "op": "lt", "value": "{{ now | minus:'P21D' }}"},
            "limit": 50,
        },
    }

    @classmethod
    def perform(cls, step, given):
        resource, found = cls.find(step, given)
        ids = [str(record.pk) for record in found]
        return {"found": len(found), "ids": ids, resource.name: [str(record) for record in found]}


@register
class ForEach(OverRecords):
    type = "for_each"
    title = "For each record"
    description = f"Does the actions in `do` for each record found, at most {MOST_FOUND}; `item` is the record."
    blocks = ("do",)
    properties = {
        **OverRecords.properties,
        "do": {"type": "array", "minItems": 1, "maxItems": 20, "items": {"$ref": "#/$defs/action"}},
    }
    required = ("resource", "do")
    example = {
        "key": "late",
        "type": "for_each",
        "with": {
            "resource": "deals",
            "where": {"path": "item.stage", "op": "eq", "value": "proposal"},
            "limit": 20,
            "do": [
                {
                    "key": "nudge",
                    "type": "notify",
                    "with": {"users": ["{{ item.assigned_to }}"], "text": "{{ item.title }} sits."},
                }
            ],
        },
    }

    @classmethod
    def item(cls, given):
        return given.get("resource")

    @classmethod
    def perform(cls, step, given):
        resource, found = cls.find(step, given)
        items = [str(record.pk) for record in found]
        return Enter("do", {"resource": resource.name, "found": len(items), "items": items}, rounds=len(items))


# -- A condition as a query


def unqueried(tree, pointer):
    """[(pointer, sentence)] of leaves that no query can answer."""
    if not isinstance(tree, dict):
        return
    for name in ("all", "any"):
        for number, inner in enumerate(tree.get(name) or ()):
            yield from unqueried(inner, f"{pointer}/{name}/{number}")
    if "not" in tree:
        yield from unqueried(tree["not"], f"{pointer}/not")
    if str(tree.get("op", "")).startswith("changed"):
        yield f"{pointer}/op", "asks about a change; a record that is looked for has none."
    elif "path" in tree and not str(tree["path"]).startswith("item."):
        yield f"{pointer}/path", "must begin with item., the record looked at."
    elif "path" in tree and str(tree["path"]).count(".") > 1:
        yield f"{pointer}/path", "must be a field of the record itself: no query looks further."


def _filled_in(step, tree):
    """The condition with the values in it known."""
    if "path" in tree:
        return tree | ({"value": step.render(tree["value"])} if "value" in tree else {})
    return {
        name: _filled_in(step, inner) if name == "not" else [_filled_in(step, one) for one in inner]
        for name, inner in tree.items()
    }


def as_query(tree, resource):
    """A condition, filled in, as a Q; null is unlike every value, as in conditions."""
    if "all" in tree:
        found = Q()
        for inner in tree["all"]:
            found &= as_query(inner, resource)
        return found
    if "any" in tree:
        found = Q(pk__in=[])
        for inner in tree["any"]:
            found |= as_query(inner, resource)
        return found
    if "not" in tree:
        return ~as_query(tree["not"], resource)
    name, op, value = tree["path"].split(".")[1], tree["op"], tree.get("value")
    if name in resource.moments and isinstance(value, str):
        is_day = resource.columns[name].get_internal_type() == "DateField"
        return _against_moment(name, op, _moment(value), is_day)
    return _leaf(name, op, value)


def _moment(text):
    """A day is its midnight, and UTC where no zone is said, as in conditions."""
    found = datetime.fromisoformat(text)
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _against_moment(name, op, moment, is_day):
    """As `_leaf`; a column of days is compared by their midnights."""
    if not is_day:
        return _leaf(name, op, moment)
    moment = moment.astimezone(UTC)
    day, is_midnight = moment.date(), moment.time() == time()
    if op in ("eq", "ne") and not is_midnight:
        return Q(pk__in=[]) if op == "eq" else ~Q(pk__in=[])
    # Later today no day begins any more: the first that does is tomorrow.
    begins = day if is_midnight or op in ("gt", "lte") else day + timedelta(days=1)
    return _leaf(name, op, begins)


def _leaf(name, op, value):
    match op:
        case "is_null":
            return Q(**{f"{name}__isnull": value is not False})
        case "ne":
            return ~_leaf(name, "eq", value)
        case "eq" if value is None:
            return Q(**{f"{name}__isnull": True})
        case "in":
            return Q(**{f"{name}__in": value})
        case "contains":
            return Q(**{f"{name}__icontains": value})
        case "starts_with":
            return Q(**{f"{name}__istartswith": value})
    return Q(**{f"{name}__{LOOK_UPS[op]}": value})
