"""What people do with workflows and runs, through the API."""

from datetime import UTC, datetime, timedelta

import pytest

from apps.crm.models import Activity, Customer
from apps.workflows.models import Workflow, WorkflowExecution
from nexora.kernel import clock
from nexora.kernel.scope import tenant_scope
from tests.accounts.test_keys import program
from tests.factories import APIKeyFactory, CustomerFactory, DealFactory, WorkflowExecutionFactory
from tests.workflows.flows import acts, finish, note, runs, workflow

pytestmark = pytest.mark.django_db

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
URL = "/api/v1/workflows/"
RUNS = "/api/v1/workflow-executions/"


@pytest.fixture
def inside(acme):
    """`with inside():` in acme's scope."""
    return lambda: tenant_scope(acme)


def manual(owner, *actions, resource=None, **spec):
    trigger = {"type": "manual", **({"resource": resource} if resource else {}), **spec}
    return workflow(owner, *actions, trigger=trigger)


# -- Start


def test_a_workflow_about_no_record_is_started_once(client_for, manager, inside):
    with inside():
        made = manual(manager, note())
    answer = client_for(manager).post(f"{URL}{made.pk}/run/", {})
    assert answer.status_code == 202, answer.json()
    with inside():
        (run,) = finish()
        assert answer.json() == {"executions": [str(run.pk)], "left_out": []}
        assert run.status == "completed" and Activity.objects.count() == 1


def test_a_selection_is_run_record_by_record_and_the_condition_leaves_out(client_for, manager, inside, acme):
    when = {"path": "record.status", "op": "eq", "value": "lead"}
    with inside():
        made = manual(manager, note(subject="{{ record.name }}"), resource="customers", when=when)
        ada, eve = CustomerFactory(name="Ada", status="lead"), CustomerFactory(name="Eve", status="active")
    answer = client_for(manager).post(f"{URL}{made.pk}/run/", {"ids": [str(ada.pk), str(eve.pk)]})
    assert answer.json()["left_out"] == [str(eve.pk)]
    with inside():
        finish()
        assert Activity.objects.get().subject == "Ada"


def test_a_selection_with_an_unknown_record_starts_nothing(client_for, manager, inside, globex):
    with inside():
        made = manual(manager, note(), resource="customers")
        known = CustomerFactory()
    theirs = CustomerFactory(tenant=globex)
    client = client_for(manager)
    for ids in ([str(known.pk), str(theirs.pk)], [], [str(DealFactory(customer=known).pk)]):
        assert client.post(f"{URL}{made.pk}/run/", {"ids": ids}).status_code == 400
    assert client.post(f"{URL}{made.pk}/run/", {"ids": [str(known.pk)] * 2}).status_code == 400
    with inside():
        assert runs() == []


def test_only_who_may_change_a_workflow_runs_it(client_for, manager, colleague, member, guest, inside):
    with inside():
        made = manual(colleague, note())
        above = manual(manager, note())
    assert client_for(colleague).post(f"{URL}{made.pk}/run/", {}).status_code == 202
    assert client_for(manager).post(f"{URL}{made.pk}/run/", {}).status_code == 202
    assert client_for(member).post(f"{URL}{made.pk}/run/", {}).status_code == 403
    assert client_for(guest).post(f"{URL}{made.pk}/run/", {}).status_code == 403
    assert client_for(colleague).post(f"{URL}{above.pk}/run/", {}).status_code == 403


def test_a_workflow_that_is_off_is_not_run(client_for, manager, inside):
    with inside():
        made = workflow(manager, note(), trigger={"type": "manual"}, enabled=False)
    answer = client_for(manager).post(f"{URL}{made.pk}/run/", {})
    assert (answer.status_code, answer.json()["code"]) == (409, "cannot_run")


# -- Who owns it


def test_nobody_of_a_lower_role_changes_what_runs_with_an_admins_rights(client_for, admin, manager, inside):
    with inside():
        made = workflow(admin, note())
    client = client_for(manager)
    assert client.patch(f"{URL}{made.pk}/", {"actions": [note("mine")]}).status_code == 403
    assert client.delete(f"{URL}{made.pk}/").status_code == 403
    assert client.post(f"{URL}{made.pk}/take-over/").status_code == 403
    body = {"ids": [str(made.pk)], "set": {"actions": [note("mine")]}}
    assert client.post(f"{URL}bulk-update/", body).status_code == 403


def test_a_workflow_is_taken_over_and_runs_with_the_new_owners_rights(client_for, manager, colleague, inside):
    with inside():
        made = workflow(colleague, note())
    answer = client_for(manager).post(f"{URL}{made.pk}/take-over/")
    assert answer.status_code == 200 and answer.json()["created_by"] == str(manager.pk)


def test_what_the_new_owner_may_not_do_cannot_be_taken_over(client_for, manager, member, inside):
    raising = {"key": "r", "type": "insight.raise", "with": {"type": "risk", "title": "x"}}
    with inside():
        made = workflow(manager, raising)
        Workflow.objects.filter(pk=made.pk).unpublished("test data").update(created_by=member)
    assert client_for(member).post(f"{URL}{made.pk}/take-over/").status_code == 400


# -- Cancel, retry, replay


def test_a_run_that_waits_is_cancelled_and_stays_so(client_for, manager, inside):
    with inside(), clock.frozen_at(NOON):
        made = workflow(manager, {"key": "wait", "type": "wait", "with": {"for": "P4D"}}, note())
        with acts(manager):
            Customer(name="Ada").save()
        (run,) = finish()
    client = client_for(manager)
    answer = client.post(f"{RUNS}{run.pk}/cancel/")
    assert (answer.status_code, answer.json()["status"]) == (200, "cancelled")
    with inside(), clock.frozen_at(NOON + timedelta(days=5)):
        (run,) = finish()
        assert run.status == "cancelled" and not Activity.objects.exists()
        assert [step.status for step in run.steps.all()] == ["cancelled"]
    answer = client.post(f"{RUNS}{run.pk}/cancel/")
    assert (answer.status_code, answer.json()["code"]) == (409, "run_is_over")
    assert made is not None


def test_a_call_that_is_being_made_is_let_finish_and_then_the_run_is_cancelled(client_for, manager, inside):
    with inside():
        workflow(manager, note())
        with acts(manager):
            Customer(name="Ada").save()
        (run,) = runs()
        later = clock.now() + timedelta(minutes=1)
        found = WorkflowExecution.objects.filter(pk=run.pk).unpublished("test data")
        found.update(state="calling", resume_at=later)
    answer = client_for(manager).post(f"{RUNS}{run.pk}/cancel/").json()
    assert answer["status"] == "running" and answer["cancel_requested_at"]
    with inside():
        WorkflowExecution.objects.filter(pk=run.pk).unpublished("test data").update(state="stepping")
        assert finish()[0].status == "cancelled" and not Activity.objects.exists()


def failing(owner):
    broken = {"key": "broken", "type": "record.update",
              "with": {"resource": "customers", "values": {"email": "{{ record.company }}"}}}  # fmt: skip
    workflow(owner, note("first"), broken, note("last"))
    with acts(owner):
        Customer(name="Ada", company="no address").save()
    (run,) = finish()
    assert run.status == "failed", run.error
    return run


def test_a_failed_run_is_retried_from_the_step_at_which_it_failed(client_for, manager, inside):
    with inside():
        run = failing(manager)
        with acts(manager):
            customer = Customer.objects.get()
            customer.company = "ada@example.com"
            customer.save()
    client = client_for(manager)
    answer = client.post(f"{RUNS}{run.pk}/retry/")
    assert (answer.status_code, answer.json()["retry_of"]) == (202, str(run.pk))
    with inside():
        (again,) = finish(*runs()[1:])
        assert again.status == "completed"
        assert sorted(a.subject for a in Activity.objects.all()) == ["first", "last"]
        assert WorkflowExecution.objects.get(pk=run.pk).status == "failed"
    assert client.post(f"{RUNS}{run.pk}/retry/").json()["code"] == "not_retriable"
    assert client.post(f"{RUNS}{again.pk}/retry/").json()["code"] == "not_retriable"


def test_a_retry_is_as_deep_in_its_chain_as_the_run_that_failed(client_for, manager, inside):
    with inside():
        run = failing(manager)
        above = WorkflowExecutionFactory(workflow=run.workflow, depth=2)
        WorkflowExecution.objects.filter(pk=run.pk).unpublished("test data").update(parent=above, depth=3)
    answer = client_for(manager).post(f"{RUNS}{run.pk}/retry/").json()
    assert (answer["depth"], answer["parent"]) == (3, str(above.pk))


def test_a_run_is_replayed_as_a_new_one_from_the_start(client_for, manager, inside):
    with inside():
        run = failing(manager)
    answer = client_for(manager).post(f"{RUNS}{run.pk}/replay/")
    assert answer.status_code == 202 and answer.json()["input"]["trigger"]["replay_of"] == str(run.pk)
    with inside():
        finish(*runs()[1:])
        assert Activity.objects.count() == 2


def test_a_key_goes_on_with_runs_if_it_writes_them(manager, inside, acme):
    with inside():
        run = failing(manager)
    reader = program(APIKeyFactory(user=manager, scopes=["workflows.workflowexecution:read"]).text)
    assert reader.post(f"{RUNS}{run.pk}/retry/").status_code == 403
    writer = program(APIKeyFactory(user=manager, scopes=["workflows.workflowexecution:write"]).text)
    assert writer.post(f"{RUNS}{run.pk}/retry/").status_code == 202


def test_no_key_takes_a_workflow_over_or_sees_its_secrets(manager, inside, acme):
    with inside():
        made = workflow(manager, note())
    key = program(APIKeyFactory(user=manager, scopes=["*:write"]).text)
    for answer in (
        key.post(f"{URL}{made.pk}/take-over/"),
        key.get(f"{URL}{made.pk}/secrets/"),
        key.post(f"{URL}{made.pk}/secrets/renew/"),
    ):
        assert (answer.status_code, answer.json()["code"]) == (403, "people_only")


def test_a_former_owner_goes_on_with_no_run_in_the_new_owners_name(client_for, member, colleague, inside):
    with inside():
        run = failing(member)
        Workflow.objects.unpublished("test data").update(created_by=colleague)
    for verb in ("cancel", "retry", "replay"):
        assert client_for(member).post(f"{RUNS}{run.pk}/{verb}/").status_code == 403


def test_another_tenants_run_is_as_unknown_as_any(client_for, mallory, acme):
    run = WorkflowExecutionFactory(tenant=acme, status="failed")
    for verb in ("cancel", "retry", "replay"):
        assert client_for(mallory).post(f"{RUNS}{run.pk}/{verb}/").status_code == 404


# -- Try out


def test_a_test_run_shows_what_would_happen_and_changes_nothing(client_for, manager, inside, mailoutbox):
    is_lead = {"path": "record.status", "op": "eq", "value": "lead"}
    fork = {"key": "fork", "type": "branch", "with": {"if": is_lead, "then": [note("inner")]}}
    rename = {"key": "rename", "type": "record.update",
              "with": {"resource": "customers", "values": {"name": "{{ record.name }}!"}}}  # fmt: skip
    mail = {"key": "mail", "type": "email.send", "with": {"to": "x@example.com", "subject": "s", "body": "b"}}
    wait = {"key": "wait", "type": "wait", "with": {"for": "P4D"}}
    when = {"path": "record.name", "op": "eq", "value": "Eve"}
    with inside():
        made = workflow(
            manager, fork, rename, wait, mail, note("end"),
            trigger={"type": "record.updated", "resource": "customers", "when": when},
        )  # fmt: skip
        customer = CustomerFactory(name="Ada", status="lead")
    answer = client_for(manager).post(f"{URL}{made.pk}/test/", {"record": str(customer.pk)})
    assert answer.status_code == 200, answer.json()
    found = answer.json()
    assert (found["starts"], found["status"], found["error"]) == (False, "completed", None)
    assert [(step["key"], step["status"]) for step in found["steps"]] == [
        (key, "completed") for key in ("fork", "inner", "rename", "wait", "mail", "end")
    ]
    assert found["steps"][4]["output"]["would"]["to"] == ["x@example.com"]
    assert found["conditions"][0]["holds"] is False
    with inside():
        assert not Activity.objects.exists() and runs() == [] and Customer.objects.get().name == "Ada"
    assert mailoutbox == []


def test_a_test_run_starts_no_other_workflow_and_leaves_no_trail(client_for, admin, inside, acme):
    from apps.accounts.models import AuditEvent

    with inside():
        made = workflow(admin, note(), trigger={"type": "manual"})
        workflow(admin, note("other"), trigger={"type": "record.created", "resource": "activities"})
        before = AuditEvent.objects.count()
    assert client_for(admin).post(f"{URL}{made.pk}/test/", {}).json()["status"] == "completed"
    with inside():
        assert AuditEvent.objects.count() == before and runs() == []


def test_a_test_run_shows_where_it_would_fail(client_for, manager, inside):
    update = {"key": "broken", "type": "record.update",
              "with": {"resource": "customers", "values": {"email": "{{ record.name }}"}}}  # fmt: skip
    with inside():
        made = workflow(manager, note("first"), update)
        customer = CustomerFactory(name="Ada")
    found = client_for(manager).post(f"{URL}{made.pk}/test/", {"record": str(customer.pk)}).json()
    assert found["status"] == "failed" and found["error"].startswith("broken: email:")
    assert [step["status"] for step in found["steps"]] == ["completed", "failed"]


def test_statistics_count_the_runs_of_the_last_thirty_days(client_for, manager, inside):
    now = clock.now()
    with inside():
        made = workflow(manager, note())
        for status, days in (("completed", 1), ("completed", 2), ("failed", 3), ("running", 0), ("completed", 40)):
            began = now - timedelta(days=days)
            WorkflowExecutionFactory(
                workflow=made, status=status, started_at=began,
                completed_at=None if status == "running" else began + timedelta(seconds=10),
            )  # fmt: skip
    found = client_for(manager).get(f"{URL}{made.pk}/statistics/").json()
    assert (found["runs"], found["completed"], found["failed"], found["running"]) == (4, 2, 1, 1)
    assert (found["success_rate"], found["mean_seconds"]) == (0.6667, 10.0)
