import re
from functools import cache
from zoneinfo import ZoneInfo, available_timezones

from croniter import croniter

from ..definition.registry import Trigger, register
from ..engine.starting import Start, Tick

# They are looked for on the disk.
_zones = cache(available_timezones)
FIELDS = 5
PART = r"(\*|[0-9]{1,2}|[A-Za-z]{3})(-([0-9]{1,2}|[A-Za-z]{3}))?(/[0-9]{1,2})?"
FIELD = re.compile(rf"{PART}(,{PART}){{0,30}}")


@register
class Schedule(Trigger):
    type = "schedule"
    title = "A time comes"
    description = "Times that were missed while nothing ran are made up for by one run."
    has_record = False
    is_timed = True
    properties = {
        "cron": {"type": "string", "maxLength": 100, "description": "minute hour day month weekday"},
        "zone": {"type": "string", "maxLength": 64, "description": "Such as Europe/Berlin; UTC, if left out."},
    }
    required = ("cron",)
    example = {"type": "schedule", "cron": "0 7 * * 1", "zone": "Europe/Berlin"}

    @classmethod
    def problems(cls, given, check):
        if given.get("zone", "UTC") not in _zones():
            yield "zone", "is no time zone. Name one such as Europe/Berlin."
        # croniter knows more, such as times at random.
        fields = given["cron"].split()
        if len(fields) != FIELDS or not all(map(FIELD.fullmatch, fields)) or not croniter.is_valid(given["cron"]):
            yield "cron", "must be five fields, minute hour day month weekday, such as 0 7 * * 1."

    @classmethod
    def next_after(cls, spec, moment):
        """The first time after `moment`, in the zone's own hours; None if there is none in the next years."""
        zone = ZoneInfo(spec.get("zone", "UTC"))
        try:
            return croniter(spec["cron"], moment.astimezone(zone)).get_next(type(moment)).astimezone(moment.tzinfo)
        except (ValueError, KeyError):
            return None

    @classmethod
    def tick(cls, workflow, now):
        due, spec = workflow.next_run_at, workflow.trigger
        again = cls.next_after(spec, now)
        if due is None or due > now:
            return Tick([], due or again)
        start = Start(trigger={"type": cls.type, "at": due.isoformat()}, key=f"schedule {due.isoformat()}")
        return Tick([start], again)
