"""What each action does, with whose rights, and what it says when it cannot."""

from datetime import UTC, datetime, timedelta

import pytest

from apps.accounts.models import AuditEvent, Notification
from apps.analytics.models import AIInsight
from apps.crm.models import Activity, Customer, Deal
from apps.workflows.definition.resources import resource_named
from apps.workflows.models import WorkflowStep
from nexora.kernel import clock
from nexora.kernel.permissions import ALL, OWN
from nexora.kernel.scope import tenant_scope
from tests.factories import ActivityFactory, CustomerFactory, DealFactory, UserFactory
from tests.workflows.flows import acts, finish, note, runs, steps, workflow

pytestmark = pytest.mark.django_db

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


@pytest.fixture
def writer(in_acme, manager):
    with acts(manager):
        yield manager


def about(record, owner, *actions, **values):
    """The run of these actions, done, that a change of `record` started."""
    noun = {"Customer": "customers", "Deal": "deals", "Activity": "activities"}[type(record).__name__]
    made = workflow(owner, *actions, trigger={"type": "record.updated", "resource": noun}, **values)
    with acts(owner):
        record.refresh_from_db()
        for name in ("name", "title", "subject"):
            if hasattr(record, name):
                setattr(record, name, f"{getattr(record, name)}!")
        record.save()
    (run,) = runs(made)
    return finish(run)[0]


def step(kind, **given):
    return {"key": "step", "type": kind, "with": given}


def test_a_record_is_created_by_the_apis_rules_as_the_owners(writer):
    run = about(
        CustomerFactory(name="Ada"),
        writer,
        step(
            "record.create",
            resource="deals",
            values={"customer": "{{ record.id }}", "title": "Offer for {{ record.name }}", "value": "12.50"},
        ),
    )
    assert run.status == "completed", run.error
    deal = Deal.objects.get()
    assert (deal.title, str(deal.value), deal.customer_id) == ("Offer for Ada!", "12.50", run.record_id)
    assert deal.assigned_to_id == writer.pk
    assert run.output["steps"]["step"] == {"id": str(deal.pk)}


def test_what_the_api_would_refuse_fails_the_step_by_field(writer):
    values = {"customer": "{{ record.id }}", "title": "x", "value": "{{ record.name }}"}
    run = about(CustomerFactory(name="Ada"), writer, step("record.create", resource="deals", values=values))
    assert (run.status, run.error) == ("failed", "step: value: A valid number is required.")
    assert not Deal.objects.exists()


def test_a_relation_into_another_tenant_is_as_unknown_as_any(writer, globex):
    theirs = CustomerFactory(tenant=globex)
    values = {"customer": str(theirs.pk), "title": "x", "value": "1"}
    run = about(CustomerFactory(), writer, step("record.create", resource="deals", values=values))
    assert run.status == "failed" and run.error.startswith("step: customer:")


def test_a_record_is_changed_and_the_trail_names_the_owner_and_the_workflow(writer):
    run = about(
        CustomerFactory(status="lead"),
        writer,
        step("record.update", resource="customers", values={"status": "active"}),
        name="Activate",
    )
    assert run.output["steps"]["step"]["changed"] == ["status"]
    assert Customer.objects.get().status == "active"
    event = AuditEvent.objects.filter(resource="crm.customer", action="updated").order_by("-created_at", "-id").first()
    assert event.actor_id == writer.pk and event.actor_label == "Manager by the workflow Activate"


def test_a_record_is_deleted(writer):
    run = about(ActivityFactory(), writer, step("record.delete", resource="activities"))
    assert run.status == "completed" and not Activity.objects.exists()


def test_the_rights_are_those_of_the_owner_at_that_moment(in_acme, member, colleague):
    theirs = CustomerFactory(created_by=colleague, status="lead")
    run = about(theirs, member, step("record.update", resource="customers", values={"status": "active"}))
    assert run.status == "failed" and "may not update the customer" in run.error
    assert Customer.objects.get().status == "lead"


def test_an_activity_is_created_with_its_due_date(writer):
    with clock.frozen_at(NOON):
        run = about(
            DealFactory(title="Big"),
            writer,
            step(
                "activity.create", type="task", deal="{{ record.id }}", subject="Call: {{ record.title }}", due_in="P1D"
            ),
        )
    assert run.status == "completed", run.error
    activity = Activity.objects.get()
    assert (activity.subject, activity.due_date) == ("Call: Big!", NOON + timedelta(days=1))
    # The deal's customer comes along, as it does for people.
    assert activity.customer_id == Deal.objects.get().customer_id and activity.created_by_id == writer.pk


def test_a_record_is_assigned_to_a_person_by_address_or_id(writer, member):
    for named in (member.email, str(member.pk)):
        run = about(DealFactory(), writer, step("record.assign", resource="deals", to=named))
        assert run.status == "completed", run.error
        assert Deal.objects.get(pk=run.record_id).assigned_to_id == member.pk


def test_a_record_goes_to_whoever_holds_the_fewest_open_ones(writer, member, colleague):
    DealFactory.create_batch(2, assigned_to=member)
    DealFactory(assigned_to=colleague)
    DealFactory.create_batch(5, assigned_to=colleague, stage="closed_won")  # not open, so they do not count
    deal = DealFactory()
    run = about(deal, writer, step("record.assign", resource="deals", rule="fewest_open", roles=["user"]))
    assert run.output["steps"]["step"]["assigned_to"] == str(colleague.pk)


def test_nobody_inactive_is_given_anything(writer):
    gone = UserFactory(status="inactive")
    run = about(DealFactory(), writer, step("record.assign", resource="deals", to=gone.email))
    assert run.status == "failed" and "no active person" in run.error


def test_people_are_notified_by_role_id_and_address(writer, member, colleague, guest):
    run = about(
        DealFactory(title="Big"),
        writer,
        step("notify", text="Won: {{ record.title }}", roles=["manager"], users=[member.email, str(guest.pk), None]),
    )
    assert run.output["steps"]["step"] == {"notified": 3}
    told = Notification.objects.all()
    assert {notice.user_id for notice in told} == {writer.pk, member.pk, guest.pk}
    assert {(notice.text, notice.record_id) for notice in told} == {("Won: Big!", run.record_id)}


def test_a_mail_is_sent_to_each_address_in_the_tenants_name(writer, mailoutbox):
    run = about(
        CustomerFactory(name="Ada", email="ada@example.com"),
        writer,
        step(
            "email.send", to=["{{ record.email }}", "eve@example.com"], subject="Hello {{ record.name }}", body="A\n\nB"
        ),
    )
    assert run.status == "completed", run.error
    first, second = mailoutbox
    assert (first.to, second.to) == (["ada@example.com"], ["eve@example.com"])
    assert first.subject == "Hello Ada!" and first.from_email.startswith("Acme Corp ")
    assert "A\n\nB" in first.body
    assert first.extra_headers["Message-ID"] != second.extra_headers["Message-ID"]


def test_a_mail_to_nobody_says_what_to_do(writer):
    run = about(CustomerFactory(email=None), writer, step("email.send", to="{{ record.email }}", subject="x", body="x"))
    assert run.status == "failed" and "There is no address to write to." in run.error


def test_what_is_found_goes_on_to_later_steps(writer):
    DealFactory(title="Late", stage="proposal", updated_at=NOON - timedelta(days=30))
    DealFactory(title="New", stage="proposal", updated_at=NOON)
    where = {
        "all": [
            {"path": "item.stage", "op": "in", "value": ["proposal", "negotiation"]},
            {"path": "item.updated_at", "op": "lt", "value": "{{ now | minus:'P21D' }}"},
        ]
    }
    with clock.frozen_at(NOON):
        run = about(
            CustomerFactory(),
            writer,
            {"key": "found", "type": "record.find", "with": {"resource": "deals", "where": where}},
            note(subject="{{ steps.found.found }}: {{ steps.found.deals | join:', ' }}"),
        )
    assert run.status == "completed", run.error
    assert Activity.objects.get().subject == "1: Late"


@pytest.mark.parametrize(
    ("leaf", "titles"),
    [
        ({"op": "eq", "value": "Ada"}, {"Ada"}), ({"op": "ne", "value": "Ada"}, {"Eve", "Zoe"}),
        ({"op": "contains", "value": "AD"}, {"Ada"}), ({"op": "starts_with", "value": "ev"}, {"Eve"}),
        ({"op": "in", "value": ["Ada", "Zoe"]}, {"Ada", "Zoe"}), ({"op": "is_null"}, set()),
        ({"op": "gt", "value": "Ada"}, {"Eve", "Zoe"}), ({"op": "lte", "value": "Eve"}, {"Ada", "Eve"}),
    ],
)  # fmt: skip
def test_a_query_finds_what_the_condition_says(writer, leaf, titles):
    for name in ("Ada", "Eve", "Zoe"):
        DealFactory(title=name)
    run = about(
        CustomerFactory(),
        writer,
        {"key": "f", "type": "record.find", "with": {"resource": "deals", "where": {"path": "item.title", **leaf}}},
    )
    assert run.status == "completed", run.error
    assert set(run.output["steps"]["f"]["deals"]) == titles


def test_each_record_found_has_its_round(writer):
    for number in range(3):
        ActivityFactory(subject=f"A{number}", completed=False)
    each = {
        "key": "each",
        "type": "for_each",
        "with": {
            "resource": "activities",
            "where": {"path": "item.completed", "op": "eq", "value": False},
            "order": "subject",
            "do": [
                {
                    "key": "close",
                    "type": "record.update",
                    "with": {"resource": "activities", "record": "{{ item.id }}", "values": {"completed": True}},
                }
            ],
        },
    }
    run = about(CustomerFactory(), writer, each)
    assert run.status == "completed", run.error
    assert [one.path for one in steps(run)] == ["0", "0#0.do.0", "0#1.do.0", "0#2.do.0"]
    assert Activity.objects.filter(completed=True).count() == 3


def test_a_for_each_over_nothing_goes_on(writer):
    each = {"key": "each", "type": "for_each", "with": {"resource": "deals", "do": [note("inner")]}}
    run = about(CustomerFactory(), writer, each, note("after"))
    assert [one.key for one in steps(run)] == ["each", "after"]


@pytest.mark.parametrize(("status", "keys"), [("lead", ["fork", "yes", "after"]), ("active", ["fork", "no", "after"])])
def test_a_branch_takes_one_of_two_ways(writer, status, keys):
    fork = {
        "key": "fork",
        "type": "branch",
        "with": {
            "if": {"path": "record.status", "op": "eq", "value": "lead"},
            "then": [note("yes")],
            "else": [note("no")],
        },
    }
    run = about(CustomerFactory(status=status), writer, fork, note("after"))
    assert [one.key for one in steps(run)] == keys and run.status == "completed"


@pytest.mark.parametrize(("failed", "status"), [(False, "completed"), (True, "failed")])
def test_a_stop_ends_the_run(writer, failed, status):
    run = about(CustomerFactory(), writer, step("stop", reason="Enough.", failed=failed), note("after"))
    assert run.status == status and [one.key for one in steps(run)] == ["step"]
    assert run.error == ("step: Enough." if failed else None)


def test_an_insight_is_raised_by_who_may(writer, member):
    raising = step("insight.raise", type="risk", title="{{ record.title }} slips", priority="high")
    assert about(DealFactory(title="Big"), writer, raising).status == "completed"
    assert AIInsight.objects.get().title == "Big! slips"
    writer.role = "user"
    writer.save()
    run = about(DealFactory(), UserFactory(role="manager"), note())
    assert run.status == "completed"


def test_a_step_whose_condition_does_not_hold_is_skipped(writer):
    skipped = {**note("no"), "when": {"path": "record.status", "op": "eq", "value": "churned"}}
    run = about(CustomerFactory(status="lead"), writer, skipped, note("yes"))
    assert [(one.key, one.status) for one in steps(run)] == [("no", "skipped"), ("yes", "completed")]


def test_secrets_in_what_a_step_was_given_are_not_kept(writer):
    run = about(
        CustomerFactory(custom_fields={"api_key": "hunter2", "size": 3}),
        writer,
        step("record.update", resource="customers", values={"custom_fields": {"password": "hunter2", "size": 4}}),
    )
    assert run.status == "completed", run.error
    assert "hunter2" not in str(WorkflowStep.objects.get().input) and "4" in str(WorkflowStep.objects.get().input)


def test_a_text_out_of_a_record_is_never_read_as_a_template(writer):
    run = about(CustomerFactory(name="{{ owner.email }} {{ record.id }}"), writer, note(subject="{{ record.name }}"))
    assert run.status == "completed", run.error
    assert Activity.objects.get().subject == "{{ owner.email }} {{ record.id }}!"


def test_nothing_of_another_tenant_can_be_reached(writer, globex):
    with tenant_scope(globex):
        theirs = ActivityFactory()
    for kind in ("record.update", "record.delete"):
        values = {"values": {"subject": "x"}} if kind == "record.update" else {}
        run = about(CustomerFactory(), writer, step(kind, resource="activities", record=str(theirs.pk), **values))
        assert run.status == "failed" and "There is no activity" in run.error


@pytest.mark.parametrize("locked", [False, True])
def test_a_record_is_found_as_far_as_its_reader_reaches(in_acme, member, colleague, monkeypatch, locked):
    theirs = CustomerFactory(tenant=in_acme, created_by=colleague)
    mine = CustomerFactory(tenant=in_acme, created_by=member)
    customers = resource_named("customers")
    for reach, found in ((ALL, [mine, theirs]), (OWN, [mine, None]), (None, [None, None]), (ALL, [mine, theirs])):
        monkeypatch.setattr("nexora.kernel.permissions.reach", lambda *args, reach=reach: reach)
        assert [customers.find(one.pk, member, locked=locked) for one in (mine, theirs)] == found
