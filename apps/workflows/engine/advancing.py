"""A run goes on: step after step, until it is over or has to wait."""

import logging
import time
from datetime import timedelta
from functools import lru_cache

from django.db import transaction
from procrastinate.exceptions import ConnectorException

from nexora.kernel import clock, events
from nexora.kernel.api.exceptions import DATABASE_AWAY
from nexora.kernel.events import acting_as

from ..definition import conditions
from ..definition.registry import actions as known_actions
from ..models import WorkflowExecution, WorkflowVersion
from . import checkpoints, failures, owners, positions, turns
from .checkpoints import Done, State, Status, end
from .locks import be_impatient, locked, may_keep
from .starting import caused_by
from .steps import Step

log = logging.getLogger("nexora.workflows")

# A job does so many steps, or runs for so long; then others have their turn.
STEPS_A_TURN = 50
SECONDS_A_TURN = 5.0
# Steps of the database that follow each other share a transaction, so many at most, and none begins later than this:
# others may wait for what it has locked.
MOST_TOGETHER = 10
SECONDS_TOGETHER = 0.05
MOST_STEPS = 10_000
# A run whose worker dies again and again takes workers down.
MOST_RESCUES = 5
# The last is what the queue raises.
LOST = (*DATABASE_AWAY, ConnectorException)
# Classes of SQLSTATE: connection exceptions, and the server's shutting down.
AWAY = ("08", "57P")


def advance(execution_id):
    """Do what the run has to do now. Whatever is in its way ends in the run's own record; only a database that does not
    answer raises."""
    began, steps = time.monotonic(), 0
    while count := _do_next(execution_id, min(MOST_TOGETHER, STEPS_A_TURN - steps)):
        steps += count
        if steps >= STEPS_A_TURN or time.monotonic() - began > SECONDS_A_TURN:
            _give_way(execution_id)
            return


def _do_next(execution_id, most):
    """Do the next step, and those of the database that may share its transaction, `most` in all; how many it were, if
    the run goes on at once, else 0."""
    run = together = None
    try:
        with transaction.atomic():
            run = locked(execution_id)
            if run is None or not _is_due(run):
                return 0
            if run.state == State.WAITING:
                return int(end_wait(run))
            together = Together(run, 1 if run.position.get("alone") else most)
            together.do()
    except Exception as error:
        is_lost = isinstance(error, LOST)
        fewer = min(together.done, most - 1) if together else 0
        if fewer and not (is_lost and _is_away(error)):
            # All of it is undone. What went well is done again; then this step is the first, and fails alone.
            return _do_next(execution_id, fewer)
        if is_lost or run is None:
            raise
        # Whatever is raised: the run must not hang.
        return int(_fail(together.step, error) if together and together.step else _break_off(run, error))
    step = together.step
    goes_on = step and (_finish_call(step) if step.prepared is not None else step.goes_on)
    return together.done if goes_on else 0


def _is_away(error):
    """Whether PostgreSQL has not refused one statement, but does not answer."""
    code = getattr(error.__cause__, "sqlstate", None)
    return code is None or code.startswith(AWAY)


class Together:
    """Steps that one transaction does: the next, and those that may follow it.

    done   how many have been
    step   the last of them, or the one that is being done; None: the run has ended before any could be
    """

    def __init__(self, run, most):
        self.run = run
        self.most = most
        self.until = time.monotonic() + SECONDS_TOGETHER
        self.done = 0
        self.locks = False
        self.step = None

    def do(self):
        step = next_step(self.run)
        if step is None:
            return
        with checkpoints.together(self.run):
            while step is not None:
                self.step = step
                self.locks = self.locks or step.kind.locks
                _do(step)
                self.done += 1
                step = self.following()

    def following(self):
        """The step that is to be done in the same transaction, or None."""
        is_full = self.done >= self.most or time.monotonic() > self.until
        if is_full or not self.step.goes_on or self.step.prepared is not None or not may_keep(self.run):
            return None
        step = next_step(self.run)
        if step is None:
            self.step.goes_on = False
            return None
        if self.locks and step.kind.locks:
            return None
        if self.done == 1:
            be_impatient()
        return step


def _do(step):
    if is_skipped(step):
        checkpoints.skip(step)
    elif step.kind.is_outside:
        _begin_call(step)
    else:
        perform_inside(step)


def _is_due(run):
    """Whether this worker is to go on with the run now."""
    if run.is_over or not run.tenant.is_open:
        # Of an organisation that is suspended nothing runs until it is open again.
        return False
    is_early = run.resume_at is not None and run.resume_at > clock.now()
    if run.state == State.CALLING and is_early:
        # Another worker is at it.
        return False
    if run.cancel_requested_at is not None:
        end(run, Status.CANCELLED)
        return False
    if run.state in (State.WAITING, State.RETRYING) and is_early:
        # The job was for something else, or PostgreSQL's clock is ahead of this one.
        turns.wake(run, again=True)
        return False
    return True


# Asked for in its tenant's scope by an id that a row of that tenant holds.
@lru_cache(maxsize=500)
def _actions_of(version_id):
    """A version never changes, so it is read once."""
    return owners.find(WorkflowVersion, version_id).actions


def next_step(run):
    """The Step to do; None if the run has just ended."""
    workflow, owner = run.workflow, run.workflow.created_by
    if refusal := owners.why_not(workflow, owner):
        owners.switch_off(workflow, refusal)
        end(run, Status.FAILED, refusal)
        return None
    if run.owner_id != workflow.created_by_id:
        # What was begun in one person's name is not done with another's rights, who has not looked at it.
        end(run, Status.FAILED, f"It was begun in the name of somebody who no longer owns {workflow}. Replay it.")
        return None
    if run.position.get("steps", 0) >= MOST_STEPS:
        end(run, Status.FAILED, f"It has done {MOST_STEPS:,} steps, which is all that a run may do.")
        return None
    actions = _actions_of(run.version_id)
    try:
        found = positions.current(take_stack(run), actions)
        kind = found and known_actions.get(found[0]["type"])
        key = found and found[0]["key"]
    except (KeyError, IndexError, TypeError, AttributeError):
        end(
            run,
            Status.FAILED,
            "Its definition cannot be read: nobody has checked it. Correct the workflow, and replay.",
        )
        return None
    if found is None:
        end(run, Status.COMPLETED)
        return None
    if kind is None:
        end(run, Status.FAILED, f"{key}: there is no such action any more. Change the workflow, and replay.")
        return None
    action, path = found
    return Step(run, action, path, kind=kind, actions=actions, owner=owner)


def take_stack(run):
    """The run's own copy, so that what is done to it is seen as a change."""
    stack = [dict(frame) for frame in run.position["stack"]]
    run.position = {**run.position, "stack": stack}
    return stack


def end_wait(run):
    """Noted by itself: what comes next may fail. Whether the run goes on."""
    actions = _actions_of(run.version_id)
    _, path = positions.current(take_stack(run), actions)
    return checkpoints.end_wait(run, path, actions)


def is_skipped(step):
    when = step.action.get("when")
    return when is not None and not conditions.holds(when, step.look_up, step.changes)


def perform_inside(step):
    """A step that the database alone sees: its effect and the note that it is done are one transaction."""
    # Around the batch: what it publishes, it publishes at its end.
    with caused_by(step.run), acting_as(owners.acts_for(step.owner, step.workflow)), events.batch():
        given = step.kind.prepare(step)
        answer = checkpoints.checked(step, step.kind.perform(step, given))
    checkpoints.take(step, given, answer)


# -- Calls to the outside


def _begin_call(step):
    """Note that the call begins, with what it is given; it is made after this transaction."""
    step.prepared = step.kind.prepare(step)
    if step.run.state == State.CALLING:
        sentence = "Its worker was lost during the call; it is made again."
        checkpoints.record_failure(step, Done.RUNNING, sentence)
    checkpoints.record(step, Done.RUNNING, given=step.prepared)
    step.run.state = State.CALLING
    step.run.resume_at = clock.now() + timedelta(seconds=step.kind.seconds)
    checkpoints.store(step.run)


def _finish_call(step):
    """Make the call, outside any transaction, and note its answer; whether the run goes on at once."""
    try:
        answer = checkpoints.checked(step, step.kind.perform(step, step.prepared))
    except LOST:
        raise
    except Exception as error:
        return _fail(step, error)
    with transaction.atomic():
        if not _still_there(step):
            return False
        checkpoints.take(step, None, answer)
        if step.run.cancel_requested_at is not None and not step.run.is_over:
            end(step.run, Status.CANCELLED)
            return False
    return step.goes_on


def _fail(step, error):
    sentence = failures.sentence_of(error, step)
    with transaction.atomic():
        if not _still_there(step):
            return False
        failures.decide(step, sentence)
    return step.run.state == State.STEPPING


def _break_off(run, error):
    """There is no step to blame, nor one to go on with."""
    log.exception("Run %s cannot go on.", run.pk, exc_info=error)
    with transaction.atomic():
        run = locked(run.pk)
        if run is not None and not run.is_over:
            end(run, Status.FAILED, failures.unforeseen(error))
    return False


def _still_there(step):
    """Lock the run anew. Whether it stands at this attempt of this step; else somebody else has gone on with it."""
    run = locked(step.run.pk)
    if run is None or run.is_over or run.attempt != step.attempt:
        return False
    found = positions.current(take_stack(run), step.actions)
    step.run = run
    return found is not None and found[1] == step.path


# -- Making way, and being looked after


def _give_way(execution_id):
    with transaction.atomic():
        run = locked(execution_id)
        if run is None or run.is_over or run.state != State.STEPPING:
            return
        run.state = State.READY
        run.resume_at = clock.now() + turns.LEASE
        run.save()
        turns.queue(run, place=turns.READY_RUNS)


def look_after(execution_id):
    """A run whose worker has been silent for too long, or that has slept long enough, gets a job again."""
    with transaction.atomic():
        # One that is locked has somebody who is at it.
        run = owners.find(WorkflowExecution, execution_id, locked=owners.IF_FREE)
        now = clock.now()
        if run is None or run.is_over or run.resume_at is None:
            return
        if run.resume_at > now:
            if run.state in (State.WAITING, State.RETRYING):
                turns.wake(run)
            return
        # While a job waits for its turn, nobody has been lost.
        if turns.queue_again(run):
            _count_rescue(run, now)


def _count_rescue(run, now):
    rescues = run.position.get("rescues", 0) + 1
    if rescues > MOST_RESCUES:
        end(run, Status.FAILED, f"Its worker was lost at least {MOST_RESCUES} times at the same step.")
        return
    # Should one of its steps take workers down, it is not to undo the others each time.
    run.position = {**run.position, "rescues": rescues, "alone": True}
    if run.state in (State.READY, State.STEPPING):
        run.resume_at = now + turns.LEASE
    run.save()
