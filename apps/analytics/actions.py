from apps.workflows.actions import writing
from apps.workflows.definition.registry import Action, register
from apps.workflows.definition.schema import filled

from .models import AIInsight

TEXT = {"type": "string", "minLength": 1, "maxLength": 20_000}


@register
class RaiseInsight(Action):
    type = "insight.raise"
    locks = False
    title = "Raise an insight"
    description = "It stands in the list of insights until somebody dismisses it."
    properties = {
        "type": {"enum": list(AIInsight.Type.values)},
        "title": TEXT,
        "description": TEXT,
        "priority": filled({"enum": list(AIInsight.Priority.values)}),
        "impact": filled({"enum": list(AIInsight.Impact.values)}),
        "confidence": filled({"type": ["number", "string"]}),
        "actionable": {"type": "boolean"},
    }
    required = ("type", "title")
    example = {
        "key": "risk",
        "type": "insight.raise",
        "with": {"type": "risk", "title": "{{ record.title }} is about to slip", "priority": "high"},
    }

    @classmethod
    def problems(cls, given, check):
        return [("", said) for said in check.unreached("insights", "create")]

    @classmethod
    def perform(cls, step, given):
        resource = writing.resource_for(step, "insights", "create")
        values = given | {"title": given["title"][:255]}
        return {"insight": str(writing.create(step, resource, values).pk)}
