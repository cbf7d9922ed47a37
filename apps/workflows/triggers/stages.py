from apps.crm.models import Deal
from nexora.kernel import events

from ..definition.registry import Trigger, register


@register
class StageEntered(Trigger):
    type = "deal.stage_entered"
    title = "A deal enters a stage"
    description = "By a change, or by being created in it."
    listens = True
    actions = (events.CREATED, events.UPDATED)
    properties = {"resource": {"const": "deals"}, "stage": {"enum": list(Deal.Stage.values)}}
    required = ("resource", "stage")
    example = {"type": "deal.stage_entered", "resource": "deals", "stage": "closed_won"}

    @classmethod
    def matches(cls, change, spec):
        before, after = change.changes.get("stage", (None, None))
        return after == spec["stage"] and before != after
