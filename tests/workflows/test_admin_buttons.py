"""Buttons of workflows: running, testing and taking over."""

import json

import pytest

from apps.crm.models import Activity, Customer
from apps.workflows.models import Workflow, WorkflowExecution
from nexora.kernel.scope import tenant_scope
from tests.admin_pages import change, events, said
from tests.factories import CustomerFactory
from tests.workflows.flows import note

pytestmark = pytest.mark.django_db

LIST = "/admin/workflows/workflow/"
BUTTONS = ("run", "try_out", "take_over")
RENAME = {
    "key": "rename",
    "type": "record.update",
    "with": {"resource": "customers", "values": {"name": "{{ record.name }}!"}},
}
ON_CUSTOMERS = {"type": "manual", "resource": "customers"}


def buttons(page, record):
    text = page.content.decode()
    return [name for name in (*BUTTONS, "secrets") if f'href="{change(record, name)}"' in text]


def runs():
    return list(WorkflowExecution.objects.order_by("started_at"))


# -- Who may


def test_buttons_are_there_for_whoever_may_change_the_workflow(admin, manager, member, admin_client_for, stored):
    theirs, mine, above = stored(manager), stored(member), stored(admin)
    assert buttons(admin_client_for(manager).get(change(theirs)), theirs) == ["run", "try_out"]
    assert buttons(admin_client_for(manager).get(change(mine)), mine) == ["run", "try_out", "take_over"]
    assert buttons(admin_client_for(member).get(change(mine)), mine) == ["run", "try_out"]
    for person, record in ((member, theirs), (manager, above)):
        client = admin_client_for(person)
        assert buttons(client.get(change(record)), record) == []
        for name in BUTTONS:
            assert client.get(change(record, name)).status_code == 403
            assert client.post(change(record, name)).status_code == 403


def test_over_all_tenants_nothing_is_run_and_the_page_says_where_it_is(root, admin, stored, acme, admin_client_for):
    made, client = stored(admin), admin_client_for(root)
    page = client.get(change(made))
    assert buttons(page, made) == [] and "open the records of its tenant first" in page.content.decode()
    for name in BUTTONS:
        assert client.post(change(made, name)).status_code == 403
    with tenant_scope(acme):
        assert runs() == []


def test_a_super_admin_inside_a_tenant_runs_workflows_and_owns_none(root, admin, stored, acme, admin_client_for):
    made, client = stored(admin, trigger={"type": "manual"}), admin_client_for(root)
    client.post(f"/admin/tenants/tenant/{acme.pk}/enter/", {"reason": "Asked by their support"})
    assert buttons(client.get(change(made)), made) == ["run", "try_out"]
    assert client.post(change(made, "take_over")).status_code == 403
    assert client.post(change(made, "run")).status_code == 302
    with tenant_scope(acme):
        assert [run.owner_id for run in runs()] == [admin.pk]


@pytest.mark.parametrize("name", BUTTONS)
def test_looking_changes_nothing(browser, member, stored, acme, name):
    made = stored(member, trigger={"type": "manual"})
    before = len(events())
    assert browser.get(change(made, name)).status_code == 200
    with tenant_scope(acme):
        assert runs() == [] and len(events()) == before


# -- Run


def test_a_workflow_about_no_record_runs_at_once(browser, admin, stored, acme):
    made = stored(admin, trigger={"type": "manual"})
    answer = browser.post(change(made, "run"))
    with tenant_scope(acme):
        (run,) = runs()
    assert answer.headers["Location"] == change(run) and "has started" in said(answer)
    assert browser.get(change(run)).status_code == 200


def test_a_workflow_about_records_asks_on_which(browser, admin, stored, acme):
    made = stored(admin, trigger=ON_CUSTOMERS)
    ada = CustomerFactory(tenant=acme, name="Ada", created_at="2026-01-01T00:00:00Z")
    bob = CustomerFactory(tenant=acme, name="Bob", created_at="2026-01-02T00:00:00Z")
    assert [c.label for c in browser.get(change(made, "run")).context["choices"]] == ["Bob", "Ada"]
    assert [c.label for c in browser.get(change(made, "run"), {"q": "ad"}).context["choices"]] == ["Ada"]
    assert [c.label for c in browser.get(change(made, "run"), {"q": str(bob.pk)}).context["choices"]] == ["Bob"]
    (chosen,) = [c for c in browser.get(change(made, "run"), {"record": ada.pk}).context["choices"] if c.is_chosen]
    assert chosen.label == "Ada"
    assert "begins like this" in browser.get(change(made, "run"), {"q": "zz"}).content.decode()
    answer = browser.post(change(made, "run"), {"record": ada.pk})
    with tenant_scope(acme):
        (run,) = runs()
        assert run.record_id == ada.pk and answer.headers["Location"] == change(run)


def test_where_there_is_no_record_there_is_nothing_to_run_on(browser, admin, stored):
    page = browser.get(change(stored(admin, trigger=ON_CUSTOMERS), "run")).content.decode()
    assert "There are no customers yet." in page and "Run now" not in page


@pytest.mark.parametrize(
    ("record", "sentence"),
    [("", "Choose a record."), ("zz", "That is no id of a record."), ("theirs", "There is no customer with this id")],
)
@pytest.mark.parametrize("name", ["run", "try_out"])
def test_what_is_no_record_of_the_tenant_is_refused(browser, admin, stored, acme, globex, name, record, sentence):
    made, theirs = stored(admin, trigger=ON_CUSTOMERS), CustomerFactory(tenant=globex, name="Theirs")
    CustomerFactory(tenant=acme)
    answer = browser.post(change(made, name), {"record": theirs.pk if record == "theirs" else record})
    assert answer.status_code == 200 and sentence in answer.content.decode() and b"Theirs" not in answer.content
    with tenant_scope(acme):
        assert runs() == []


def test_a_record_that_the_condition_leaves_out_starts_nothing_and_says_so(browser, admin, stored, acme):
    made = stored(admin, trigger=ON_CUSTOMERS | {"when": {"path": "record.name", "op": "eq", "value": "Eve"}})
    answer = browser.post(change(made, "run"), {"record": CustomerFactory(tenant=acme, name="Ada").pk})
    assert "Its own condition leaves this out" in answer.content.decode()
    with tenant_scope(acme):
        assert runs() == []


def test_what_cannot_run_is_refused_with_a_message(browser, admin, stored, acme):
    made = stored(admin, trigger={"type": "manual"})
    with tenant_scope(acme):
        Workflow.objects.unpublished("look").update(enabled=False)
    answer = browser.post(change(made, "run"))
    assert answer.headers["Location"] == change(made) and "switched off. Switch it on first" in said(answer)


# -- Test run


def test_a_test_run_shows_each_condition_and_step_and_changes_nothing(browser, admin, stored, acme, mailoutbox):
    leaves = [
        {"path": "record.name", "op": "eq", "value": "Eve"},
        {"path": "record.status", "op": "eq", "value": "lead"},
    ]
    when = {"all": leaves}
    mail = {"key": "mail", "type": "email.send", "with": {"to": "x@example.com", "subject": "s", "body": "b"}}
    made = stored(admin, RENAME, mail, note("end"), trigger=ON_CUSTOMERS | {"when": when})
    ada = CustomerFactory(tenant=acme, name="Ada", status="lead")
    answer = browser.post(change(made, "try_out"), {"record": ada.pk})
    assert [(leaf["asked"], leaf["found"], leaf["holds"]) for leaf in answer.context["leaves"]] == [
        ("record.name is Eve", "Ada", False),
        ("record.status is lead", "lead", True),
    ]
    assert [(step.key, step.status) for step in answer.context["steps"]] == [
        ("rename", "Completed"),
        ("mail", "Completed"),
        ("end", "Completed"),
    ]
    assert "x@example.com" in answer.context["steps"][1].would
    text = answer.content.decode()
    assert "would not start by itself" in text and "nothing was changed" in text
    with tenant_scope(acme):
        assert runs() == [] and not Activity.objects.exists() and Customer.objects.get().name == "Ada"
    assert mailoutbox == []


def test_a_test_run_shows_where_it_would_fail(browser, admin, stored, acme):
    values = {"email": "{{ record.name }}"}
    broken = {"key": "broken", "type": "record.update", "with": {"resource": "customers", "values": values}}
    made = stored(admin, note(), broken, note("after"), trigger=ON_CUSTOMERS)
    answer = browser.post(change(made, "try_out"), {"record": CustomerFactory(tenant=acme, name="Ada").pk})
    tones = [(box.tone, box.is_left_out) for box in answer.context["diagram"].boxes]
    assert tones == [("success", False), ("danger", False), ("", True)]
    assert "email: " in answer.context["result"]["error"]


def test_a_test_run_is_told_what_has_changed(browser, admin, stored, acme):
    trigger = {"type": "field.changed", "resource": "customers", "field": "status", "to": "active",
               "when": {"path": "record.status", "op": "changed_from", "value": "lead"}}  # fmt: skip
    made, ada = stored(admin, trigger=trigger), CustomerFactory(tenant=acme)
    page = browser.get(change(made, "try_out"))
    assert json.loads(page.context["form"]["changes"].value()) == {"status": [None, "active"]}
    for changes, starts in (('{"status": ["lead", "active"]}', True), ("", False)):
        answer = browser.post(change(made, "try_out"), {"record": ada.pk, "changes": changes})
        assert answer.context["result"]["starts"] is starts
    for changes in ("[1]", "{", '{"status": 1}', '{"status": [1]}'):
        answer = browser.post(change(made, "try_out"), {"record": ada.pk, "changes": changes})
        assert answer.status_code == 200 and answer.context["form"].errors["changes"]


def test_a_test_run_without_a_record_asks_for_none(browser, admin, stored):
    made = stored(admin, trigger={"type": "manual"})
    answer = browser.post(change(made, "try_out"))
    assert answer.context["result"]["status"] == "completed" and "choices" not in answer.context


# -- Take over, secrets


def test_taking_over_makes_one_the_owner(manager, member, stored, acme, admin_client_for):
    made, client = stored(member), admin_client_for(manager)
    assert "rights of Member now" in client.get(change(made, "take_over")).content.decode()
    answer = client.post(change(made, "take_over"))
    assert answer.headers["Location"] == change(made) and "is yours now" in said(answer)
    with tenant_scope(acme):
        made.refresh_from_db()
    assert made.created_by_id == manager.pk
    assert client.get(change(made, "take_over")).status_code == 403


def test_secrets_are_shown_where_they_are_used_and_kept_by_nobody(manager, member, stored, admin_client_for):
    plain, hooked = stored(member), stored(manager, trigger={"type": "webhook"})
    call = {"key": "call", "type": "http.request", "with": {"method": "GET", "url": "https://x.example/"}}
    client = admin_client_for(manager)
    assert "secrets" not in buttons(client.get(change(plain)), plain)
    page = client.get(change(hooked, "secrets"))
    assert "no-store" in page.headers["Cache-Control"]
    assert f"http://acme.localhost/api/v1/hooks/{hooked.pk}/" in page.content.decode().replace(":8000", "")
    secret = page.context["webhook_secret"]
    assert secret in page.content.decode() and secret not in client.get(change(hooked)).content.decode()
    assert client.post(change(hooked, "secrets")).status_code == 302
    assert client.get(change(hooked, "secrets")).context["webhook_secret"] != secret
    asking = stored(manager, call)
    assert "webhook_url" not in client.get(change(asking, "secrets")).content.decode()
    assert admin_client_for(member).get(change(hooked, "secrets")).status_code == 403
