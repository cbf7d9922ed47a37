"""A definition as boxes: the trigger, then the steps from top to bottom, blocks inside the step that they belong to.

It draws whatever is stored: a definition of another time, or one that somebody is still typing, has boxes too.
"""

import re
from collections import Counter
from dataclasses import dataclass, field

from ..definition.registry import actions as known_actions
from ..definition.registry import triggers as known_triggers
from ..engine.positions import ON_ERROR
from ..engine.steps import redacted
from ..models import WorkflowStep
from . import words
from .member_order import arranged

MOST_BOXES = 250
MOST_LINES = 4
# Of a run, no more are looked at for the colours.
MOST_COLOURED = 2_000

ICONS = {
    "manual": "touch_app",
    "schedule": "schedule",
    "date.reached": "event",
    "webhook": "webhook",
    "record.created": "add_circle",
    "record.updated": "edit",
    "record.deleted": "delete",
    "field.changed": "sync_alt",
    "deal.stage_entered": "flag",
    "insight.created": "lightbulb",
    "insight.raise": "lightbulb",
    "record.create": "add_circle",
    "record.update": "edit",
    "record.delete": "delete",
    "record.find": "search",
    "record.assign": "person_add",
    "activity.create": "event_note",
    "email.send": "mail",
    "http.request": "public",
    "notify": "notifications",
    "wait": "hourglass_empty",
    "branch": "call_split",
    "for_each": "repeat",
    "stop": "stop_circle",
}
Status = WorkflowStep.Status
STEP_TONES = {
    Status.FAILED: "danger",
    Status.RUNNING: "info",
    Status.WAITING: "warning",
    Status.RETRYING: "warning",
    Status.CANCELLED: "warning",
    Status.COMPLETED: "success",
    Status.SKIPPED: "",
}
BLOCK_TITLES = {"then": "Then", "else": "Else", "do": "For each", ON_ERROR: "If it fails"}
_ROUND = re.compile(r"#\d+")


@dataclass(slots=True)
class Box:
    """
    pointer   its place in the definition, as errors name it: "actions/1/with/then/0"
    lines     [(name, text)] of what it is given
    only_if   its condition in words
    notes     what happens besides: retries, what a failure does
    blocks    [(title, [Box])]
    problems  what is wrong with it
    outcomes  [(status, tone, count)] of a run; None: no run is shown
    """

    pointer: str
    title: str
    type: str
    key: str = ""
    icon: str = "help"
    lines: list = field(default_factory=list)
    only_if: str = ""
    notes: list = field(default_factory=list)
    blocks: list = field(default_factory=list)
    problems: list = field(default_factory=list)
    outcomes: list | None = None

    @property
    def tone(self):
        if self.problems:
            return "danger"
        return self.outcomes[0][1] or "skipped" if self.outcomes else ""

    @property
    def is_left_out(self):
        """Whether the run that is shown has not come here."""
        return self.outcomes == []


@dataclass(slots=True)
class Diagram:
    """`titles`: {place: title} of its steps."""

    start: Box
    boxes: list
    is_cut: bool = False
    problems: list = field(default_factory=list)
    titles: dict = field(default_factory=dict)
    end: str = ""
    end_tone: str = ""


def diagram(trigger, actions, *, outcomes=None, problems=(), end="", end_tone=""):
    """The Diagram of a definition.

    outcomes   {place of a step: Counter of statuses} of a run, see `outcomes_of`
    problems   sentences that begin with the place that they are about
    end        how the run has ended, in a word, and its colour
    """
    drawing = _Drawing(outcomes)
    start = drawing.trigger(trigger)
    boxes = drawing.block(actions, "actions", "")
    drawn = Diagram(start, boxes, is_cut=drawing.is_cut, titles=drawing.titles, end=end, end_tone=end_tone)
    for problem in problems:
        _place(problem, drawn, drawing.by_pointer)
    return drawn


def outcomes_of(rows):
    """{place: Counter of statuses} of (path, status) pairs."""
    found = {}
    for path, status in rows:
        found.setdefault(place_of(path), Counter())[status] += 1
    return found


def place_of(path):
    """Where a step stands in its definition; rounds of a for-each are one place."""
    return _ROUND.sub("", path)


def outcomes_of_run(execution):
    rows = WorkflowStep.objects.filter(tenant_id=execution.tenant_id, execution_id=execution.pk)
    return outcomes_of(rows.order_by("-started_at", "-id").values_list("path", "status")[:MOST_COLOURED])


def icon_of(kind, otherwise="bolt"):
    return ICONS.get(kind, otherwise)


class _Drawing:
    def __init__(self, outcomes):
        self.outcomes = outcomes
        self.by_pointer = {}
        self.titles = {}
        self.is_cut = False

    def trigger(self, given):
        if not isinstance(given, dict):
            box = Box("trigger", "Not readable", "", icon="warning", lines=[("is", words.value(given))])
            return self._kept(box)
        name = given.get("type")
        kind = known_triggers.get(name) if isinstance(name, str) else None
        members = {key: value for key, value in given.items() if key not in ("type", "when")}
        box = Box(
            "trigger",
            kind.title if kind else "Unknown trigger",
            words.value(name),
            icon=icon_of(name) if kind else "warning",
            lines=_lines(members, kind),
            only_if=words.condition(given["when"]) if "when" in given else "",
        )
        return self._kept(box)

    def block(self, given, pointer, place):
        if not isinstance(given, list):
            return [] if given is None else [self._kept(self._unreadable(given, pointer))]
        found = []
        for number, one in enumerate(given):
            if len(self.by_pointer) > MOST_BOXES:
                self.is_cut = True
                break
            found.append(self._step(one, f"{pointer}/{number}", f"{place}{number}"))
        return found

    def _step(self, given, pointer, place):
        if not isinstance(given, dict):
            return self._kept(self._unreadable(given, pointer))
        name = given.get("type")
        kind = known_actions.get(name) if isinstance(name, str) else None
        inner = given.get("with")
        members = dict(inner) if isinstance(inner, dict) else {}
        title = given.get("title")
        box = Box(
            pointer,
            words.value(title) if title else kind.title if kind else "Unknown action",
            words.value(name),
            key=words.value(given.get("key", "")),
            icon=icon_of(name) if kind else "warning",
            only_if=words.condition(given["when"]) if "when" in given else "",
            notes=_notes(given),
        )
        if self.outcomes is not None:
            counted = self.outcomes.get(place, {})
            box.outcomes = [
                (status.label, tone, counted[status]) for status, tone in STEP_TONES.items() if status in counted
            ]
        self._kept(box)
        self.titles[place] = box.title
        for name in kind.blocks if kind else ():
            if name in members:
                inside = self.block(members.pop(name), f"{pointer}/with/{name}", f"{place}.{name}.")
                box.blocks.append((BLOCK_TITLES.get(name, name), inside))
        on_error = given.get(ON_ERROR)
        if isinstance(on_error, dict):
            inside = self.block(on_error.get("branch"), f"{pointer}/{ON_ERROR}/branch", f"{place}.{ON_ERROR}.")
            box.blocks.append((BLOCK_TITLES[ON_ERROR], inside))
        box.lines = _lines(members, kind)
        return box

    def _unreadable(self, given, pointer):
        return Box(pointer, "Not readable", "", icon="warning", lines=[("is", words.value(given))])

    def _kept(self, box):
        self.by_pointer[box.pointer] = box
        return box


def _lines(members, kind):
    told = []
    for name, given in list(redacted(arranged(members, kind.properties if kind else ())).items())[:MOST_LINES]:
        if name in ("if", "where"):
            text = words.condition(given)
        else:
            spoken = words.duration(given)
            text = spoken or words.value(given)
        told.append((name.replace("_", " "), text))
    if (more := len(members) - len(told)) > 0:
        told.append(("…", f"{more} more"))
    return told


def _notes(given):
    notes = []
    retry = given.get("retry")
    if isinstance(retry, dict) and (most := retry.get("max")):
        notes.append(f"up to {words.value(most)} more attempt{'' if most == 1 else 's'}")
    if given.get(ON_ERROR) == "continue":
        notes.append("goes on if it fails")
    return notes


def _place(problem, drawn, by_pointer):
    """Give a problem to the innermost box that its pointer leads into; else it is the whole drawing's."""
    pointer, _, sentence = problem.partition(": ")
    way = pointer.split("/")
    for length in range(len(way), 0, -1):
        box = by_pointer.get("/".join(way[:length]))
        if box is not None:
            rest = "/".join(way[length:])
            box.problems.append(f"{rest}: {sentence}" if rest else sentence)
            return
    drawn.problems.append(problem)
