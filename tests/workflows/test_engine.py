"""How a run goes on: retries, waits, failures, its end; and what stops it."""

from datetime import UTC, datetime, timedelta

import pytest

from apps.accounts.models import Notification
from apps.crm.models import Activity, Customer
from apps.workflows.definition.registry import Action, StepFailed, actions
from apps.workflows.engine import advancing, checkpoints, locks, turns
from apps.workflows.models import Workflow, WorkflowExecution, WorkflowStep, WorkflowVersion
from apps.workflows.services import upkeep
from nexora.kernel import clock
from tests.factories import CustomerFactory, UserFactory
from tests.workflows.flows import acts, finish, note, runs, steps, workflow

pytestmark = pytest.mark.django_db

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


class Flaky(Action):
    """Fails so many times; `seen` is what it was called with."""

    type = "test.flaky"
    title = "For tests"
    is_outside = True
    properties = {"times": {"type": "integer"}}
    seen = []

    @classmethod
    def perform(cls, step, given):
        cls.seen.append(step.idempotency_key)
        if len(cls.seen) <= given.get("times", 0):
            raise StepFailed("Not yet.")
        return {"tries": len(cls.seen)}


@pytest.fixture(autouse=True)
def flaky(monkeypatch):
    monkeypatch.setitem(actions, Flaky.type, Flaky)
    monkeypatch.setattr(Flaky, "seen", [])
    return Flaky


@pytest.fixture
def writer(in_acme, manager):
    with acts(manager):
        yield manager


def started(writer, *steps, **values):
    """A run that nobody has begun with."""
    made = workflow(writer, *steps, **values)
    Customer(name="Ada").save()
    return runs(made)[-1]


def flaky_step(times, **options):
    return {"key": "flaky", "type": "test.flaky", "with": {"times": times}, **options}


def test_a_step_is_tried_again_after_growing_delays_under_the_same_key(writer, flaky):
    with clock.frozen_at(NOON):
        run = started(writer, flaky_step(2, retry={"max": 3, "delay": 10, "backoff": 4}), note())
        (run,) = finish(run)
        assert (run.status, run.state, run.attempt) == ("running", "retrying", 2)
        assert run.resume_at == NOON + timedelta(seconds=10)
        finish(run)  # too early: nothing happens
        assert len(flaky.seen) == 1
    with clock.frozen_at(NOON + timedelta(seconds=11)):
        (run,) = finish(run)
        assert run.resume_at == NOON + timedelta(seconds=51)
    with clock.frozen_at(NOON + timedelta(seconds=60)):
        (run,) = finish(run)
    assert run.status == "completed" and len(set(flaky.seen)) == 1
    step = steps(run)[0]
    assert (step.status, step.attempts, step.output) == ("completed", 3, {"tries": 3})
    assert [failure["error"] for failure in step.failures] == ["Not yet.", "Not yet."]


def test_when_the_retries_are_used_up_the_run_fails_and_says_at_which_step(writer):
    with clock.frozen_at(NOON):
        run = started(writer, flaky_step(9, retry={"max": 1, "delay": 1}), note())
        finish(run)
    with clock.frozen_at(NOON + timedelta(minutes=1)):
        (run,) = finish(run)
    assert (run.status, run.error) == ("failed", "flaky: Not yet.")
    assert run.completed_at is not None and run.resume_at is None
    assert not Activity.objects.exists()


def test_on_error_continue_goes_on_and_later_steps_see_the_error(writer):
    run = started(
        writer,
        flaky_step(9, retry={"max": 0}, on_error="continue"),
        note(subject="{{ steps.flaky.error }}"),
    )
    (run,) = finish(run)
    assert run.status == "completed"
    assert Activity.objects.get().subject == "Not yet."


def test_on_error_branch_does_its_actions_and_goes_on(writer):
    run = started(writer, flaky_step(9, retry={"max": 0}, on_error={"branch": [note("sorry")]}), note("after"))
    (run,) = finish(run)
    assert [one.path for one in steps(run)] == ["0", "0.on_error.0", "1"] and run.status == "completed"


@pytest.mark.parametrize(("cancelled", "status"), [(False, "completed"), (True, "cancelled")])
def test_a_run_is_over_with_its_last_step_unless_it_was_cancelled_meanwhile(
    writer, flaky, monkeypatch, cancelled, status
):
    def perform(step, given):
        if cancelled:
            found = WorkflowExecution.objects.filter(pk=step.run.pk)
            found.unpublished("test data").update(cancel_requested_at=clock.now())

    monkeypatch.setattr(flaky, "perform", perform)
    (run,) = finish(started(writer, flaky_step(0)))
    assert (run.status, run.state) == (status, status)
    assert [step.status for step in steps(run)] == ["completed"]


def test_a_step_that_fails_leaves_nothing_of_what_it_did(writer):
    late = {"key": "x", "type": "record.create", "with": {"resource": "activities", "values": {"type": "nonsense"}}}
    run = started(writer, note("first"), late)
    (run,) = finish(run)
    assert run.status == "failed" and [a.subject for a in Activity.objects.all()] == ["first"]


def test_a_fault_in_an_action_fails_its_run_and_is_logged(writer, flaky, monkeypatch, caplog):
    monkeypatch.setattr(flaky, "perform", classmethod(lambda cls, step, given: 1 / 0))
    (run,) = finish(started(writer, flaky_step(0, retry={"max": 0})))
    assert run.status == "failed" and "Something unforeseen" in run.error
    assert "ZeroDivisionError" in caplog.text


def test_a_wait_lets_the_worker_go_and_goes_on_when_its_time_has_come(writer):
    with clock.frozen_at(NOON):
        run = started(writer, {"key": "wait", "type": "wait", "with": {"for": "P4D"}}, note("after"))
        (run,) = finish(run)
        assert (run.status, run.state, run.resume_at) == ("running", "waiting", NOON + timedelta(days=4))
        assert steps(run)[0].status == "waiting"
    with clock.frozen_at(NOON + timedelta(days=3)):
        assert finish(run)[0].state == "waiting"
    with clock.frozen_at(NOON + timedelta(days=4)):
        upkeep.run_due()
        (run,) = finish(run)
    assert run.status == "completed" and [one.status for one in steps(run)] == ["completed", "completed"]
    assert Activity.objects.count() == 1


def test_a_wait_until_a_date_that_is_past_does_not_wait(writer):
    run = started(writer, {"key": "wait", "type": "wait", "with": {"until": "2001-01-01"}}, note("after"))
    assert finish(run)[0].status == "completed"


def test_a_record_is_read_as_it_is_after_the_wait(writer):
    fork = {
        "key": "fork",
        "type": "branch",
        "with": {"if": {"path": "record.status", "op": "eq", "value": "lead"}, "then": [note("still")]},
    }
    with clock.frozen_at(NOON):
        run = started(writer, {"key": "wait", "type": "wait", "with": {"for": "P1D"}}, fork)
        finish(run)
    customer = Customer.objects.get()
    customer.status = "active"
    customer.save()
    with clock.frozen_at(NOON + timedelta(days=2)):
        (run,) = finish(run)
    assert [one.key for one in steps(run)] == ["wait", "fork"]


def test_a_run_keeps_to_the_version_it_began_with(writer):
    run = started(writer, note("old"))
    made = Workflow.objects.get()
    made.actions = [note("new")]
    made.save()
    assert made.version == 2
    (run,) = finish(run)
    assert [a.subject for a in Activity.objects.all()] == ["old"]
    assert [(v.number, v.actions[0]["key"]) for v in WorkflowVersion.objects.order_by("number")] == [
        (1, "old"),
        (2, "new"),
    ]


def test_only_a_change_of_the_definition_makes_a_version(writer):
    made = workflow(writer, note())
    made.name = "Other"
    made.save()
    assert (made.version, WorkflowVersion.objects.count()) == (1, 1)


def test_a_workflow_that_raw_sql_made_has_its_version_when_it_runs(writer):
    made = workflow(writer, note())
    from nexora.kernel.scope import unscoped

    with unscoped(reason="test data"):
        WorkflowVersion.objects.unpublished("test data").delete()
    Customer(name="Ada").save()
    (run,) = finish(*runs(made))
    assert run.status == "completed" and run.version.number == 1


def test_a_run_of_many_steps_makes_way_for_others(writer, monkeypatch):
    monkeypatch.setattr(advancing, "STEPS_A_TURN", 2)
    run = started(writer, *[note(f"n{number}") for number in range(5)])
    (run,) = finish(run)
    assert (run.state, WorkflowStep.objects.count()) == ("ready", 2)
    finish(run)
    (run,) = finish(run)
    assert run.status == "completed" and Activity.objects.count() == 5


# -- Whose rights


def test_an_owner_who_is_closed_switches_the_workflow_off_and_the_admins_are_told(writer, admin):
    person = UserFactory(role="user", name="Ada")
    made = workflow(person, note())
    Customer(name="x").save()
    person.status = "inactive"
    person.save()
    made.refresh_from_db()
    assert made.enabled is False and "Ada, is inactive" in made.notice
    assert [(n.user_id, "switched off" in n.text) for n in Notification.objects.all()] == [(admin.pk, True)]
    (run,) = finish(*runs(made))
    assert run.status == "failed" and "is inactive" in run.error
    Customer(name="y").save()
    assert len(runs(made)) == 1


def test_an_owner_who_becomes_a_guest_may_have_no_workflows(writer):
    person = UserFactory(role="user")
    made = workflow(person, note())
    person.role = "guest"
    person.save()
    made.refresh_from_db()
    assert made.enabled is False and "guest" in made.notice


def test_switching_it_on_again_clears_the_notice(writer):
    made = workflow(writer, note(), enabled=False, notice="Something.")
    made.enabled = True
    made.save()
    assert Workflow.objects.get().notice is None


def test_who_is_given_a_workflow_has_to_switch_it_on(writer, admin):
    made = workflow(UserFactory(role="user"), note())
    made.created_by = admin
    made.save()
    made.refresh_from_db()
    assert made.enabled is False and "was given to Admin" in made.notice
    assert [notice.user_id for notice in Notification.objects.all()] == [admin.pk]
    Customer(name="x").save()
    assert runs(made) == []


# -- Circles


def renames(key="rename", resource="customers"):
    return {
        "key": key,
        "type": "record.update",
        "with": {"resource": resource, "values": {"name": "{{ record.name }}!"}},
    }


def test_a_workflow_that_triggers_itself_is_stopped(writer):
    made = workflow(writer, renames(), trigger={"type": "record.updated", "resource": "customers"})
    customer = CustomerFactory(name="Ada")
    customer.name = "Eve"
    customer.save()
    for _ in range(5):
        finish(*runs(made))
    assert len(runs(made)) == 1 and Customer.objects.get().name == "Eve!"


def test_two_workflows_that_trigger_each_other_are_stopped(writer):
    trigger = {"type": "record.updated", "resource": "customers"}
    first, second = (workflow(writer, renames(), trigger=trigger, name=name) for name in ("A", "B"))
    customer = CustomerFactory(name="Ada")
    customer.name = "Eve"
    customer.save()
    for _ in range(6):
        finish(*[run for run in runs() if not run.is_over])
    # Each by the change, and each once by the other.
    assert all(run.is_over for run in runs()) and len(runs(first)) == len(runs(second)) == 2
    assert {run.depth for run in runs()} == {0, 1}
    child = next(run for run in runs() if run.depth == 1)
    assert child.parent is not None and child.parent.workflow_id != child.workflow_id


def test_a_chain_of_runs_is_at_most_three_deep(writer):
    create = {"key": "c", "type": "record.create", "with": {"resource": "customers", "values": {"name": "next"}}}
    made = workflow(writer, create)
    Customer(name="first").save()
    for _ in range(8):
        finish(*[run for run in runs(made) if not run.is_over])
    assert sorted(run.depth for run in runs(made)) == [0, 1, 2, 3]


def test_more_than_sixty_runs_in_a_minute_switch_it_off_with_a_notice(writer):
    with clock.frozen_at(NOON):
        made = workflow(writer, note())
    for number in range(65):
        with clock.frozen_at(NOON + timedelta(milliseconds=number)):
            Customer(name=f"C {number}").save()
    made.refresh_from_db()
    assert len(runs(made)) == 60
    assert made.enabled is False and "60 times within a minute" in made.notice
    (notice,) = Notification.objects.all()
    assert notice.user_id == writer.pk and notice.record_id == made.pk
    assert Customer.objects.count() == 65


def test_sixty_in_each_of_two_minutes_are_no_circle(writer):
    made = workflow(writer, note())
    for minute in range(2):
        for number in range(60):
            with clock.frozen_at(NOON + timedelta(minutes=2 * minute, milliseconds=number)):
                Customer(name=f"C {number}").save()
    made.refresh_from_db()
    assert made.enabled and len(runs(made)) == 120


# -- The end


@pytest.mark.parametrize("status", ["completed", "failed", "cancelled"])
def test_a_run_that_is_over_never_changes(writer, status):
    run = started(writer, note())
    checkpoints.end(locks.locked(run.pk), WorkflowExecution.Status(status))
    before = WorkflowExecution.objects.filter(pk=run.pk).values().get()
    finish(run)
    advancing.look_after(run.pk)
    with pytest.raises(AssertionError, match="stays so"):
        checkpoints.end(locks.locked(run.pk), checkpoints.Status.COMPLETED)
    assert WorkflowExecution.objects.filter(pk=run.pk).values().get() == before
    assert not Activity.objects.exists()


def test_a_run_whose_worker_is_silent_gets_a_job_again_and_not_for_ever(writer, monkeypatch):
    jobs = []
    monkeypatch.setattr(turns, "enqueue", lambda task, **options: jobs.append(options["execution_id"]) or 1)
    with clock.frozen_at(NOON):
        run = started(writer, note())
        WorkflowExecution.objects.filter(pk=run.pk).unpublished("test data").update(state="stepping")
        jobs.clear()
        advancing.look_after(run.pk)
        assert jobs == []
    for minute in range(2, 8):
        with clock.frozen_at(NOON + timedelta(minutes=minute)):
            advancing.look_after(run.pk)
    # The last finds it over.
    assert jobs == [run.pk] * (advancing.MOST_RESCUES + 1)
    run.refresh_from_db()
    assert run.status == "failed" and "was lost at least 5 times" in run.error


def test_who_waits_in_line_is_let_in_as_others_end(writer, monkeypatch):
    monkeypatch.setattr(turns, "READY_RUNS", 2)
    workflow(writer, note())
    for number in range(4):
        Customer(name=f"C {number}").save()
    assert [run.state for run in runs()] == ["ready", "ready", "pending", "pending"]
    finish(runs()[0])
    assert [run.state for run in runs()] == ["completed", "ready", "ready", "pending"]
    finish(*runs())
    finish(*runs())
    assert {run.status for run in runs()} == {"completed"}


def test_places_in_line_that_were_forgotten_are_filled_once_a_minute(writer):
    run = started(writer, note())
    WorkflowExecution.objects.filter(pk=run.pk).unpublished("test data").update(state="pending", resume_at=None)
    upkeep.run_due()
    run.refresh_from_db()
    assert run.state == "ready"


def test_the_jobs_of_a_tenant_with_many_runs_come_after_those_of_one_with_few(writer):
    from procrastinate.contrib.django.models import ProcrastinateJob as Job

    workflow(writer, note(), runs_per_minute=1_000)
    for number in range(5):
        Customer(name=f"C {number}").save()
    found = Job.objects.filter(task_name__endswith="advance_execution").order_by("id")
    assert list(found.values_list("priority", flat=True)) == [0, -1, -2, -3, -4]
