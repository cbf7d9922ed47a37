"""Steps of a run, one after the other: what each was given and gave, how often it was tried, what went wrong."""

from dataclasses import dataclass, field

from django.utils.dateparse import parse_datetime

from ..definition.registry import actions as known_actions
from ..models import WorkflowExecution, WorkflowStep
from . import words
from .diagram import STEP_TONES, icon_of, place_of

# Of a longer run the first and the last; the others are in the list of steps.
FIRST, LAST = 100, 20
END_TONES = {
    WorkflowExecution.Status.RUNNING: "info",
    WorkflowExecution.Status.COMPLETED: "success",
    WorkflowExecution.Status.FAILED: "danger",
    WorkflowExecution.Status.CANCELLED: "warning",
}


@dataclass(slots=True)
class Shown:
    """One step. `given`, `gave`: JSON as text, empty where there is none; `would`: what it would have done."""

    path: str
    key: str
    type: str
    title: str
    icon: str
    status: str
    tone: str
    given: str = ""
    gave: str = ""
    would: str = ""
    error: str = ""
    attempts: int = 1
    began: str = ""
    took: str = ""
    failures: list = field(default_factory=list)
    link: str = ""


def steps_of(execution, titles):
    """(first, last, whether some are left out between them) as Shown, in the order in which they began. `titles`: those
    that the definition gives them, see diagram."""
    rows = WorkflowStep.objects.filter(tenant_id=execution.tenant_id, execution_id=execution.pk)
    first = list(rows.order_by("started_at", "path")[: FIRST + 1])
    if len(first) <= FIRST:
        return [stored(row, titles) for row in first], [], False
    first = first[:FIRST]
    known = {row.pk for row in first}
    last = [row for row in rows.order_by("-started_at", "-path")[: LAST + 1] if row.pk not in known][::-1]
    return [stored(row, titles) for row in first], [stored(row, titles) for row in last[-LAST:]], len(last) > LAST


def stored(row, titles=None):
    shown = _shown(row.path, row.key, row.type, row.status, row.input, row.output, row.error, titles or {})
    shown.attempts = row.attempts
    shown.began = words.moment(row.started_at)
    shown.took = words.between(row.started_at, row.completed_at) or ""
    shown.failures = _failures(row.failures)
    return shown


def rehearsed(rows, titles):
    """Of rehearse()'s answer."""
    names = ("path", "key", "type", "status", "input", "output", "error")
    return [_shown(*(row[name] for name in names), titles) for row in rows]


def _shown(path, key, kind, status, given, gave, error, titles):
    known = known_actions.get(kind)
    would = gave["would"] if isinstance(gave, dict) and gave.keys() == {"would"} else None
    return Shown(
        path=path,
        key=key,
        type=kind,
        title=titles.get(place_of(path)) or (known.title if known else "Unknown action"),
        icon=icon_of(kind),
        status=WorkflowStep.Status(status).label if status in WorkflowStep.Status.values else status,
        tone=STEP_TONES.get(status, ""),
        given="" if given in (None, {}) else words.pretty(given),
        gave="" if gave is None or would is not None else words.pretty(gave),
        would="" if would is None else words.pretty(would),
        error=error or "",
    )


def _failures(rows):
    """[(attempt, when, what went wrong)]"""
    found = []
    for row in rows if isinstance(rows, list) else ():
        if isinstance(row, dict):
            at = row.get("at")
            when = parse_datetime(at) if isinstance(at, str) else None
            found.append((row.get("attempt"), words.moment(when), row.get("error")))
    return found
