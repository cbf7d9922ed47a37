"""Pages of workflows: what they say, and how they have done."""

import json
from datetime import timedelta

import pytest
from django.urls import reverse

from apps.workflows import gallery
from apps.workflows.models import Workflow, WorkflowExecution, WorkflowVersion
from nexora.kernel import clock
from nexora.kernel.admin import lists
from nexora.kernel.scope import tenant_scope
from tests.admin_pages import change, errors, events, posted, said
from tests.factories import CustomerFactory, WorkflowExecutionFactory, WorkflowFactory, WorkflowVersionFactory
from tests.workflows.flows import note

pytestmark = pytest.mark.django_db

LIST = "/admin/workflows/workflow/"
RENAME = {
    "key": "rename",
    "type": "record.update",
    "with": {"resource": "customers", "values": {"name": "{{ record.name }}!"}},
}
ON_CUSTOMERS = {"type": "manual", "resource": "customers"}


def runs():
    return list(WorkflowExecution.objects.order_by("started_at"))


# -- The page


def test_a_workflow_shows_its_steps_and_how_it_has_done(browser, admin, stored, acme):
    made = stored(admin, note("first"), {"key": "later", "type": "wait", "with": {"for": "P4D"}}, trigger=ON_CUSTOMERS)
    now = clock.now()
    for status, ago in (("completed", 1), ("completed", 2), ("failed", 3), ("cancelled", 4), ("failed", 40)):
        began = now - timedelta(days=ago)
        WorkflowExecutionFactory(
            tenant=acme, workflow=made, status=status, started_at=began, completed_at=began + timedelta(minutes=4)
        )
    page = browser.get(change(made))
    figures = {figure.label: (figure.value, figure.hint) for figure in page.context["panel"].figures}
    assert figures["Runs"] == ("4", "in 30 days, 1 cancelled")
    assert figures["Completed"] == ("66.7 %", "2 of 3 that are over")
    assert figures["Failed"][0] == "1" and figures["Takes"][0] == "4 minutes"
    text = page.content.decode()
    assert "4 days" in text and "<code>later</code>" in text and "Its definition cannot work" not in text


def test_statistics_look_at_no_more_runs_than_a_list_counts(browser, admin, stored, acme, monkeypatch):
    monkeypatch.setattr(lists, "MOST_COUNTED", 3)
    made = stored(admin)
    WorkflowExecutionFactory.create_batch(5, tenant=acme, workflow=made)
    runs = browser.get(change(made)).context["panel"].figures[0]
    assert (runs.value, runs.hint) == ("3+", "the newest of 30 days")


@pytest.mark.parametrize(
    "trigger",
    [{"type": "schedule", "cron": "0 7 * * 1"}, {"type": "date.reached", "resource": "deals", "field": "closed_at"}],
)
def test_a_timed_workflow_says_when_its_clock_goes_on(browser, admin, stored, acme, trigger):
    made = stored(admin, trigger=trigger)

    def figure():
        return browser.get(change(made)).context["panel"].figures[-1]

    assert figure().value == "Soon"
    with tenant_scope(acme):
        Workflow.objects.unpublished("look").update(next_run_at="2030-01-07T07:00:00Z")
    assert figure().value == "7 Jan" and "07:00" in figure().hint
    with tenant_scope(acme):
        Workflow.objects.unpublished("look").update(enabled=False)
    assert figure().hint == "it is switched off"


def test_why_it_was_switched_off_by_itself_stands_on_top(browser, admin, stored, acme):
    made = stored(admin)
    with tenant_scope(acme):
        Workflow.objects.unpublished("look").update(enabled=False, notice="It went <i>in circles</i>.")
    text = browser.get(change(made)).content.decode()
    assert "It was switched off by itself." in text and "It went &lt;i&gt;in circles&lt;/i&gt;." in text
    assert "Switched off by itself" in browser.get(LIST).content.decode()


def test_what_people_write_is_text_on_every_page(browser, admin, stored, acme):
    evil = "<script>alert(1)</script>"
    made = stored(
        admin,
        {"key": "a", "type": "notify", "title": evil, "with": {"roles": ["admin"], "text": evil}},
        trigger=ON_CUSTOMERS | {"when": {"path": "record.name", "op": "eq", "value": evil}},
        name=evil,
    )
    with tenant_scope(acme):
        version = WorkflowVersion.objects.get()
        ada = CustomerFactory(name=evil)
    for address in (change(made), LIST, change(version), change(made, "run")):
        text = browser.get(address).content.decode()
        assert evil not in text and "&lt;script&gt;" in text
    answer = browser.post(change(made, "try_out"), {"record": ada.pk}).content.decode()
    assert evil not in answer and "nothing was changed" in answer


@pytest.mark.parametrize(
    ("trigger", "actions"), [({"type": "x"}, "nonsense"), ([1], [3, {"type": "branch"}, {"key": 5, "type": ["a"]}])]
)
@pytest.mark.parametrize("role", ["user", "admin", "super_admin"])
def test_a_definition_that_cannot_work_opens_and_says_so(cast, admin_client_for, acme, admin, role, trigger, actions):
    made = WorkflowFactory(tenant=acme, trigger=trigger, actions=actions, created_by=admin)
    with tenant_scope(acme):
        version = WorkflowVersion.objects.get(workflow=made)
    client = admin_client_for(cast[role])
    assert "Its definition cannot work" in client.get(change(made)).content.decode()
    assert client.get(LIST).status_code == client.get(change(version)).status_code == 200
    if role == "admin":
        for name in ("run", "try_out"):
            answer = client.post(change(made, name))
            assert "cannot work" in (said(answer) if answer.status_code == 302 else answer.content.decode())
        with tenant_scope(acme):
            assert runs() == []


def test_a_definition_that_cannot_work_can_be_switched_off_and_not_be_left_on(browser, admin, acme):
    made = WorkflowFactory(tenant=acme, trigger={"type": "x"}, created_by=admin)
    page = browser.get(change(made))
    answer = browser.post(change(made), posted(page, name="Still on"))
    assert "trigger/type: is unknown" in str(errors(answer)["trigger"])
    body = posted(page)
    del body["enabled"]
    assert browser.post(change(made), body).status_code == 302
    with tenant_scope(acme):
        made.refresh_from_db()
    assert made.enabled is False and made.version == 1
    answer = browser.post(change(made), body | {"enabled": "on"})
    assert errors(answer)["trigger"]


def test_errors_of_a_definition_stand_beside_its_field_and_at_its_step(browser, admin, stored):
    made = stored(admin, trigger=ON_CUSTOMERS)
    steps = [note("first"), {"key": "call", "type": "http.request", "with": {"method": "GET", "url": "http://x.test/"}}]
    page = browser.get(change(made))
    answer = browser.post(change(made), posted(page, actions=json.dumps(steps), trigger='{"type": "manual", "x": 1}'))
    assert answer.status_code == 200 and events()[1:] == []
    assert errors(answer)["actions"] == ["actions/1/with/url: must start with https://."]
    assert errors(answer)["trigger"] == ["trigger/x: is unknown. Known are type, resource, when."]
    drawn = answer.context["diagram"]
    assert drawn.boxes[1].problems == ["with/url: must start with https://."] and drawn.start.problems
    assert "as typed below, not saved" in answer.content.decode()


def test_each_definition_is_a_version_with_a_page_of_its_own(browser, admin, stored, acme):
    made = stored(admin, note("erstwhile"))
    page = browser.get(change(made))
    assert browser.post(change(made), posted(page, actions=json.dumps([note("henceforth")]))).status_code == 302
    with tenant_scope(acme):
        newest, oldest = WorkflowVersion.objects.order_by("-number")
    page = browser.get(change(made)).content.decode()
    assert "Version 2" in page and change(newest) in page and change(oldest) in page
    text = browser.get(change(oldest)).content.decode()
    assert "erstwhile" in text and "henceforth" not in text and 'name="_save"' not in text


def test_saving_an_untouched_form_makes_no_version(browser, admin, stored, acme):
    made = stored(admin, RENAME, {"key": "x", "type": "stop"}, trigger=ON_CUSTOMERS)
    assert browser.post(change(made), posted(browser.get(change(made)))).status_code == 302
    with tenant_scope(acme):
        assert WorkflowVersion.objects.count() == 1


def test_versions_are_reached_from_their_workflow_and_not_from_the_navigation(browser, acme):
    WorkflowVersionFactory(tenant=acme)
    text = browser.get("/admin/").content.decode()
    assert "/admin/workflows/workflowversion/" not in text and "/admin/workflows/workflowstep/" in text


def test_a_form_tells_writers_what_may_stand_in_a_definition(browser, member, admin, stored, admin_client_for):
    made = stored(admin)
    assert "What may stand in a definition" in browser.get(f"{LIST}add/").content.decode()
    assert "What may stand in a definition" not in admin_client_for(member).get(change(made)).content.decode()


@pytest.mark.parametrize("template", gallery.TEMPLATES, ids=lambda template: template.slug)
def test_a_template_is_drawn_before_it_is_stored(browser, template):
    assert reverse("admin:workflows_workflow_from_template") in browser.get(f"{LIST}add/").content.decode()
    page = browser.get(f"{LIST}add/", {"template": template.slug})
    assert [box.key for box in page.context["diagram"].boxes] == [step["key"] for step in template.actions]
    assert template.actions[0]["title"] in page.content.decode()
