"""Definitions in the order in which people write them. PostgreSQL keeps the members of an object by their length."""

from ..definition.registry import actions as known_actions
from ..definition.registry import triggers as known_triggers
from ..engine.positions import ON_ERROR

COMPARISON = ("path", "op", "value")
STEP = ("key", "type", "title", "when", "with", "retry", ON_ERROR)


def arranged(given, names):
    """The object with the members of these names first, in their order."""
    first = {name: given[name] for name in names if name in given}
    return first | given


def trigger(given):
    if not isinstance(given, dict):
        return given
    return _conditions(arranged(given, ["type", *_properties(known_triggers, given), "when"]))


def actions(given):
    return [_step(one) for one in given] if isinstance(given, list) else given


def _step(given):
    if not isinstance(given, dict):
        return given
    given = _conditions(arranged(given, STEP))
    inner, on_error = given.get("with"), given.get(ON_ERROR)
    if isinstance(inner, dict):
        kind = known_actions.get(given.get("type")) if isinstance(given.get("type"), str) else None
        inner = _conditions(arranged(inner, _properties(known_actions, given)))
        blocks = {name: actions(inner[name]) for name in (kind.blocks if kind else ()) if name in inner}
        given["with"] = inner | blocks
    if isinstance(on_error, dict) and "branch" in on_error:
        given[ON_ERROR] = on_error | {"branch": actions(on_error["branch"])}
    return given


def _conditions(given):
    return given | {name: _condition(given[name]) for name in ("when", "if", "where") if name in given}


def _condition(tree):
    if isinstance(tree, list):
        return [_condition(one) for one in tree]
    if not isinstance(tree, dict):
        return tree
    groups = {name: _condition(tree[name]) for name in ("all", "any", "not") if name in tree}
    return arranged(tree, COMPARISON) | groups


def _properties(known, given):
    kind = known.get(given.get("type")) if isinstance(given.get("type"), str) else None
    return kind.properties if kind else ()


class Arranged:
    """Mixed into admin classes of records that have a definition."""

    def get_object(self, request, object_id, from_field=None):
        record = super().get_object(request, object_id, from_field)
        if record is not None:
            record.trigger, record.actions = trigger(record.trigger), actions(record.actions)
        return record
