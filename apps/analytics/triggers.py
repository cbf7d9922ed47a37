from apps.workflows.definition.registry import Trigger, register
from nexora.kernel import events

from .models import AIInsight


@register
class InsightCreated(Trigger):
    type = "insight.created"
    title = "An insight is created"
    description = "By an analysis, a person or another workflow; of these types and priorities, if they are named."
    listens = True
    actions = (events.CREATED,)
    properties = {
        "resource": {"const": "insights"},
        "types": {"type": "array", "items": {"enum": list(AIInsight.Type.values)}, "minItems": 1},
        "priorities": {"type": "array", "items": {"enum": list(AIInsight.Priority.values)}, "minItems": 1},
    }
    required = ("resource",)
    example = {"type": "insight.created", "resource": "insights", "priorities": ["high", "critical"]}

    @classmethod
    def matches(cls, change, spec):
        insight = change.record
        return all(
            getattr(insight, name) in spec[plural]
            for name, plural in (("type", "types"), ("priority", "priorities"))
            if plural in spec
        )
