"""Steps that share a transaction: which do, what becomes of them when one fails, and who is let between."""

import pytest
from django.db import connection

from apps.accounts.models import AuditEvent, User
from apps.crm.models import Activity, Customer
from apps.tenants.models import Tenant
from apps.workflows.definition.registry import Action, StepFailed, actions
from apps.workflows.engine import advancing, checkpoints, locks
from apps.workflows.models import Workflow, WorkflowExecution, WorkflowStep
from apps.workflows.services.control import run_workflow
from nexora.kernel import events
from nexora.kernel.scope import unscoped
from tests.database import another_session
from tests.factories import CustomerFactory, UserFactory
from tests.workflows.flows import acts, finish, note, runs, steps, workflow

pytestmark = pytest.mark.django_db


@pytest.fixture
def writer(in_acme, manager):
    with acts(manager):
        yield manager


@pytest.fixture
def transactions(monkeypatch):
    """[[path, …]] of the steps of each transaction that was not undone."""
    seen = []
    inner = advancing.Together.do

    def do(together):
        before = set(WorkflowStep.objects.values_list("path", flat=True))
        inner(together)
        found = WorkflowStep.objects.exclude(path__in=before).order_by("path")
        seen.append(list(found.values_list("path", flat=True)))

    monkeypatch.setattr(advancing.Together, "do", do)
    return seen


def started(writer, *given):
    made = workflow(writer, *given)
    Customer(name="Ada").save()
    return runs(made)[-1]


def change(key, **values):
    return {"key": key, "type": "record.update", "with": {"resource": "customers", "values": values}}


def failing(key, **options):
    given = {"resource": "customers", "record": "{{ record.id }}", "values": {"email": "no address"}}
    return {"key": key, "type": "record.update", "with": given, **options}


def test_what_only_adds_shares_a_transaction_with_what_changes_one_record(writer, transactions):
    run = started(writer, note("a"), change("b", company="X"), note("c"), note("d"))
    (run,) = finish(run)
    assert run.status == "completed" and transactions == [["0", "1", "2", "3"]]
    assert [step.attempts for step in steps(run)] == [1, 1, 1, 1]


def test_two_that_change_records_have_one_each(writer, transactions):
    run = started(writer, note("a"), change("b", company="X"), note("c"), change("d", company="Y"), note("e"))
    finish(run)
    assert transactions == [["0", "1", "2"], ["3", "4"]]
    assert Customer.objects.get().company == "Y"


@pytest.mark.parametrize(
    "limit, value, expected",
    [
        ("MOST_TOGETHER", 2, [["0", "1"], ["2", "3"], ["4"]]),
        ("SECONDS_TOGETHER", -1, [["0"], ["1"], ["2"], ["3"], ["4"]]),
    ],
)
def test_it_is_short(limit, value, expected, writer, transactions, monkeypatch):
    monkeypatch.setattr(advancing, limit, value)
    finish(started(writer, *[note(f"n{number}") for number in range(5)]))
    assert transactions == expected


def test_one_that_fails_undoes_none_before_it(writer, transactions):
    run = started(writer, note("a"), note("b"), failing("c"), note("d"))
    (run,) = finish(run)
    assert (run.status, run.error[:2]) == ("failed", "c:")
    assert [(step.key, step.status, step.attempts) for step in steps(run)] == [
        ("a", "completed", 1),
        ("b", "completed", 1),
        ("c", "failed", 1),
    ]
    # Done, undone, and done again, without the one that fails.
    assert transactions == [["0", "1"]]
    assert sorted(Activity.objects.values_list("subject", flat=True)) == ["a", "b"]


def test_after_one_that_may_fail_the_run_goes_on(writer):
    run = started(writer, note("a"), failing("b", on_error="continue"), note("c"))
    (run,) = finish(run)
    assert run.status == "completed"
    assert [(step.key, step.status) for step in steps(run)] == [("a", "completed"), ("b", "failed"), ("c", "completed")]
    assert sorted(Activity.objects.values_list("subject", flat=True)) == ["a", "c"]


def test_whoever_reads_the_changes_may_refuse_one_step(writer, monkeypatch):
    asked = []

    def refuse(changes):
        asked.append([change.label for change in changes if change.model is Activity])
        if asked[-1] == ["b"]:
            raise StepFailed("Never b.")

    monkeypatch.setattr(events, "_readers", [*events._readers, refuse])
    run = started(writer, note("a"), note("b"), note("c"))
    asked.clear()
    (run,) = finish(run)
    assert (run.status, run.error) == ("failed", "b: Never b.")
    assert [(step.key, step.status) for step in steps(run)] == [("a", "completed"), ("b", "failed")]
    assert asked[:3] == [["a"], ["b"], ["a"]]
    assert list(Activity.objects.values_list("subject", flat=True)) == ["a"]


class Disturbing(Action):
    """`happens` while it is done."""

    type = "test.disturbing"
    title = "For tests"
    locks = False
    happens = None

    @classmethod
    def perform(cls, step, given):
        cls.happens(step)


@pytest.fixture
def during(monkeypatch):
    def set_to(happens):
        monkeypatch.setitem(actions, Disturbing.type, Disturbing)
        monkeypatch.setattr(Disturbing, "happens", happens)
        return {"key": "disturbed", "type": "test.disturbing"}

    return set_to


def test_it_ends_where_somebody_wants_to_come_between(writer, transactions, during):
    with another_session() as session, session.cursor() as cursor:

        def cancelled(step):
            # As cancel_run() does, which then waits for the row.
            cursor.execute("SELECT pg_advisory_lock(hashtextextended(%s::text, 1))", [str(step.run.pk)])

        finish(started(writer, note("a"), during(cancelled), note("b"), note("c")))
    # And no further one shares while they wait.
    assert transactions == [["0", "1"], ["2"], ["3"]]


def test_what_is_looked_for_is_given_back_at_once(writer):
    run = started(writer, note("a"))
    run = locks.locked(run.pk)
    assert locks.may_keep(run)
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()")
        assert cursor.fetchone() == (1,)  # `locked`'s own, until the transaction ends


@pytest.mark.parametrize("column, value", [("role", "guest"), ("status", "inactive")])
def test_the_next_step_is_not_done_with_rights_that_are_gone(column, value, writer, during, transactions):
    def changed(step):
        User.objects.filter(pk=writer.pk).unpublished("test").update(**{column: value})

    run = started(writer, note("a"), during(changed), note("b"))
    (run,) = finish(run)
    assert run.status == "failed" and value in run.error
    assert transactions[0] == ["0", "1"]
    assert list(Activity.objects.values_list("subject", flat=True)) == ["a"]


def test_a_workflow_that_is_taken_over_goes_no_further(writer, during, in_acme):
    other = UserFactory(tenant=in_acme, role="manager")

    def taken(step):
        Workflow.objects.filter(pk=step.workflow.pk).unpublished("test").update(created_by=other)

    (run,) = finish(started(writer, during(taken), note("b")))
    assert run.status == "failed" and "no longer owns" in run.error
    assert not Activity.objects.exists()


def test_an_organisation_that_is_suspended_has_nothing_done_for_it(writer, during, in_acme):
    def suspended(step):
        with unscoped(reason="test"):
            Tenant.objects.filter(pk=in_acme.pk).unpublished("test").update(status="suspended")

    (run,) = finish(started(writer, during(suspended), note("b")))
    assert (run.status, run.state) == ("running", "stepping")
    assert not Activity.objects.exists()


def test_the_trail_and_other_workflows_hear_of_each_change_once(writer):
    """Both steps' changes are told together, at the end."""
    other = workflow(writer, note("heard"), trigger={"type": "record.updated", "resource": "customers"})
    customer = CustomerFactory(tenant=writer.tenant, name="Bea")
    made = workflow(writer, note("a"), change("b", company="X"), trigger={"type": "manual", "resource": "customers"})
    (run,), _ = run_workflow(actor=writer, workflow=made, ids=[customer.pk])
    (run,) = finish(run)
    (child,) = runs(other)
    assert (child.parent_id, child.depth) == (run.pk, 1)
    assert child.input["changes"]["company"][1] == "X"
    trail = AuditEvent.objects.filter(actor_label__contains="by the workflow").order_by("created_at")
    assert list(trail.values_list("action", "record_label")) == [("created", "a"), ("updated", "Bea")]


def test_what_is_noted_of_another_run_meanwhile_is_stored_at_once(writer, during):
    """And that one's end is not taken for granted: this transaction has not locked it."""
    other = started(writer, note("other"))
    ended = []

    def end_other(step):
        checkpoints.end(WorkflowExecution.objects.get(pk=other.pk), checkpoints.Status.CANCELLED)
        ended.append(WorkflowExecution.objects.get(pk=other.pk).status)
        with pytest.raises(AssertionError, match="is cancelled and stays so"):
            checkpoints.end(other, checkpoints.Status.COMPLETED)

    (run,) = finish(started(writer, note("a"), during(end_other), note("b")))
    assert ended == ["cancelled"]
    assert run.status == "completed"
    assert [step.key for step in steps(run)] == ["a", "disturbed", "b"]
    assert steps(other) == []
