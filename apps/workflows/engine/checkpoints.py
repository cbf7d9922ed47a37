"""What is noted of a step and of its run. Inside the transaction of the step's effect, with the run's row locked."""

import json
from contextlib import contextmanager
from contextvars import ContextVar

from nexora.kernel import clock
from nexora.kernel.json import validate_json

from ..definition.registry import Directive, Enter, StepFailed, Stop, Wait
from ..models import WorkflowExecution, WorkflowStep
from . import owners, positions, turns
from .steps import redacted

Status, State = WorkflowExecution.Status, WorkflowExecution.State
Done = WorkflowStep.Status
OPEN = (Done.RUNNING, Done.WAITING, Done.RETRYING)
MOST_OUTPUT = 262_144

# (run, [row of a step of it that is still to be stored])
_pending = ContextVar("nexora_workflow_notes", default=(None, None))


@contextmanager
def together(run):
    """What is noted of the run and its steps inside is stored at the end, by one statement. The run's row is locked."""
    token = _pending.set((run, []))
    try:
        yield
        store(run)
    finally:
        _pending.reset(token)


def _notes_of(run):
    """The rows that are noted of it inside `together`; None outside, or where that is about another run."""
    whose, rows = _pending.get()
    return rows if whose is run else None


def store(run):
    """Whatever is noted so far."""
    pending = _notes_of(run) or []
    rows, pending[:] = list(pending), []
    run.save_with(*rows)


def checked(step, answer):
    """What an action answered, if it can be stored."""
    output = answer.output if isinstance(answer, Directive) else answer
    validate_json(output)
    if len(json.dumps({**step.outputs, step.key: output})) > MOST_OUTPUT:
        raise StepFailed(f"What the steps have given is too large: more than {MOST_OUTPUT:,} characters.")
    return answer


def take(step, given, answer):
    """Note what a step answered, and go where it says."""
    output = answer.output if isinstance(answer, Directive) else answer
    if isinstance(answer, Wait) and answer.until > clock.now():
        _sleep(step, given, output, answer.until)
    elif isinstance(answer, Stop):
        status = Done.FAILED if answer.reason else Done.COMPLETED
        row = _row(step, status, given=given, output=output, error=answer.reason)
        keep_output(step, output)
        end(step.run, Status.FAILED if answer.reason else Status.COMPLETED, answer.reason, row=row)
        step.goes_on = False
    else:
        row = _row(step, Done.COMPLETED, given=given, output=output)
        keep_output(step, output)
        entered = isinstance(answer, Enter) and answer.rounds != 0
        move_on(step, (answer.block, answer.rounds) if entered else None, row=row)


def skip(step):
    move_on(step, row=_row(step, Done.SKIPPED))


def _sleep(step, given, output, until):
    row = _row(step, Done.WAITING, given=given, output=output)
    keep_output(step, output)
    step.run.state = State.WAITING
    step.run.resume_at = until
    _save(step.run, row)
    store(step.run)
    turns.sleep(step.run)
    step.goes_on = False


def end_wait(run, path, actions):
    """The step at which the run has slept is done; whether the run goes on."""
    row = WorkflowStep.objects.filter(execution_id=run.pk, path=path).first()
    if row is not None:
        row.status = Done.COMPLETED
        row.completed_at = clock.now()
        row.save()
    positions.step_over(run.position["stack"])
    return _stand(run, actions)


def move_on(step, block=None, *, row=None):
    """The run stands at what comes next: after this step, or in a block of it.

    row   the step's own, if it is still to be stored
    """
    stack = step.run.position["stack"]
    if block:
        positions.enter(stack, *block)
    else:
        positions.step_over(stack)
    step.goes_on = _stand(step.run, step.actions, row)


def _stand(run, actions, row=None):
    """Note where the run stands now, or that it is over if nothing comes next; whether it goes on."""
    run.attempt = 1
    run.position = {**run.position, "rescues": 0, "steps": run.position.get("steps", 0) + 1}
    if positions.current(run.position["stack"], actions) is None and run.cancel_requested_at is None:
        end(run, Status.COMPLETED, row=row)
        return False
    run.state = State.STEPPING
    # Not at each step: the column has an index.
    if run.resume_at is None or run.resume_at < clock.now() + turns.LEASE / 2:
        run.resume_at = clock.now() + turns.LEASE
    _save(run, row)
    return True


def _save(run, row=None):
    """Note the run, and a step of it: now, or, inside `together`, later."""
    pending = _notes_of(run)
    if row is not None and not row._state.adding:
        row.save()
        row = None
    if pending is None:
        run.save_with(*([row] if row else []))
    elif row is not None:
        pending.append(row)


def keep_output(step, output):
    step.run.output = {**(step.run.output or {}), "steps": {**step.outputs, step.key: output}}


def record(step, status, **more):
    """Write the step's own row; the first attempt makes it."""
    row = _row(step, status, **more)
    row.save(force_insert=row._state.adding)
    return row


def _row(step, status, *, given=None, output=None, error=None):
    row = None
    if step.attempt > 1 or step.kind.is_outside:
        row = WorkflowStep.objects.filter(execution_id=step.run.pk, path=step.path).first()
    if row is None:
        row = WorkflowStep(
            execution_id=step.run.pk,
            path=step.path,
            key=step.key,
            type=step.action["type"],
            started_at=step.began_at,
        )
    row.status = status
    row.attempts = step.attempt
    row.error = error
    if given is not None:
        row.input = redacted(given)
    row.output = None if output is None else redacted(output)
    row.completed_at = None if status in OPEN else clock.now()
    return row


def record_failure(step, status, sentence):
    """As `record`, of an attempt that has failed."""
    row = record(step, status, error=sentence)
    row.failures = [*(row.failures or []), {"attempt": step.attempt, "at": clock.now().isoformat(), "error": sentence}]
    row.save()


def end(run, status, error=None, *, row=None):
    """The run is over, for good. Its row is locked; `row` is that of its last step, if it is still to be stored."""
    # As it is stored: whoever has read it earlier must not change how it ended.
    stored = run if _notes_of(run) is not None else owners.find(WorkflowExecution, run.pk, locked=True)
    if run.is_over or stored is None or stored.is_over:
        raise AssertionError(f"Run {run.pk} is {(stored or run).status} and stays so.")
    run.status = status
    run.state = State(status)
    run.error = error
    run.completed_at = clock.now()
    run.resume_at = None
    _save(run, row)
    store(run)
    if status != Status.COMPLETED:
        for row in WorkflowStep.objects.filter(execution_id=run.pk, status__in=OPEN):
            row.status = Done(status)
            row.error = row.error or error
            row.completed_at = run.completed_at
            row.save()
    turns.let_in()
