"""How a run begins, and when it must not."""

import logging
from collections.abc import Iterable
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from nexora.kernel import clock

from ..models import Workflow, WorkflowExecution, WorkflowVersion
from . import owners, positions, turns
from .steps import redacted

log = logging.getLogger("nexora.workflows")

MOST_DEPTH = 3
MINUTE = timedelta(minutes=1)

_cause = ContextVar("nexora_workflow_run", default=None)


@dataclass(frozen=True)
class Start:
    """What a run begins with.

    trigger     what its values see as `trigger`: {"type", "at", …}
    resource    name of the kind of record it is about, or None
    changes     {field: [from, to]} of the change it started on
    values      {column: value} of a record that is gone
    key         what may start this workflow once only, or None
    record      the record itself, where the caller has it already
    """

    trigger: dict
    resource: str | None = None
    record_id: UUID | None = None
    changes: dict | None = None
    values: dict | None = None
    key: str | None = None
    record: object = None


@dataclass(frozen=True)
class Tick:
    """What comes of a look at the clock.

    starts      what to start now
    again       when to look again; None: never
    passed      id of the last record that was looked at, where more may have the date that it has
    """

    starts: list
    again: datetime | None
    passed: UUID | None = None


@contextmanager
def caused_by(run):
    """What is written inside is the work of this run: runs that it starts are its children."""
    token = _cause.set(run)
    try:
        yield
    finally:
        _cause.reset(token)


def link(workflow, record_id):
    """One link of a chain of runs."""
    return f"{workflow.pk}:{record_id}"


def version_of(workflow):
    """The stored version that the workflow has now. One that was written by raw SQL has none yet."""
    versions = WorkflowVersion.objects.filter(workflow=workflow, number=workflow.version)
    found = versions.first()
    if found is None:
        # Locked, so that of two that find none only one stores it.
        owners.find(Workflow, workflow.pk, locked=True)
        found = versions.first()
    if found is None:
        found = WorkflowVersion.of(workflow)
        found.save(force_insert=True)
    return found


def start_automatically(workflow: Workflow, starts: Iterable[Start]):
    """Runs that a trigger asks for; fewer, or none, where they would go in circles.

    Nothing is raised: the change that the trigger saw is somebody's work, and stays.
    """
    cause = _cause.get()
    chain = (cause.position or {}).get("chain", []) if cause else []
    if cause and cause.depth >= MOST_DEPTH:
        log.warning("%s was not started by run %s: the chain is %s deep.", workflow.pk, cause.pk, MOST_DEPTH)
        return []
    starts = [one for one in starts if one.record_id is None or link(workflow, one.record_id) not in chain]
    if not starts:
        return []
    if _recent(workflow) >= workflow.runs_per_minute:
        owners.switch_off(
            workflow,
            f"It was started more than its {workflow.runs_per_minute:,} times within a minute, as in a loop. If "
            "that is meant, allow more runs per minute and switch it on again.",
        )
        return []
    return begin(workflow, starts, parent=cause, chain=chain)


def _recent(workflow):
    """How often it was started in the last minute, up to the limit. What one change of many records starts has one
    time, and is counted once: that is no loop."""
    found = WorkflowExecution.objects.filter(workflow_id=workflow.pk, started_at__gt=clock.now() - MINUTE)
    return found.order_by().values("started_at").distinct()[: workflow.runs_per_minute].count()


def begin(workflow, starts, *, parent=None, chain=(), version=None, retry_of=None, position=None, output=None):
    """Store runs and give them jobs, or a place in the line. Inside a transaction."""
    starts = list(starts)
    if not starts:
        return []
    version = version or version_of(workflow)
    ready, now = turns.count_ready(), clock.now()
    runs = []
    for start in starts:
        is_ready = ready < turns.READY_RUNS
        run = WorkflowExecution(
            workflow=workflow,
            owner_id=workflow.created_by_id,
            version=version,
            status=WorkflowExecution.Status.RUNNING,
            state=turns.State.READY if is_ready else turns.State.PENDING,
            input=_input(start),
            output=output,
            started_at=now,
            depth=parent.depth + 1 if parent else 0,
            parent=parent,
            retry_of=retry_of,
            resume_at=now + turns.LEASE if is_ready else None,
            resource=start.resource,
            record_id=start.record_id,
            trigger_key=start.key,
            position={
                "stack": positions.start(),
                "chain": [*chain, link(workflow, start.record_id)],
                **(position or {}),
            },
        )
        run.save(force_insert=True)
        if is_ready:
            turns.queue(run, place=ready)
            ready += 1
        runs.append(run)
    return runs


def _input(start):
    # Everybody of the organisation may read it.
    given = {"trigger": redacted(start.trigger), "record": None}
    if start.resource:
        given["record"] = {"resource": start.resource, "id": str(start.record_id)}
    if start.changes is not None:
        given["changes"] = {name: redacted(pair) for name, pair in start.changes.items()}
    if start.values is not None:
        given["values"] = redacted(start.values)
    return given
