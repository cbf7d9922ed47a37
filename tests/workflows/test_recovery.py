"""What becomes of a run when things happen that nobody has planned. With real workers that die: see faults/."""

import threading
from datetime import timedelta

import pytest
from django.db import OperationalError, connection, transaction
from procrastinate.exceptions import ConnectorException

from apps.crm.models import Activity, Customer
from apps.workflows.definition.registry import Action, StepFailed, actions
from apps.workflows.engine import advancing, checkpoints, owners, turns
from apps.workflows.models import WorkflowExecution, WorkflowStep, WorkflowVersion
from apps.workflows.services import control, upkeep
from nexora.kernel import clock
from nexora.kernel.scope import tenant_scope, unscoped
from tests.database import another_session, as_default
from tests.factories import CustomerFactory
from tests.workflows.flows import note, workflow
from tests.workflows.jobs import later, lose_jobs, waiting_jobs, work

State = WorkflowExecution.State
CUSTOMERS = {"type": "manual", "resource": "customers"}
DO = {"key": "do", "type": "test.do"}


def waits(**given):
    return {"key": "pause", "type": "wait", "with": given}


def start(owner, *actions, names=("Ada",)):
    """A run for a customer of each name."""
    made = workflow(owner, *actions, trigger=CUSTOMERS)
    ids = [CustomerFactory(tenant=owner.tenant, name=name).pk for name in names]
    return control.run_workflow(actor=owner, workflow=made, ids=ids)[0]


@pytest.fixture
def do(monkeypatch):
    """`do(function)`: what the action test.do does, given its step; `outside`: outside any transaction."""

    def make(function, *, outside=False, seconds=60):
        class Do(Action):
            type = "test.do"
            title = "For tests"
            is_outside = outside

            @classmethod
            def perform(cls, step, given):
                return function(step)

        Do.seconds = seconds
        monkeypatch.setitem(actions, Do.type, Do)

    return make


@pytest.fixture
def committed(transactional_db):
    """For several sessions. Django's flush leaves the queue's tables alone."""
    yield
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM procrastinate_jobs")


def refreshed(run):
    run.refresh_from_db()
    return run


def steps_of(run):
    return {row.path: row.status for row in run.steps.all()}


# -- Workers that are lost


def test_a_call_whose_worker_was_lost_is_made_again_under_the_same_key(in_acme, admin, do):
    keys = []

    def call(step):
        keys.append(step.idempotency_key)
        if len(keys) == 1:
            raise OperationalError("the server closed the connection unexpectedly")
        return {}

    do(call, outside=True)
    (run,) = start(admin, DO, note())
    with pytest.raises(OperationalError):
        work()
    lose_jobs()
    assert refreshed(run).state == State.CALLING
    advancing.look_after(run.pk)
    assert not waiting_jobs(), "it may still be going on"
    with later(seconds=61):
        advancing.look_after(run.pk)
        work()
    assert refreshed(run).status == "completed"
    assert len(keys) == 2 and len(set(keys)) == 1
    (failure,) = run.steps.get(path="0").failures
    assert "lost during the call" in failure["error"]


def test_a_call_is_taken_for_lost_no_sooner_than_its_action_says(in_acme, admin, do):
    seen = []
    do(lambda step: seen.append(WorkflowExecution.objects.get().resume_at - clock.now()), outside=True, seconds=300)
    start(admin, DO)
    work()
    assert timedelta(seconds=295) < seen[0] <= timedelta(seconds=300)


@pytest.mark.parametrize("state", [State.READY, State.STEPPING, State.CALLING, State.WAITING, State.RETRYING])
def test_a_run_that_takes_its_workers_down_is_given_up(in_acme, admin, do, state):
    do(lambda step: {}, outside=True)
    (run,) = start(admin, DO)
    WorkflowStep(execution=run, path="0", key="do", type="test.do", status="running", started_at=clock.now()).save()
    run.state = state
    run.save()
    lose_jobs()
    for minutes in range(2, 20, 2):
        with later(minutes=minutes):
            advancing.look_after(run.pk)
            lose_jobs()
    assert (refreshed(run).status, run.error) == ("failed", "Its worker was lost at least 5 times at the same step.")
    assert steps_of(run) == {"0": "failed"}


@pytest.mark.parametrize("state", [State.READY, State.CALLING, State.WAITING])
def test_a_run_whose_job_waits_in_a_long_queue_is_not_given_up(in_acme, admin, state):
    (run,) = start(admin, note())
    run.state = state
    run.save()
    for minutes in range(2, 30, 2):
        with later(minutes=minutes):
            advancing.look_after(run.pk)
    assert refreshed(run).status == "running"
    assert len(waiting_jobs()) == 2, "its own and one more, however long it waits"


def test_a_lost_database_is_no_failure_of_the_step(in_acme, admin, do):
    """The queue has an exception of its own for it."""

    def enqueues(step):
        raise ConnectorException

    do(enqueues)
    (run,) = start(admin, DO)
    with pytest.raises(ConnectorException):
        work()
    assert refreshed(run).status == "running" and not run.steps.exists()


def test_a_run_that_cannot_go_on_at_all_ends(in_acme, admin):
    (run,) = start(admin, note())
    run.version = None
    run.save()
    work()
    assert refreshed(run).status == "failed" and "unforeseen" in run.error


def test_a_failure_is_stored_whatever_a_server_has_said(in_acme, admin, do):
    def call(step):
        raise StepFailed("550 \x00 \ud800 no such mailbox " + "x" * 5_000)

    do(call, outside=True)
    (run,) = start(admin, DO)
    work()
    assert refreshed(run).status == "failed" and run.error.startswith("do: 550 � ? no such mailbox")


# -- Waits


def test_a_step_that_fails_after_a_wait_ends_its_run(in_acme, admin, do):
    def fails(step):
        raise StepFailed("It cannot be done.")

    do(fails)
    (run,) = start(admin, waits(**{"for": "PT1M"}), DO)
    work()
    assert refreshed(run).state == State.WAITING
    with later(minutes=2):
        work()
    assert (refreshed(run).status, run.error) == ("failed", "do: It cannot be done.")
    assert steps_of(run) == {"0": "completed", "1": "failed"}


def test_a_step_after_a_wait_begins_with_its_first_attempt(in_acme, admin, do):
    attempts = []

    def fails(step):
        attempts.append(step.attempt)
        raise StepFailed("Not yet.")

    do(fails)
    pause = waits(until="{{ record.company }}") | {"retry": {"max": 1, "delay": 1}}
    (run,) = start(admin, pause, DO | {"retry": {"max": 1, "delay": 1}})
    Customer.objects.unpublished("test").update(company="some day")
    work()
    assert (refreshed(run).state, run.attempt) == (State.RETRYING, 2)
    Customer.objects.unpublished("test").update(company=(clock.now() + timedelta(minutes=5)).isoformat())
    for minutes, state in ((1, State.WAITING), (6, State.RETRYING), (7, State.FAILED)):
        with later(minutes=minutes):
            advancing.look_after(run.pk)
            work()
        assert refreshed(run).state == state
    assert attempts == [1, 2]


def test_a_job_that_comes_early_is_followed_by_another(in_acme, admin):
    """PostgreSQL's clock says when a job is due, the worker's when a wait is over."""
    (run,) = start(admin, waits(**{"for": "PT30S"}))
    work()
    lose_jobs()
    advancing.advance(run.pk)
    (job,) = waiting_jobs()
    assert job.scheduled_at == refreshed(run).resume_at
    with later(seconds=31):
        work()
    assert refreshed(run).status == "completed"


# -- Ends


def test_what_was_read_before_the_end_cannot_change_it(in_acme, admin):
    (run,) = start(admin, note())
    stale = WorkflowExecution.objects.get(pk=run.pk)
    checkpoints.end(run, checkpoints.Status.CANCELLED)
    with pytest.raises(AssertionError, match="is cancelled and stays so"):
        checkpoints.end(stale, checkpoints.Status.COMPLETED)
    work()
    assert refreshed(run).status == "cancelled" and not Activity.objects.exists()


def test_a_call_is_let_finish_before_its_run_is_cancelled(in_acme, admin, do):
    """Another job of the run comes meanwhile."""

    def call(step):
        run = WorkflowExecution.objects.get()
        control.cancel_run(actor=admin, execution=run)
        advancing.advance(run.pk)
        assert refreshed(run).status == "running"
        return {"said": "yes"}

    do(call, outside=True)
    (run,) = start(admin, DO, note())
    work()
    assert refreshed(run).status == "cancelled" and steps_of(run) == {"0": "completed"}
    assert run.steps.get().output == {"said": "yes"}


# -- Turns


def test_runs_that_are_cancelled_before_their_turn_let_no_others_in(in_acme, admin, monkeypatch):
    monkeypatch.setattr(turns, "READY_RUNS", 2)
    runs = start(admin, note(), names="abcdef")
    for run in runs[2:4]:
        control.cancel_run(actor=admin, execution=refreshed(run))
    assert [refreshed(run).state for run in runs] == ["ready"] * 2 + ["cancelled"] * 2 + ["pending"] * 2
    control.cancel_run(actor=admin, execution=runs[0])
    assert sorted(refreshed(run).state for run in runs[4:]) == ["pending", "ready"]
    upkeep.run_due()
    assert sorted(refreshed(run).state for run in runs[4:]) == ["pending", "ready"]


def test_thousands_that_wake_at_once_come_after_the_run_of_a_tenant_with_few(acme, globex, admin, mallory, monkeypatch):
    monkeypatch.setattr(turns, "READY_RUNS", 5)
    for tenant, owner, names in ((acme, admin, "abcdefgh"), (globex, mallory, "i")):
        with tenant_scope(tenant):
            start(owner, waits(**{"for": "PT30S"}), names=names)
            for _ in names:
                work()
    assert [job.args["tenant_id"] for job in waiting_jobs()] == [str(globex.pk)] + [str(acme.pk)] * 8


# -- What is looked for once a minute


def test_one_that_postgresql_refuses_holds_up_no_other(committed, acme, admin, monkeypatch):
    with tenant_scope(acme):
        refused, other = start(admin, note(), names=("Ada", "Bob"))
        WorkflowExecution.objects.unpublished("test").update(resume_at=clock.now() - timedelta(minutes=1))
        lose_jobs()
    inner = advancing.look_after

    def look_after(execution_id):
        if execution_id == refused.pk:
            raise OperationalError("deadlock detected")
        inner(execution_id)

    monkeypatch.setattr(advancing, "look_after", look_after)
    upkeep.run_due()
    assert [job.args["execution_id"] for job in waiting_jobs()] == [str(other.pk)]


def test_nothing_is_looked_for_while_the_database_is_away(in_acme, admin, monkeypatch):
    runs = start(admin, note(), names=("Ada", "Bob"))
    WorkflowExecution.objects.unpublished("test").update(resume_at=clock.now() - timedelta(minutes=1))
    asked = []

    def look_after(execution_id):
        asked.append(execution_id)
        monkeypatch.setattr(connection, "cursor", cursor)
        raise OperationalError("the server closed the connection unexpectedly")

    def cursor(*args, **options):
        raise OperationalError("connection refused")

    monkeypatch.setattr(advancing, "look_after", look_after)
    with pytest.raises(OperationalError, match="connection refused"):
        upkeep.run_due()
    monkeypatch.undo()
    assert len(asked) == 1 < len(runs)


# -- Two at a time


def test_a_run_at_which_somebody_is_holds_up_no_other(committed, acme, admin):
    with tenant_scope(acme):
        held, other = start(admin, note(), names=("Ada", "Bob"))
        WorkflowExecution.objects.unpublished("test").update(resume_at=clock.now() - timedelta(minutes=1))
        lose_jobs()
        with another_session() as session, as_default(session), transaction.atomic():
            owners.find(WorkflowExecution, held.pk, locked=True)
            at_once(acme, lambda: [advancing.look_after(run.pk) for run in (held, other)])
        assert [job.args["execution_id"] for job in waiting_jobs()] == [str(other.pk)]


def test_a_failed_run_that_several_retry_at_once_is_retried_once(committed, acme, admin, do):
    def fails(step):
        raise StepFailed("It cannot be done.")

    do(fails)
    with tenant_scope(acme):
        (run,) = start(admin, DO)
        work()
        found = at_once(acme, *[lambda: control.retry_run(actor=admin, execution=run)] * 4)
        (retry,) = [one for one in found if isinstance(one, WorkflowExecution)]
        assert [type(one) for one in found if one is not retry] == [control.NotRetriable] * 3
        assert list(WorkflowExecution.objects.exclude(pk=run.pk)) == [retry]


def test_a_workflow_of_raw_sql_that_several_changes_start_at_once_has_one_version(committed, acme, admin):
    with tenant_scope(acme):
        workflow(admin, note())
        with unscoped(reason="test data"):
            WorkflowVersion.objects.unpublished("test data").delete()
        assert at_once(acme, *[lambda: Customer(name="Ada").save()] * 4) == [None] * 4
        (version,) = WorkflowVersion.objects.all()
        assert [run.version_id for run in WorkflowExecution.objects.all()] == [version.pk] * 4


def at_once(tenant, *functions):
    """What they answer or raise, each in a thread, and so a session, of its own."""
    barrier, found = threading.Barrier(len(functions)), []

    def act(function):
        try:
            with tenant_scope(tenant):
                barrier.wait(5)
                found.append(function())
        except Exception as error:
            found.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=act, args=(function,)) for function in functions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(5)
    assert not any(thread.is_alive() for thread in threads)
    return found
