"""Pages of runs and their steps; cancelling, retrying and replaying them."""

from datetime import UTC, datetime, timedelta

import pytest

from apps.crm.models import Activity, Customer
from apps.workflows.admin import timeline
from apps.workflows.models import Workflow, WorkflowExecution
from nexora.kernel import clock
from nexora.kernel.scope import tenant_scope
from tests.admin_pages import change, said
from tests.factories import WorkflowExecutionFactory, WorkflowFactory, WorkflowStepFactory
from tests.workflows.flows import acts, finish, note, workflow

pytestmark = pytest.mark.django_db

LIST = "/admin/workflows/workflowexecution/"
STEPS = "/admin/workflows/workflowstep/"
BUTTONS = ("cancel", "retry", "replay")
NOON = datetime(2026, 11, 26, 9, 30, tzinfo=UTC)
A_DAY = {"key": "wait", "type": "wait", "with": {"for": "P1D"}}
BROKEN = {"key": "broken", "type": "record.update", "with": {"resource": "customers", "values": {"email": "x"}}}


@pytest.fixture
def ran(acme):
    """`ran(owner, *actions)`: a run about a new customer, as far as a worker gets with it."""

    def make(owner, *actions, name="Welcome a new lead", **values):
        with tenant_scope(acme), clock.frozen_at(NOON):
            made = workflow(owner, *actions, name=name, **values)
            with acts(owner):
                Customer(name="Ada").save()
            return finish(*WorkflowExecution.objects.filter(workflow=made))[0]

    return make


def buttons(page, run):
    return [name for name in BUTTONS if f'href="{change(run, name)}"' in page.content.decode()]


def facts(page):
    return dict(page.context["facts"])


def fresh(run):
    with tenant_scope(run.tenant_id):
        return WorkflowExecution.objects.get(pk=run.pk)


# -- The page


def test_a_run_is_called_by_its_workflow_and_its_time(browser, admin, ran):
    run = ran(admin, note())
    page = browser.get(change(run))
    assert page.context["subtitle"] == "Welcome a new lead, 26 Nov 2026 09:30"


def test_a_run_shows_what_each_step_was_given_and_gave(browser, admin, ran, acme):
    fork = {"key": "fork", "type": "branch", "with": {"if": {"path": "record.name", "op": "eq", "value": "Ada"},
            "then": [note("inner", subject="For {{ record.name }}")], "else": [note("never")]}}  # fmt: skip
    skipped = note("skipped") | {"when": {"path": "record.name", "op": "eq", "value": "Eve"}}
    run = ran(admin, fork, skipped, BROKEN)
    page = browser.get(change(run))
    steps = {step.key: step for step in page.context["first"]}
    assert [(step.key, step.path, step.status) for step in steps.values()] == [
        ("fork", "0", "Completed"),
        ("inner", "0.then.0", "Completed"),
        ("skipped", "1", "Skipped"),
        ("broken", "2", "Failed"),
    ]
    assert "For Ada" in steps["inner"].given and '"taken": "then"' in steps["fork"].gave
    assert "email" in steps["broken"].error and steps["broken"].failures[0][:2] == (1, "26 Nov 2026, 09:30")
    drawn = page.context["diagram"]
    assert [box.tone for box in drawn.boxes] == ["success", "skipped", "danger"] and drawn.end == "Failed"
    assert [inside[0].is_left_out for _, inside in drawn.boxes[0].blocks] == [False, True]
    found = facts(page)
    with tenant_scope(acme):
        assert f'href="{change(Customer.objects.get())}"' in found["Record"] and "Customer: " in found["Record"]
        assert change(run.workflow) in found["Workflow"]
    assert found["Began with"] == "A record is created" and ">1<" in found["Version"]
    assert "broken: email" in page.content.decode()


def test_a_run_that_sleeps_says_until_when(browser, admin, ran):
    run = ran(admin, A_DAY, note())
    with tenant_scope(run.tenant_id):
        addresses = [change(run), LIST, change(run.workflow)]
    for address in addresses:
        assert "Waiting until 27 Nov 2026, 09:30" in browser.get(address).content.decode()


@pytest.mark.parametrize(
    ("state", "sentence"),
    [
        ("pending", "In line"), ("ready", "About to begin"), ("stepping", "At work"),
        ("calling", "answer from outside"),
        ("retrying", "Trying again at 26 Nov 2026, 09:30, attempt 2"), (None, ""),
    ],
)  # fmt: skip
def test_the_state_is_told_in_words(browser, acme, state, sentence):
    run = WorkflowExecutionFactory(tenant=acme, status="running", state=state, resume_at=NOON, attempt=2)
    assert sentence in browser.get(change(run)).content.decode()
    assert sentence in browser.get(LIST).content.decode()


def test_a_run_keeps_to_its_version_and_is_drawn_by_it(browser, admin, ran, acme):
    run = ran(admin, note("former"))
    with tenant_scope(acme), acts(admin):
        made = Workflow.objects.get()
        made.actions = [note("latter")]
        made.save()
    assert [box.key for box in browser.get(change(run)).context["diagram"].boxes] == ["former"]


def test_secrets_in_what_a_run_was_given_are_not_shown(browser, acme):
    given = {"trigger": {"type": "webhook", "body": {"password": "hunter2", "name": "Ada"}}}
    run = WorkflowExecutionFactory(tenant=acme, input=given, output={"steps": {"a": {"api_key": "hunter2"}}})
    text = browser.get(change(run)).content.decode()
    assert "hunter2" not in text and "[redacted]" in text and "Ada" in text
    assert "hunter2" not in b"".join(browser.get(f"{LIST}export/").streaming_content).decode()


def test_what_runs_wrote_is_text(browser, acme):
    evil = "<script>alert(1)</script>"
    run = WorkflowExecutionFactory(tenant=acme, error=evil, status="failed", input={"trigger": {"type": evil}})
    failures = [{"attempt": evil, "at": evil, "error": evil}, "nonsense"]
    step = WorkflowStepFactory(
        tenant=acme,
        execution=run,
        key=evil,
        type=evil[:50],
        error=evil,
        input={evil: evil},
        output=evil,
        failures=failures,
    )
    for address in (change(run), change(step), LIST, STEPS):
        assert evil not in browser.get(address).content.decode()


@pytest.mark.parametrize("given", [None, [], "text", {"trigger": 1}, {"trigger": {"type": []}}])
def test_a_run_that_the_engine_did_not_make_opens(browser, root, admin_client_for, acme, given):
    run = WorkflowExecutionFactory(
        tenant=acme, input=given, output=given, started_at=None, resource="nonsense", record_id=acme.pk, position=given
    )
    for client in (browser, admin_client_for(root)):
        text = client.get(change(run)).content.decode()
        assert "No step of it is kept." in text and "which is gone" in text


def test_runs_that_led_to_one_another_are_linked(browser, acme):
    made = WorkflowFactory(tenant=acme)
    first = WorkflowExecutionFactory(tenant=acme, workflow=made, status="failed")
    child = WorkflowExecutionFactory(tenant=acme, workflow=made, parent=first, depth=1)
    again = WorkflowExecutionFactory(tenant=acme, workflow=made, retry_of=first)
    found = facts(browser.get(change(first)))
    assert change(child) in found["Has started"] and change(again) in found["Retried by"]
    assert change(first) in facts(browser.get(change(child)))["Started by"]
    assert change(first) in facts(browser.get(change(again)))["Retry of"]


def test_of_a_long_run_the_first_and_the_last_steps_are_shown(browser, acme, monkeypatch):
    monkeypatch.setattr(timeline, "FIRST", 4)
    monkeypatch.setattr(timeline, "LAST", 2)
    run = WorkflowExecutionFactory(tenant=acme)
    shown = []
    for number in range(7):
        WorkflowStepFactory(
            tenant=acme, execution=run, path=f"0#{number}.do.0", key=f"s{number}", started_at=NOON + timedelta(number)
        )
        context = browser.get(change(run)).context
        shown.append((*([step.key for step in context[name]] for name in ("first", "last")), context["is_cut"]))
    first = ["s0", "s1", "s2", "s3"]
    assert shown[3:] == [
        (first, [], False),
        (first, ["s4"], False),
        (first, ["s4", "s5"], False),
        (first, ["s5", "s6"], True),
    ]


def test_a_run_costs_the_same_however_many_steps_it_has(browser, acme, django_assert_max_num_queries):
    run = WorkflowExecutionFactory(tenant=acme)
    WorkflowStepFactory.create_batch(30, tenant=acme, execution=run)
    browser.get(change(run))
    with django_assert_max_num_queries(16):
        browser.get(change(run))


def test_no_form_writes_a_run(browser, manager, admin_client_for, acme):
    run = WorkflowExecutionFactory(tenant=acme)
    for client in (browser, admin_client_for(manager)):
        assert b'name="_save"' not in client.get(change(run)).content
        assert client.post(change(run), {"status": "cancelled"}).status_code == 403


# -- Steps


def test_steps_of_all_runs_are_found_by_action_and_status(browser, acme):
    run = WorkflowExecutionFactory(tenant=acme, workflow=WorkflowFactory(tenant=acme, name="Flow"))
    failed = WorkflowStepFactory(
        tenant=acme, execution=run, key="mail", type="email.send", status="failed", error="No."
    )
    WorkflowStepFactory(tenant=acme, execution=run, key="other")
    for query in ({"type": "email.send"}, {"status__exact": "failed"}):
        found = browser.get(STEPS, query | {"execution__id__exact": str(run.pk)}).context["cl"].result_list
        assert [step.pk for step in found] == [failed.pk]
    text = browser.get(change(failed)).content.decode()
    assert "Send an email" in text and "No." in text and change(run) in text


# -- Buttons


def test_buttons_are_those_that_the_run_can_take(browser, acme, admin):
    made = WorkflowFactory(tenant=acme, created_by=admin)
    for status, names in {
        "running": ["cancel"], "failed": ["retry", "replay"], "completed": ["replay"], "cancelled": ["replay"],
    }.items():  # fmt: skip
        run = WorkflowExecutionFactory(tenant=acme, workflow=made, owner=admin, status=status)
        assert buttons(browser.get(change(run)), run) == names


def test_buttons_are_for_whoever_may_change_the_workflow(
    admin, manager, member, colleague, root, ran, admin_client_for
):
    mine, above = ran(member, A_DAY), ran(admin, A_DAY)
    for person, run, names in (
        (member, mine, ["cancel"]), (colleague, mine, []), (manager, mine, ["cancel"]), (root, mine, []),
        (member, above, []), (manager, above, []), (admin, above, ["cancel"]),
    ):  # fmt: skip
        client = admin_client_for(person)
        assert buttons(client.get(change(run)), run) == names
        if not names:
            assert [client.post(change(run, name)).status_code for name in BUTTONS] == [403, 403, 403]
    assert fresh(mine).status == fresh(above).status == "running"


def test_looking_at_a_button_does_nothing(browser, admin, ran):
    run = ran(admin, A_DAY)
    assert "Cancel the run" in browser.get(change(run, "cancel")).content.decode()
    assert fresh(run).status == "running"


def test_a_run_is_cancelled(browser, admin, ran):
    run = ran(admin, A_DAY, note())
    answer = browser.post(change(run, "cancel"))
    assert answer.headers["Location"] == change(run) and said(answer) == "It is cancelled."
    assert fresh(run).status == "cancelled"
    again = browser.post(change(run, "cancel"))
    assert again.headers["Location"] == change(run) and "cancelled and stays so" in said(again)


def test_a_failed_run_is_retried_once(browser, admin, ran, acme):
    run = ran(admin, note(), BROKEN)
    answer = browser.post(change(run, "retry"))
    with tenant_scope(acme):
        retry = WorkflowExecution.objects.get(retry_of=run)
    assert answer.headers["Location"] == change(retry)
    assert "retried already" in said(browser.post(change(run, "retry")))


def test_a_run_is_replayed(browser, admin, ran, acme):
    run = ran(admin, note())
    answer = browser.post(change(run, "replay"))
    with tenant_scope(acme):
        replay = WorkflowExecution.objects.exclude(pk=run.pk).get()
        finish(replay)
        assert Activity.objects.count() == 2
    assert answer.headers["Location"] == change(replay)


@pytest.mark.parametrize("name", ["retry", "replay"])
@pytest.mark.parametrize("given", [None, [], {"trigger": 1}, {"deal": "1"}])
def test_a_run_that_the_engine_did_not_make_is_refused_or_replayed_and_no_fault(browser, admin, acme, name, given):
    made = WorkflowFactory(tenant=acme, created_by=admin)
    run = WorkflowExecutionFactory(tenant=acme, workflow=made, status="failed", input=given)
    assert browser.post(change(run, name)).status_code == 302


def test_a_record_that_is_gone_is_named_by_its_id(browser, admin, ran, acme):
    run = ran(admin, note())
    with tenant_scope(acme):
        Customer.objects.get().delete()
    assert facts(browser.get(change(run)))["Record"] == f"customers: {run.record_id}, which is gone"


def test_lists_lead_from_a_workflow_to_its_runs(browser, admin, ran, acme):
    with clock.frozen_at(NOON + timedelta(days=3)):
        run = ran(admin, note())
        WorkflowExecutionFactory(tenant=acme)
        with tenant_scope(acme):
            address = change(run.workflow)
        (all_runs, *_) = browser.get(address).context["panel"].figures
    assert [one.pk for one in browser.get(all_runs.link).context["cl"].result_list] == [run.pk]
