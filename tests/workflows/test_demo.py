"""The demo's workflows and runs: what the engine itself would have stored, and will go on with."""

import json
from datetime import datetime, timedelta
from functools import cache

import pytest
from django.core import mail
from django.core.management import call_command

from apps.accounts.models import Notification, User
from apps.crm.models import Activity, Customer
from apps.tenants.models import Tenant
from apps.workflows.definition.check import check_definition
from apps.workflows.engine import advancing, positions
from apps.workflows.models import Workflow, WorkflowExecution, WorkflowStep
from apps.workflows.services import control, upkeep
from nexora.kernel import clock
from nexora.kernel.scope import tenant_scope, unscoped
from tests.test_fixtures import FILES, FIXTURES
from tests.workflows.flows import acts, finish, runs

OPEN = {"running", "waiting", "retrying"}


@cache
def rows(model):
    """{key: {"pk", column: value}} of the demo's records of a model."""
    found = [record for path in FIXTURES.glob("*.json") for record in json.loads(path.read_text())]
    return {one["pk"]: {"pk": one["pk"], **one["fields"]} for one in found if one["model"] == model}


def shown(key):
    row = rows("workflows.workflow").get(key) or rows("workflows.workflowexecution").get(key)
    return f"{row.get('name') or row['started_at']}-{key[:8]}" if row else key[:8]


VERSIONS = rows("workflows.workflowversion")
RUNS = rows("workflows.workflowexecution")


def steps_of(run):
    found = [step for step in rows("workflows.workflowstep").values() if step["execution"] == run["pk"]]
    return sorted(found, key=lambda step: datetime.fromisoformat(step["started_at"]))


# -- As written


@pytest.mark.parametrize(
    "key", VERSIONS, ids=lambda key: f"{shown(VERSIONS[key]['workflow'])}-{VERSIONS[key]['number']}"
)
def test_every_definition_is_one_that_its_owner_could_save(key):
    version = VERSIONS[key]
    person = rows("accounts.user")[rows("workflows.workflow")[version["workflow"]]["created_by"]]
    assert person["status"] == "active"
    owner = User(pk=person["pk"], role=person["role"], tenant_id=person["tenant"], status=person["status"])
    check_definition(trigger=version["trigger"], actions=version["actions"], owner=owner)


def test_a_workflow_is_what_its_last_version_says():
    for workflow in rows("workflows.workflow").values():
        own = {one["number"]: one for one in VERSIONS.values() if one["workflow"] == workflow["pk"]}
        assert sorted(own) == list(range(1, workflow["version"] + 1))
        last = own[workflow["version"]]
        assert (last["trigger"], last["actions"]) == (workflow["trigger"], workflow["actions"])


@pytest.mark.parametrize("key", RUNS, ids=shown)
def test_a_run_hangs_together(key):
    run, version = RUNS[key], VERSIONS[RUNS[key]["version"]]
    steps = steps_of(run)
    assert version["created_at"] <= run["started_at"] and run["input"]["trigger"]["type"] == version["trigger"]["type"]
    assert run["state"] == ("waiting" if run["status"] == "running" else run["status"])
    assert (run["completed_at"] is None) == (run["status"] == "running") == (run["resume_at"] is not None)
    began = datetime.fromisoformat(run["started_at"])
    for step in steps:
        stack = [{"at": int(step["path"].split(".")[0])}]
        for block, at in zip(step["path"].split(".")[1::2], step["path"].split(".")[2::2], strict=True):
            stack.append({"in": block, "at": int(at)})
        action, path = positions.current(stack, version["actions"])
        assert (action["key"], action["type"], path) == (step["key"], step["type"], step["path"])
        assert (step["status"] in OPEN) == (step["completed_at"] is None)
        assert began <= datetime.fromisoformat(step["started_at"])
        began = datetime.fromisoformat(step["completed_at"] or step["started_at"])
    if run["completed_at"]:
        assert began == datetime.fromisoformat(run["completed_at"])
    given = {step["key"]: step["output"] for step in steps if step["output"] is not None}
    before = RUNS[run["retry_of"]]["output"]["steps"] if run["retry_of"] else {}
    assert (run["output"] or {"steps": {}})["steps"] == before | given
    over = [step["status"] for step in steps if step["status"] not in ("completed", "skipped")]
    assert over == {"completed": [], "running": ["waiting"]}.get(run["status"], [run["status"]])
    if run["status"] == "failed":
        assert run["error"] == f"{steps[-1]['key']}: {steps[-1]['error']}"


@pytest.mark.parametrize("key", RUNS, ids=shown)
def test_what_a_run_has_made_is_there(key):
    run = RUNS[key]
    made = [output["activity"] for output in run["output"]["steps"].values() if "activity" in output]
    for activity in made:
        assert rows("crm.activity")[activity]["created_by"] == run["owner"]
    if run["record_id"]:
        noun = {"customers": "crm.customer", "deals": "crm.deal", "activities": "crm.activity"}[run["resource"]]
        assert rows(noun)[run["record_id"]]["tenant"] == run["tenant"]


# -- As loaded


@pytest.fixture
def demo(transactional_db):
    call_command("loaddata", *FILES, verbosity=0)
    with unscoped(reason="look"):
        acme = Tenant.objects.get(subdomain="acme")
    with tenant_scope(acme):
        yield acme


def test_the_engine_goes_on_with_what_waits(demo):
    waiting = list(WorkflowExecution.objects.filter(status="running").order_by("resume_at"))
    assert len(waiting) > 3
    told = Notification.objects.count()
    for run in waiting:
        with clock.frozen_at(run.resume_at - timedelta(seconds=1)):
            advancing.advance(run.pk)
        run.refresh_from_db()
        assert run.status == "running"
        with clock.frozen_at(run.resume_at + timedelta(seconds=1)):
            advancing.advance(run.pk)
        run.refresh_from_db()
        assert run.status == "completed", run.error
        assert run.steps.get(key="escalate").path == "2.then.0"
    assert Notification.objects.count() == told + len(waiting)


def test_a_failed_mail_can_be_sent_by_a_retry(demo):
    failed = WorkflowExecution.objects.get(status="failed", error__startswith="welcome_mail")
    (run,) = finish(control.retry_run(actor=User.objects.get(email="manager@acme.com"), execution=failed))
    assert run.status == "completed", run.error
    assert [message.subject for message in mail.outbox] == ["Thank you for your interest"]


def test_every_run_of_a_workflow_that_is_on_can_be_replayed(demo):
    manager = User.objects.get(email="manager@acme.com")
    for run in WorkflowExecution.objects.filter(workflow__enabled=True).exclude(status="running"):
        again = control.replay_run(actor=manager, execution=run)
        assert (again.resource, again.record_id) == (run.resource, run.record_id)


def test_a_new_lead_is_welcomed(demo):
    seller = User.objects.get(email="user@acme.com")
    with acts(seller):
        Customer(name="Ada Byron", email="ada@byron.example", created_by=seller).save()
    made = runs(Workflow.objects.get(name="Welcome a new lead"))[-1]
    (run,) = finish(made)
    assert run.status == "completed", run.error
    assert Activity.objects.get(subject="Welcome Ada Byron").assigned_to_id == seller.pk
    assert [message.to for message in mail.outbox] == [["ada@byron.example"]]


def test_the_clock_goes_on_where_the_demo_ends(demo):
    """A week later: one list for the Monday, and a reminder of what was due since, no run twice."""
    before = WorkflowExecution.objects.count()
    timed = Workflow.objects.filter(enabled=True, starts_on__in=["schedule", "date.reached"])
    later = timed.get(starts_on="date.reached").next_run_at + timedelta(days=6)
    with clock.frozen_at(later):
        for _ in range(2):
            for workflow in timed:
                upkeep.tick(workflow.pk)
        new = WorkflowExecution.objects.order_by("-started_at")[: WorkflowExecution.objects.count() - before]
        assert {run.workflow.name for run in new} == {"Nudge on sitting offers", "Escalate overdue work"}
        assert len([run for run in new if run.resource is None]) == 1
        assert {run.status for run in finish(*new)} == {"completed", "running"}
    assert WorkflowStep.objects.filter(status="failed", execution__in=new).count() == 0
