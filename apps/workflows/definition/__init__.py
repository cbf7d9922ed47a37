"""What a workflow's trigger and actions must look like to be stored at all, whoever writes them."""

from django.core.exceptions import ValidationError

from nexora.kernel.json import validate_json


def check_definition(*, trigger, actions):
    """Raises ValidationError by field unless `trigger` is `{"type": …}` and `actions` a list of such objects."""
    errors = {}
    for field, problem in (("trigger", _trigger_problem(trigger)), ("actions", _actions_problem(actions))):
        if problem:
            errors[field] = problem
    if errors:
        raise ValidationError(errors)
    validate_json(trigger)
    validate_json(actions)


def _has_type(value):
    return isinstance(value, dict) and isinstance(value.get("type"), str) and bool(value["type"].strip())


def _trigger_problem(trigger):
    return None if _has_type(trigger) else 'A trigger is an object with a type: {"type": "deal.won"}.'


def _actions_problem(actions):
    if not isinstance(actions, list) or not actions:
        return 'Actions are a list with at least one action: [{"type": "create_task"}].'
    for number, action in enumerate(actions, 1):
        if not _has_type(action):
            return f'Action {number} needs a type: {{"type": "create_task"}}.'
    return None
