"""A run that changes nothing: everything is done, looked at, and rolled back. What talks to the outside is not done."""

import time

from django.db import transaction

from nexora.kernel import events

from ..models import WorkflowStep
from . import advancing, checkpoints, failures, starting
from .checkpoints import Done

MOST_STEPS = 200
MOST_SECONDS = 10


class _TakenBack(Exception):
    pass


def rehearse(workflow, start):
    """What a run would do: {"status", "error", "steps": [{path, key, type, status, input, output, error}]}."""
    found = {}
    try:
        with transaction.atomic(), events.apart():
            run = _begun(workflow, start)
            until = time.monotonic() + MOST_SECONDS
            for _ in range(MOST_STEPS):
                if not _do_next(run) or time.monotonic() > until:
                    break
            found = _seen(run)
            raise _TakenBack
    except _TakenBack:
        return found


def _begun(workflow, start):
    (run,) = starting.begin(workflow, [start])
    run.state = checkpoints.State.STEPPING
    run.save()
    return run


def _do_next(run):
    step = None
    try:
        with transaction.atomic():
            if run.state == checkpoints.State.WAITING:
                # Nobody waits at a rehearsal.
                return advancing.end_wait(run)
            step = advancing.next_step(run)
            if step is None:
                return False
            if advancing.is_skipped(step):
                checkpoints.skip(step)
            elif step.kind.is_outside:
                given = step.kind.prepare(step)
                checkpoints.take(step, given, {"would": step.kind.preview(step, given)})
            else:
                advancing.perform_inside(step)
    except Exception as error:
        if step is None or isinstance(error, advancing.LOST):
            raise
        with transaction.atomic():
            run.refresh_from_db()
            step.run = run
            run.workflow = step.workflow
            advancing.take_stack(run)
            sentence = failures.sentence_of(error, step)
            checkpoints.record_failure(step, Done.FAILED, sentence)
            failures.give_up(step, sentence)
    return not run.is_over


def _seen(run):
    rows = WorkflowStep.objects.filter(execution_id=run.pk).order_by("started_at", "path")
    shown = ("path", "key", "type", "status", "input", "output", "error")
    return {
        "status": run.status,
        "error": run.error,
        "steps": [{name: getattr(row, name) for name in shown} for row in rows],
    }
