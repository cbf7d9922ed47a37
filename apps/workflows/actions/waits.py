from datetime import UTC, date, datetime, time

from nexora.kernel import clock

from ..definition import values
from ..definition.registry import Action, StepFailed, Wait, register


@register
class WaitStep(Action):
    type = "wait"
    locks = False
    title = "Wait"
    description = "For a duration, such as P4D or PT2H, or until a date."
    properties = {
        "for": {"type": "string", "maxLength": 40},
        "until": {"type": "string", "minLength": 1, "maxLength": 2_000},
    }
    example = {"key": "four_days", "type": "wait", "with": {"for": "P4D"}}

    @classmethod
    def problems(cls, given, check):
        if ("for" in given) == ("until" in given):
            yield "", "needs one of for and until."
        elif "for" in given:
            try:
                values.duration(given["for"])
            except values.BadTemplate as error:
                yield "for", str(error)

    @classmethod
    def prepare(cls, step):
        given = super().prepare(step)
        until = clock.now() + values.duration(given["for"]) if "for" in given else _moment(given["until"])
        return given | {"until": values.jsonable(until)}

    @classmethod
    def perform(cls, step, given):
        return Wait(datetime.fromisoformat(given["until"]), {"until": given["until"]})


def _moment(text):
    """A date or a moment as the record has it; a day begins at midnight UTC."""
    try:
        found = datetime.fromisoformat(str(text))
    except ValueError:
        raise StepFailed(f"'{str(text)[:60]}' is no date to wait for.") from None
    if isinstance(found, date) and not isinstance(found, datetime):
        found = datetime.combine(found, time())
    found = found if found.tzinfo else found.replace(tzinfo=UTC)
    if not 1970 <= found.year <= 2200:
        raise StepFailed(f"{text} is too far away to wait for.")
    return found
