"""Which runs have a job.

At most READY_RUNS runs of a tenant have one at a time; the others are pending, and each that ends or goes to sleep lets
the next in. The later a run comes within these, the lower its job's priority. So whoever has few runs passes whoever
has many, and the queue is never longer than tenants times READY_RUNS.
"""

from datetime import timedelta

from django.db.models import BooleanField
from django.db.models.expressions import RawSQL

from nexora.kernel import clock
from nexora.kernel.jobs import enqueue
from nexora.kernel.statements import Find, Statement, Statements

from ..models import WorkflowExecution

READY_RUNS = 100
State = WorkflowExecution.State
# A ready run whose job has not come by then is looked after, and so is a step that has said nothing for so long.
LEASE = timedelta(seconds=60)
# A wait that is longer than this has no job yet: jobs that are not due make the queue slow.
SOON = timedelta(seconds=65)
SECOND = timedelta(seconds=1)

_statements = Statements()


def job_of():
    # The job's module knows the engine.
    from ..jobs import advance_execution

    return advance_execution


def count_ready():
    """How many runs of the tenant in scope have a job; READY_RUNS stands for more."""
    return _count(state=State.READY)


def _count(**values):
    def make():
        found = WorkflowExecution.objects.filter(**values).order_by().values_list("pk", flat=True)
        return Statement(found[:READY_RUNS])

    return len(_statements.get((READY_RUNS, *values.items()), make).execute({}).fetchall())


def queue(run, *, place=0):
    """Give a ready run its job."""
    enqueue(job_of(), execution_id=run.pk, priority=-place)


def queue_again(run):
    """One job more, unless such a one waits already: the first may have died with its worker. Whether it was needed."""
    return enqueue(job_of(), execution_id=run.pk, priority=-_place(), once=_once(run)) is not None


def sleep(run):
    """A run that waits, or is tried again later, makes room for the next."""
    wake(run)
    let_in()


def wake(run, *, again=False):
    """See to it that a run goes on at its `resume_at`: by a job, if that is soon, else by `run_due`.

    again   such a job has just come, and was early
    """
    now = clock.now()
    if run.resume_at <= now + SOON:
        at = max(run.resume_at, now + SECOND) if again else run.resume_at
        enqueue(job_of(), execution_id=run.pk, priority=-_place(), at=at, once=_once(run))


def _once(run):
    return f"run {run.pk}"


def _place():
    """The later, the more runs the tenant in scope has going: thousands may wake at the same moment."""
    return _count(status=WorkflowExecution.Status.RUNNING)


def _longest_pending():
    """The run of the tenant in scope whose turn is next, locked, or None."""

    def make():
        # Not as a value: with one, a plan for all values could not use the index, which has but two of them.
        pending = WorkflowExecution.objects.filter(RawSQL("state = 'pending'", (), BooleanField()))
        pending = pending.select_for_update(skip_locked=True, of=("self",), no_key=True)
        return Find(pending.order_by("started_at", "pk")[:1])

    return _statements.get("pending", make).record({})


def let_in(count=1):
    """Give jobs to the runs of the tenant in scope that have waited longest, as far as there is room.

    Whoever ends has not always made room: it may never have been let in, or have slept while others came in.
    """
    for _ in range(count):
        run = _longest_pending()
        if run is None or count_ready() >= READY_RUNS:
            return
        run.state = State.READY
        run.resume_at = clock.now() + LEASE
        run.save()
        queue(run, place=READY_RUNS)
