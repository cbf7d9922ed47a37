from apps.crm.models import Activity
from nexora.kernel import clock

from ..definition import values
from ..definition.registry import Action, register
from ..definition.resources import resource_named
from ..definition.schema import filled
from . import writing

TEXT = {"type": "string", "minLength": 1, "maxLength": 20_000}


@register
class CreateActivity(Action):
    type = "activity.create"
    locks = False
    title = "Create an activity"
    description = "A task, call, email, meeting or note. `due_in` is a duration from now, such as P1D."
    properties = {
        "type": {"enum": list(Activity.Type.values)},
        "subject": TEXT,
        "description": TEXT,
        "customer": TEXT,
        "deal": TEXT,
        "due_in": {"type": "string", "maxLength": 40},
        "due_date": TEXT,
        "assigned_to": filled({"type": ["string", "null"]}),
    }
    required = ("type", "subject")
    example = {
        "key": "welcome_task",
        "type": "activity.create",
        "with": {
            "type": "task",
            "customer": "{{ record.id }}",
            "subject": "Welcome {{ record.name }}",
            "due_in": "P1D",
            "assigned_to": "{{ record.created_by }}",
        },
    }

    @classmethod
    def problems(cls, given, check):
        yield from (("", said) for said in check.unreached("activities", "create"))
        if "due_in" in given:
            if "due_date" in given:
                yield "due_in", "cannot stand beside due_date. Say one of them."
            try:
                values.duration(given["due_in"])
            except values.BadTemplate as error:
                yield "due_in", str(error)

    @classmethod
    def prepare(cls, step):
        given = super().prepare(step)
        if due_in := given.pop("due_in", None):
            given["due_date"] = values.jsonable(clock.now() + values.duration(due_in))
        if len(given["subject"]) > 255:
            given["subject"] = f"{given['subject'][:254]}…"
        return given

    @classmethod
    def perform(cls, step, given):
        writing.resource_for(step, "activities", "create")
        activity = writing.create(step, resource_named("activities"), given)
        return {"activity": str(activity.pk)}
