from ..definition import conditions
from ..definition.registry import Action, Enter, Stop, register

BLOCK = {"type": "array", "maxItems": 50, "items": {"$ref": "#/$defs/action"}}


@register
class Branch(Action):
    type = "branch"
    locks = False
    title = "Branch"
    description = "Does the actions in `then` if the condition in `if` holds, else those in `else`."
    blocks = ("then", "else")
    properties = {"if": {"$ref": "#/$defs/condition"}, "then": BLOCK, "else": BLOCK}
    required = ("if",)
    example = {
        "key": "still_open",
        "type": "branch",
        "with": {
            "if": {"path": "record.completed", "op": "eq", "value": False},
            "then": [{"key": "enough", "type": "stop"}],
        },
    }

    @classmethod
    def problems(cls, given, check):
        for pointer, sentence in conditions.problems(given["if"], check.resolves):
            yield f"if/{pointer}".rstrip("/"), sentence

    @classmethod
    def prepare(cls, step):
        return {"if": step.given["if"]}

    @classmethod
    def perform(cls, step, given):
        holds = conditions.holds(given["if"], step.look_up, step.changes)
        taken = "then" if holds else "else"
        return Enter(taken, {"taken": taken})


@register
class StopStep(Action):
    type = "stop"
    locks = False
    title = "Stop"
    description = "The run ends: completed, or failed, where `failed` is true."
    properties = {"reason": {"type": "string", "maxLength": 2_000}, "failed": {"type": "boolean"}}
    example = {"key": "enough", "type": "stop", "with": {"reason": "Somebody has called already."}}

    @classmethod
    def perform(cls, step, given):
        reason = given.get("reason") or "Stopped by a step of its own."
        return Stop({"reason": reason}, reason=f"{step.key}: {reason}" if given.get("failed") else None)
