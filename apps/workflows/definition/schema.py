"""The JSON Schema (2020-12) of a trigger and of actions, made of what the registered kinds say of themselves."""

from jsonschema import Draft202012Validator
from jsonschema.exceptions import relevance

from . import conditions
from .registry import actions, triggers

DIALECT = "https://json-schema.org/draft/2020-12/schema"
KEY = {"type": "string", "pattern": "^[a-z][a-z0-9_]{0,63}$"}
BLOCK = {"type": "array", "minItems": 1, "maxItems": 100, "items": {"$ref": "#/$defs/action"}}
RETRY = {
    "type": "object",
    "properties": {
        "max": {"type": "integer", "minimum": 0, "maximum": 10, "description": "Attempts after the first."},
        "delay": {"type": "integer", "minimum": 1, "maximum": 86_400, "description": "Seconds before the second."},
        "backoff": {"type": "number", "minimum": 1, "maximum": 10, "description": "What each delay is multiplied by."},
    },
    "required": ["max"],
    "additionalProperties": False,
}
ON_ERROR = {
    "anyOf": [
        {"enum": ["fail", "continue"]},
        {"type": "object", "properties": {"branch": BLOCK}, "required": ["branch"], "additionalProperties": False},
    ]
}
# A text that begins like a value to be filled in stands for any type.
FILLED = {"type": "string", "pattern": r"^\s*\{\{"}


def filled(schema):
    """What the schema says, or a `{{ value }}`, which is checked when it is known."""
    return {"anyOf": [schema, FILLED]}


def trigger_schema(kind):
    members = {"type": {"const": kind.type}, **kind.properties}
    if kind.has_record or kind.gives:
        members["when"] = {"$ref": "#/$defs/condition"}
    return _object(kind, members, ["type", *kind.required])


def action_schema(kind):
    inner = {
        "type": "object",
        "properties": kind.properties,
        "required": list(kind.required),
        "additionalProperties": False,
    }
    members = {
        "key": KEY,
        "type": {"const": kind.type},
        "title": {"type": "string", "maxLength": 255},
        "when": {"$ref": "#/$defs/condition"},
        "with": inner,
        "retry": RETRY,
        "on_error": ON_ERROR,
    }
    return _object(kind, members, ["key", "type", *(["with"] if kind.required else [])])


def _object(kind, members, required):
    return {
        "title": kind.title,
        "description": kind.description,
        "type": "object",
        "properties": members,
        "required": required,
        "additionalProperties": False,
        **({"examples": [kind.example]} if kind.example else {}),
    }


def published():
    """The whole, as /api/v1/workflows/schema/ shows it."""
    return {
        "$schema": DIALECT,
        "title": "Workflow",
        "type": "object",
        "properties": {
            "trigger": {"$ref": "#/$defs/trigger"},
            "actions": BLOCK,
        },
        "required": ["trigger", "actions"],
        "$defs": {
            "trigger": _dispatched({name: trigger_schema(kind) for name, kind in triggers.items()}),
            "action": _dispatched({name: action_schema(kind) for name, kind in actions.items()}),
            "condition": conditions.schema(),
        },
    }


def _dispatched(schemas):
    """By `type`, so that a validator names what is wrong with the one that is meant, not with all the others."""
    return {
        "type": "object",
        "properties": {"type": {"enum": sorted(schemas)}},
        "required": ["type"],
        "allOf": [
            {"if": {"properties": {"type": {"const": name}}, "required": ["type"]}, "then": schema}
            for name, schema in sorted(schemas.items())
        ],
    }


# -- Checking


def problems(schema, value):
    """[(pointer, sentence)] of what a trigger or an action lacks, at most 20. What stands in a block or a condition is
    not looked at here: those are checked one by one."""
    validator = Draft202012Validator({**schema, "$defs": {"action": {}, "condition": {}}})
    found = []
    for error in sorted(validator.iter_errors(value), key=lambda error: [str(part) for part in error.absolute_path]):
        found += [one for one in _sentences(error) if one not in found]
        if len(found) >= 20:
            break
    return found


def _sentences(error):
    if error.validator == "anyOf" and error.context:
        # Of the alternatives, the one that comes closest; a value to be filled in is everybody's second choice.
        first = [inner for inner in error.context if inner.schema_path[0] == 0]
        return _sentences(max(first or error.context, key=relevance))
    pointer = "/".join(str(part) for part in error.absolute_path)
    match error.validator:
        case "required":
            missing = [name for name in error.validator_value if name not in error.instance]
            return [(_under(pointer, name), "is missing.") for name in missing]
        case "additionalProperties":
            known = error.schema.get("properties", {})
            extra = sorted(str(name) for name in error.instance if name not in known)
            return [(_under(pointer, name[:64]), f"is unknown. Known are {', '.join(known)}.") for name in extra[:5]]
        case "enum":
            return [(pointer, f"must be one of {', '.join(map(str, error.validator_value))}.")]
        case "const":
            return [(pointer, f"must be {error.validator_value}.")]
        case "type":
            wanted = (
                error.validator_value if isinstance(error.validator_value, str) else " or ".join(error.validator_value)
            )
            return [(pointer, f"must be {_ARTICLES.get(wanted, wanted)}.")]
        case "pattern" if error.validator_value == KEY["pattern"]:
            return [(pointer, "must begin with a small letter and hold small letters, digits and _, at most 64.")]
        case "minLength" | "minItems":
            return [(pointer, "must not be empty.")]
        case "maxLength" | "maxItems":
            return [(pointer, f"is too long: at most {error.validator_value:,}.")]
        case "minimum":
            return [(pointer, f"must be at least {error.validator_value:,}.")]
        case "maximum":
            return [(pointer, f"must be at most {error.validator_value:,}.")]
    return [(pointer, error.message[:200])]


_ARTICLES = {
    "string": "text",
    "object": "an object",
    "array": "a list",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
}


def _under(pointer, name):
    return f"{pointer}/{name}" if pointer else name
