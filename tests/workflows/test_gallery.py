"""The ready-made workflows: each can be made by whom it is for, and does what its description says."""

from datetime import UTC, datetime, timedelta
from html import unescape

import pytest
from django.core import mail
from django.urls import reverse

from apps.accounts.models import Notification
from apps.crm.models import Activity, Customer, Deal
from apps.workflows.definition.check import check_definition
from apps.workflows.engine import advancing
from apps.workflows.gallery import BY_SLUG, TEMPLATES, in_order
from apps.workflows.models import Workflow, WorkflowExecution
from apps.workflows.services import upkeep
from nexora.kernel import clock
from nexora.kernel.scope import tenant_scope
from tests.admin_pages import errors, posted
from tests.factories import ActivityFactory, CustomerFactory, DealFactory
from tests.workflows.flows import runs, workflow

URL = "/api/v1/workflows/templates/"
MONDAY = datetime(2026, 11, 23, 6, 30, tzinfo=UTC)
DAY = timedelta(days=1)
MINUTE = timedelta(minutes=1)
FORBIDDEN_STEP = {"key": "remove", "type": "record.delete", "with": {"resource": "users"}}


@pytest.fixture
def made(in_acme, manager):
    """`made(slug)`: the workflow, as the manager would save it, or somebody else."""

    def make(slug, owner=manager):
        template = BY_SLUG[slug]
        return workflow(owner, *template.actions, trigger=template.trigger, name=template.name)

    return make


def go_on(at):
    """Every run that is not over, as a worker would at that moment; the runs of all workflows, oldest first."""
    with clock.frozen_at(at):
        for run in WorkflowExecution.objects.filter(status="running").order_by("started_at"):
            advancing.advance(run.pk)
    return runs()


def watch(timed, *moments):
    """The clock's looks at a workflow."""
    for moment in moments:
        with clock.frozen_at(moment):
            upkeep.tick(timed.pk)


def told():
    """{(person, text)} of all notices."""
    return {(notice.user_id, notice.text) for notice in Notification.objects.all()}


def step(run, key):
    return run.steps.get(key=key)


# -- All of them


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda template: template.slug)
@pytest.mark.parametrize("role", ["member", "manager", "admin"])
def test_whoever_may_have_workflows_can_make_one_of_a_template(in_acme, template, role, request):
    owner = request.getfixturevalue(role)
    check_definition(trigger=template.trigger, actions=template.actions, owner=owner)


def test_the_check_that_they_pass_is_one(in_acme, manager):
    template = TEMPLATES[0]
    with pytest.raises(Exception, match="actions/2/with/resource: is unknown"):
        check_definition(trigger=template.trigger, actions=[*template.actions, FORBIDDEN_STEP], owner=manager)


def test_each_has_a_slug_of_its_own_and_titles_for_all_its_steps():
    assert len(BY_SLUG) == len(TEMPLATES)
    for template in TEMPLATES:
        assert all(step["title"] for step in in_order(template.actions))


def test_the_api_lists_them_as_they_can_be_posted(client_for, guest, member):
    assert client_for(None, tenant=guest.tenant).get(URL).status_code == 401
    listed = client_for(guest).get(URL).json()["results"]
    assert [one["slug"] for one in listed] == list(BY_SLUG)
    for one in listed:
        given = {name: one[name] for name in ("name", "description", "trigger", "actions")}
        answer = client_for(member).post("/api/v1/workflows/", given)
        assert answer.status_code == 201, answer.json()
        assert answer.json()["actions"] == one["actions"]


def test_the_admin_opens_the_form_filled_in_and_stores_nothing_before_it_is_saved(admin_client_for, member):
    browser = admin_client_for(member)
    page = browser.get(reverse("admin:workflows_workflow_changelist")).content.decode()
    choice = reverse("admin:workflows_workflow_from_template")
    assert f'href="{choice}"' in page
    cards = browser.get(choice).content.decode()
    for template in TEMPLATES:
        assert template.description in unescape(cards)
        address = f"{reverse('admin:workflows_workflow_add')}?template={template.slug}"
        assert f'href="{address}"' in cards
        form = browser.get(address)
        with tenant_scope(member.tenant):
            assert not Workflow.objects.filter(name=template.name).exists()
        answer = browser.post(reverse("admin:workflows_workflow_add"), posted(form))
        assert answer.status_code == 302, errors(answer)
        with tenant_scope(member.tenant):
            made = Workflow.objects.get(name=template.name)
        assert (made.trigger, made.actions) == (template.trigger, template.actions)
        assert (made.description, made.created_by_id) == (template.description, member.pk)


def test_an_unknown_template_is_an_empty_form(admin_client_for, manager):
    form = admin_client_for(manager).get(reverse("admin:workflows_workflow_add"), {"template": "nothing"})
    assert form.status_code == 200 and not posted(form)["trigger"]


def test_a_guest_is_offered_no_template(admin_client_for, guest):
    assert admin_client_for(guest).get(reverse("admin:workflows_workflow_from_template")).status_code == 302


def test_none_sends_anything_to_a_customer_or_a_server():
    outside = [one for template in TEMPLATES for one in in_order(template.actions) if one["type"] == "email.send"]
    assert {one["with"]["to"] for one in outside} == {"{{ owner.email }}"}
    assert not [one for template in TEMPLATES for one in in_order(template.actions) if one["type"] == "http.request"]


# -- Leads


def test_a_new_lead_makes_a_task_for_whoever_entered_it(made, member):
    made("welcome-new-lead")
    with clock.frozen_at(MONDAY):
        lead = Customer(name="Ada Byron", created_by=member)
        lead.save()
        Customer(name="Known already", status="active", created_by=member).save()
    (run,) = go_on(MONDAY)
    assert run.status == "completed", run.error
    task = Activity.objects.get()
    assert (task.type, task.subject, task.customer_id) == ("task", "Welcome Ada Byron", lead.pk)
    assert (task.assigned_to_id, task.due_date) == (member.pk, MONDAY + DAY)
    assert step(run, "hand_out").status == "skipped"


def test_a_lead_that_came_in_by_itself_goes_to_whoever_has_the_fewest(made, member, colleague, manager):
    made("welcome-new-lead")
    ActivityFactory(assigned_to=member)
    ActivityFactory(assigned_to=manager)
    Customer(name="From the website").save()
    (run,) = go_on(clock.now())
    assert run.status == "completed", run.error
    assert Activity.objects.get(subject="Welcome From the website").assigned_to_id == colleague.pk


# -- Deals


def test_a_new_deal_that_is_nobodys_goes_to_whoever_has_the_fewest(made, member, colleague):
    made("hand-out-new-deals")
    customer = CustomerFactory()
    DealFactory(customer=customer, assigned_to=colleague, stage="proposal")
    deal = Deal(customer=customer, title="Pumps", value="1200.00")
    deal.save()
    Deal(customer=customer, title="Given already", value="1.00", assigned_to=colleague).save()
    (run,) = go_on(clock.now())
    assert run.status == "completed", run.error
    deal.refresh_from_db()
    assert deal.assigned_to_id == member.pk
    assert told() == {(member.pk, "A new deal is yours: Pumps, 1,200.00")}


def test_a_deal_that_sits_makes_a_task_and_in_the_end_the_managers_hear_of_it(made, manager, member):
    timed = made("follow-up-sitting-deal")
    touched = MONDAY - 14 * DAY
    deal = DealFactory(title="Pumps", stage="proposal", assigned_to=member, updated_at=touched)
    DealFactory(stage="closed_lost", updated_at=touched)
    DealFactory(stage="proposal", updated_at=touched + DAY)
    watch(timed, MONDAY - MINUTE, MONDAY, MONDAY + MINUTE)
    (run,) = go_on(MONDAY)
    task = Activity.objects.get()
    assert (task.deal_id, task.assigned_to_id, task.subject) == (deal.pk, member.pk, "Follow up: Pumps")
    assert task.due_date == MONDAY + 2 * DAY and "since 9 Nov 2026" in task.description
    assert run.status == "running" and run.resume_at == MONDAY + 7 * DAY
    (run,) = go_on(MONDAY + 7 * DAY)
    assert run.status == "completed", run.error
    assert told() == {(manager.pk, "Pumps has not moved since 9 Nov 2026")}


def test_the_managers_do_not_hear_of_a_deal_that_has_moved(made, member):
    timed = made("follow-up-sitting-deal")
    deal = DealFactory(stage="proposal", assigned_to=member, updated_at=MONDAY - 14 * DAY)
    watch(timed, MONDAY - MINUTE, MONDAY)
    go_on(MONDAY)
    with clock.frozen_at(MONDAY + 2 * DAY):
        deal.stage = "negotiation"
        deal.save()
    (run,) = go_on(MONDAY + 7 * DAY)
    assert run.status == "completed" and told() == set()


def test_big_deals_are_told_to_the_owner_and_the_managers(made, admin, manager):
    made("big-deal", admin)
    for title, value in (("Factory", "50000.00"), ("Spare part", "49999.99")):
        deal = DealFactory(title=title, value=value, stage="proposal")
        deal.stage = "negotiation"
        deal.save()
    (run,) = go_on(clock.now())
    assert run.status == "completed", run.error
    text = "In negotiation: Factory for 50,000.00"
    assert told() == {(admin.pk, text), (manager.pk, text)}


def test_a_win_is_told_to_everybody_in_sales_and_handed_on(made, manager, member, colleague, guest):
    made("announce-win")
    deal = DealFactory(title="Pumps", value="1200.00", stage="negotiation", assigned_to=member)
    deal.stage = "closed_won"
    with clock.frozen_at(MONDAY):
        deal.save()
    (run,) = go_on(MONDAY)
    assert run.status == "completed", run.error
    assert told() == {(person.pk, "Won: Pumps for 1,200.00") for person in (manager, member, colleague)}
    task = Activity.objects.get()
    assert task.subject == f"Introduce {deal.customer.name} to those who deliver"
    assert (task.assigned_to_id, task.due_date) == (member.pk, MONDAY + 3 * DAY)


# -- Customers and activities


@pytest.mark.parametrize("is_done", [False, True])
def test_a_renewal_is_prepared_eleven_months_after_the_deal_was_won(made, manager, member, is_done):
    timed = made("renewal-reminder")
    DealFactory(title="Contract", stage="closed_won", closed_at=MONDAY - 335 * DAY, assigned_to=member)
    DealFactory(stage="closed_lost", closed_at=MONDAY - 335 * DAY)
    watch(timed, MONDAY - MINUTE, MONDAY)
    (run,) = go_on(MONDAY)
    task = Activity.objects.get()
    assert (task.subject, task.assigned_to_id) == ("Prepare the renewal: Contract", member.pk)
    assert task.due_date == MONDAY + 14 * DAY
    task.completed = is_done
    task.save()
    (run,) = go_on(MONDAY + 14 * DAY)
    assert run.status == "completed", run.error
    assert told() == (set() if is_done else {(manager.pk, "The renewal of Contract is not prepared yet")})


def test_an_overdue_activity_is_reminded_of_and_then_told_to_the_managers(made, manager, member):
    timed = made("escalate-overdue-activity")
    due = MONDAY - DAY
    ActivityFactory(subject="Call back", due_date=due, completed=False, assigned_to=member)
    ActivityFactory(subject="Done", due_date=due, completed=True, assigned_to=member)
    watch(timed, MONDAY - MINUTE, MONDAY)
    (run,) = go_on(MONDAY)
    assert told() == {(member.pk, "Due on 22 Nov 2026: Call back")} and run.status == "running"
    (run,) = go_on(MONDAY + 3 * DAY)
    assert run.status == "completed", run.error
    assert told() - {(member.pk, "Due on 22 Nov 2026: Call back")} == {
        (manager.pk, "Still open, due on 22 Nov 2026: Call back")
    }


@pytest.mark.parametrize("what", [{"completed": True}, {"due_date": MONDAY + 9 * DAY}])
def test_nobody_is_told_of_an_activity_that_is_done_or_put_off(made, member, what):
    timed = made("escalate-overdue-activity")
    activity = ActivityFactory(due_date=MONDAY - DAY, completed=False, assigned_to=member)
    watch(timed, MONDAY - MINUTE, MONDAY)
    go_on(MONDAY)
    for name, value in what.items():
        setattr(activity, name, value)
    activity.save()
    (run,) = go_on(MONDAY + 3 * DAY)
    assert run.status == "completed" and {who for who, _ in told()} == {member.pk}


def test_an_overdue_activity_of_nobody_is_told_to_the_managers(made, manager):
    timed = made("escalate-overdue-activity")
    ActivityFactory(due_date=MONDAY - DAY, completed=False, assigned_to=None)
    watch(timed, MONDAY - MINUTE, MONDAY)
    go_on(MONDAY)
    (run,) = go_on(MONDAY + 3 * DAY)
    assert run.status == "completed", run.error
    assert step(run, "remind").status == "failed" and {who for who, _ in told()} == {manager.pk}


# -- Reports


def test_on_mondays_a_mail_lists_the_deals_whose_date_has_passed(made, manager):
    timed = made("monday-list")
    DealFactory(title="Late", stage="proposal", expected_close_date=(MONDAY - DAY).date())
    DealFactory(title="Later still", stage="negotiation", expected_close_date=(MONDAY - 9 * DAY).date())
    DealFactory(title="Today", stage="proposal", expected_close_date=MONDAY.date())
    DealFactory(title="Over", stage="closed_won", expected_close_date=(MONDAY - DAY).date())
    seven = MONDAY + 30 * MINUTE
    watch(timed, MONDAY, seven)
    (run,) = go_on(seven)
    assert run.status == "completed", run.error
    (message,) = mail.outbox
    assert message.to == [manager.email] and message.subject == "2 deals should be decided by now"
    assert "- Later still\n- Late" in message.body and "Today" not in message.body
    watch(timed, seven + MINUTE)
    assert len(go_on(seven + MINUTE)) == 1


def test_on_mondays_there_is_no_mail_when_no_date_has_passed(made):
    timed = made("monday-list")
    watch(timed, MONDAY, MONDAY + 30 * MINUTE)
    (run,) = go_on(MONDAY + 30 * MINUTE)
    assert run.status == "completed" and step(run, "mail").status == "skipped" and mail.outbox == []
