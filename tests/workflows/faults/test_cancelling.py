"""A run is cancelled, or loses what it needs, while its worker is at it."""

import random
import threading
import time
from collections import Counter

import pytest
from django.db import OperationalError, connection, transaction

from apps.crm.models import Activity
from apps.workflows.engine import advancing, checkpoints, turns
from apps.workflows.models import Workflow, WorkflowExecution, WorkflowStep
from apps.workflows.services.control import NotRetriable, RunIsOver, cancel_run, retry_run
from nexora.kernel.errors import NexoraError
from nexora.kernel.jobs import enqueue
from nexora.kernel.scope import tenant_scope, unscoped

from .harness import wait_until
from .runs import append, begin, note, probe, request, states, wait

pytestmark = [pytest.mark.slow, pytest.mark.once]

RETRY = {"retry": {"max": 3, "delay": 60}}


@pytest.fixture
def elsewhere():
    """`elsewhere(function)`: the thread, and with it the session, in which somebody else does it."""
    threads = []

    def start(function, *args, **kwargs):
        def act():
            try:
                function(*args, **kwargs)
            except NexoraError:
                pass
            finally:
                connection.close()

        threads.append(threading.Thread(target=act))
        threads[-1].start()
        return threads[-1]

    yield start
    for thread in threads:
        thread.join(20)


def cancel(admin, run):
    with tenant_scope(admin.tenant_id):
        return cancel_run(actor=admin, execution=run)


def ensure_it_stays_cancelled(stage, admin, run, steps):
    """Whatever still comes."""
    with tenant_scope(admin.tenant_id):
        for _ in range(3):
            enqueue(turns.job_of(), execution_id=run.pk)
        advancing.look_after(run.pk)
    stage.settle([run])
    stage.time_passes()
    stage.settle([run])
    with tenant_scope(admin.tenant_id):
        with pytest.raises(RunIsOver, match="is cancelled and stays so"):
            cancel_run(actor=admin, execution=run)
        with pytest.raises(NotRetriable):
            retry_run(actor=admin, execution=run)
        with pytest.raises(AssertionError, match="is cancelled and stays so"), transaction.atomic():
            # `run` was read before.
            checkpoints.end(run, checkpoints.Status.COMPLETED)
        run.refresh_from_db()
        assert (run.status, run.state, run.resume_at) == ("cancelled", "cancelled", None)
        assert dict(run.steps.values_list("path", "status")) == steps
        assert not Activity.objects.filter(subject__startswith="end").exists()


def test_a_run_is_cancelled_after_the_step_of_the_database_that_is_being_done(stage, admin, elsewhere):
    (run,) = begin(admin, probe("hold", "held"), note("end"))
    stage.start()
    stage.has_begun("held")
    thread = elsewhere(cancel, admin, run)
    wait_until(stage.waits_for_a_lock, "it waits until the step is done")
    stage.let_go("held")
    thread.join(10)
    ensure_it_stays_cancelled(stage, admin, run, {"0": "completed"})


def test_a_run_is_cancelled_after_the_call_that_is_being_made(stage, admin):
    (run,) = begin(admin, probe("call", "held"), note("end"))
    stage.start()
    stage.has_begun("held")
    assert cancel(admin, run).status == "running"
    with tenant_scope(admin.tenant_id):
        # Another job comes meanwhile, and does not cut the call short.
        enqueue(turns.job_of(), execution_id=run.pk)
    stage.start()
    time.sleep(0.3)
    assert states([run]) == {"calling": 1}
    stage.let_go("held")
    wait_until(lambda: states([run]) == {"cancelled": 1}, "it ends")
    ensure_it_stays_cancelled(stage, admin, run, {"0": "completed"})
    assert len(stage.probed("held")) == 1


def test_a_call_that_would_let_its_run_wait_does_not_once_it_is_cancelled(stage, admin):
    (run,) = begin(admin, probe("call_and_wait", "held"), note("end"))
    stage.start()
    stage.has_begun("held")
    cancel(admin, run)
    stage.let_go("held")
    wait_until(lambda: states([run]) == {"cancelled": 1}, "it ends")
    ensure_it_stays_cancelled(stage, admin, run, {"0": "cancelled"})


def test_a_run_whose_worker_is_killed_in_a_call_after_it_was_cancelled_makes_it_no_more(stage, admin):
    (run,) = begin(admin, probe("call", "held"), note("end"))
    worker = stage.start()
    stage.has_begun("held")
    cancel(admin, run)
    stage.kill(worker)
    stage.settle([run])
    ensure_it_stays_cancelled(stage, admin, run, {"0": "cancelled"})
    assert len(stage.probed("held")) == 1


def test_a_run_that_waits_is_cancelled_at_once(stage, admin):
    # Soon enough that its job is in the queue already.
    (run,) = begin(admin, wait("PT30S"), note("end"))
    stage.start()
    wait_until(lambda: states([run]) == {"waiting": 1}, "it waits")
    assert stage.jobs()
    assert cancel(admin, run).status == "cancelled"
    ensure_it_stays_cancelled(stage, admin, run, {"0": "cancelled"})


@pytest.mark.parametrize("kind", ["fail", "fail_outside"])
def test_a_run_whose_step_is_to_be_tried_again_is_cancelled_at_once(stage, admin, kind):
    (run,) = begin(admin, probe(kind, "never") | RETRY, note("end"))
    stage.start()
    wait_until(lambda: states([run]) == {"retrying": 1}, "it is tried again later")
    assert cancel(admin, run).status == "cancelled"
    ensure_it_stays_cancelled(stage, admin, run, {"0": "cancelled"})


def test_runs_that_nobody_has_begun_with_are_cancelled_at_once(stage, admin, monkeypatch):
    monkeypatch.setattr(turns, "READY_RUNS", 1)
    ready, pending = begin(admin, note("end"), count=2)
    assert (states([ready]), states([pending])) == ({"ready": 1}, {"pending": 1})
    for run in (pending, ready):
        assert cancel(admin, run).status == "cancelled"
    monkeypatch.undo()
    for run in (pending, ready):
        ensure_it_stays_cancelled(stage, admin, run, {})


def test_runs_that_are_cancelled_at_any_moment_have_done_what_their_steps_say(stage, acme, admin, elsewhere):
    dice = random.Random(2026)
    actions = [note("start"), append(), request(stage), wait("PT1S"), note("end")]
    runs = begin(admin, *actions, count=40)
    # After so many steps; those of the last number are let alone.
    moments = {run: dice.randint(0, len(actions)) for run in runs}
    threads = []

    def cancel_some():
        with tenant_scope(acme):
            done = Counter(WorkflowStep.objects.values_list("execution_id", flat=True))
        for run, number in [*moments.items()]:
            if number < len(actions) and done[run.pk] >= number:
                threads.append(elsewhere(cancel, admin, run))
                del moments[run]

    stage.settle(runs, concurrency=3, meanwhile=cancel_some)
    for thread in threads:
        thread.join(20)
    with tenant_scope(acme):
        for number, run in enumerate(runs):
            run.refresh_from_db()
            steps = dict(run.steps.values_list("path", "status"))
            # What is cancelled in its wait has its step cancelled as well.
            assert run.status in ("completed", "cancelled")
            assert (run.status == "completed") == (len(steps) == len(actions))
            assert set(steps.values()) <= {"completed"} or steps.pop("3") == "cancelled"
            made = Activity.objects.filter(subject__endswith=f" c{number}").values_list("subject", flat=True)
            assert set(made) == {f"{key} c{number}" for path, key in (("0", "start"), ("4", "end")) if path in steps}
            assert len(made) == len(set(made))
            assert ("2" in steps) == bool(stage.calls.keys(f"/c{number}"))
    ended = Counter(run.status for run in runs)
    assert all(run.status == "completed" for run in moments)
    assert ended["cancelled"] >= 10, f"{ended}: too few to show anything"


# -- What a run needs is taken away


@pytest.mark.parametrize("kind", ["hold", "call"])
@pytest.mark.parametrize("gone", ["workflow", "tenant"])
def test_a_run_that_is_deleted_in_the_middle_of_a_step_leaves_nothing(stage, acme, admin, elsewhere, kind, gone):
    (run,) = begin(admin, probe(kind, "held"), note("end"))
    stage.start()
    stage.has_begun("held")
    thread = elsewhere(delete, acme, run.workflow_id, gone)
    wait_until(lambda: stage.waits_for_a_lock() or not thread.is_alive(), "it waits for the step, or need not")
    stage.let_go("held")
    thread.join(20)
    assert not thread.is_alive()
    stage.settle([run])
    with unscoped(reason="test"):
        assert not WorkflowExecution.objects.exists() and not Workflow.objects.exists()


def delete(tenant, workflow_id, gone):
    with unscoped(reason="test", tenant=tenant):
        record = tenant if gone == "tenant" else Workflow.objects.get(pk=workflow_id)
        for _ in range(5):
            try:
                record.delete()
                return
            except OperationalError:
                # A deadlock with the step, which its sender is told as 503: ask again.
                continue


@pytest.mark.parametrize("kind", ["hold", "call"])
def test_a_run_whose_owner_is_closed_in_the_middle_of_a_step_goes_no_further(stage, acme, admin, manager, kind):
    (run,) = begin(manager, probe(kind, "held"), note("end"))
    stage.start()
    stage.has_begun("held")
    with tenant_scope(acme):
        manager.status = "inactive"
        manager.save()
    stage.let_go("held")
    stage.settle([run])
    with tenant_scope(acme):
        run.refresh_from_db()
        assert run.status == "failed" and "is inactive" in run.error
        assert dict(run.steps.values_list("path", "status")) == {"0": "completed"}
        assert Workflow.objects.get().enabled is False and not Activity.objects.exists()


def test_runs_of_an_organisation_that_is_suspended_go_on_when_it_is_open_again(stage, acme, admin):
    runs = begin(admin, probe("hold", "held"), wait("PT5M"), note("end"), count=3)
    stage.start()
    stage.has_begun("held")
    suspend(acme, "suspended")
    stage.let_go("held")
    for _ in range(2):
        wait_until(lambda: not stage.jobs(), "what had a job has had its turn")
        # The step that was being done is done, and nothing after it.
        assert states(runs) == {"stepping": 1, "ready": 2}
        stage.time_passes()
        wait_until(lambda: not stage.jobs("run_due"), "it was looked for what is due")
    suspend(acme, "active")
    stage.settle(runs)
    assert states(runs) == {"completed": 3}


def suspend(tenant, status):
    with unscoped(reason="test", tenant=tenant):
        tenant.status = status
        tenant.save()
