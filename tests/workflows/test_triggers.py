"""What starts a workflow: any writer, in the writer's own transaction."""

from datetime import UTC, date, datetime, timedelta
from uuid import uuid4

import pytest
from django.db import transaction

from apps.analytics.models import AIInsight
from apps.crm.models import Activity, Customer, Deal
from apps.workflows.engine.turns import READY_RUNS
from apps.workflows.models import Workflow, WorkflowExecution
from apps.workflows.services import upkeep
from nexora.kernel import clock
from nexora.kernel.events import Actor, acting_as
from nexora.kernel.scope import tenant_scope
from tests.factories import ActivityFactory, CustomerFactory, DealFactory, WorkflowFactory
from tests.workflows.flows import acts, note, runs, workflow

pytestmark = pytest.mark.django_db

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)  # a Monday


@pytest.fixture
def writer(in_acme, manager):
    with acts(manager):
        yield manager


def on(kind, **spec):
    return {"type": kind, **spec}


# -- Records


def test_a_record_that_is_created_starts_a_run_about_it(writer):
    made = workflow(writer, note(), trigger=on("record.created", resource="customers"))
    customer = Customer(name="Ada")
    customer.save()
    (run,) = runs(made)
    assert (run.resource, run.record_id, run.status, run.state) == ("customers", customer.pk, "running", "ready")
    assert run.input["record"] == {"resource": "customers", "id": str(customer.pk)}
    assert run.owner_id == writer.pk and run.version.number == 1


def test_the_run_exists_if_and_only_if_the_change_does(writer):
    workflow(writer, note())
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        Customer(name="Ada").save()
        assert len(runs()) == 1
        raise ZeroDivisionError
    assert runs() == [] and not Customer.objects.exists()


def test_changes_through_the_api_the_admin_and_bulk_requests_start_runs(
    acme, manager, client_for, admin_client_for, in_scope
):
    with in_scope(acme):
        workflow(manager, note(), trigger=on("record.updated", resource="customers"))
    ada, eve = CustomerFactory.create_batch(2, tenant=acme)
    client = client_for(manager)
    assert client.patch(f"/api/v1/customers/{ada.pk}/", {"name": "Ada L."}).status_code == 200
    body = {"ids": [str(ada.pk), str(eve.pk)], "set": {"company": "Analytical"}}
    assert client.post("/api/v1/customers/bulk-update/", body).status_code == 200
    with in_scope(acme):
        assert [run.record_id for run in runs()].count(ada.pk) == 2
        assert [run.record_id for run in runs()].count(eve.pk) == 1


def test_only_watched_fields_start_a_run(writer):
    workflow(writer, note(), trigger=on("record.updated", resource="customers", fields=["status", "company"]))
    customer = CustomerFactory()
    customer.name = "Other"
    customer.save()
    assert runs() == []
    customer.company = "Analytical"
    customer.save()
    assert len(runs()) == 1 and set(runs()[0].input["changes"]) == {"company"}


def test_a_deleted_record_is_shown_as_it_was(writer):
    workflow(writer, note(subject="Gone: {{ record.name }}"), trigger=on("record.deleted", resource="customers"))
    customer = CustomerFactory(name="Ada")
    customer.delete()
    (run,) = runs()
    assert run.input["values"]["name"] == "Ada"


@pytest.mark.parametrize(
    ("spec", "starts"),
    [
        ({}, True), ({"from": "lead"}, True), ({"to": "active"}, True), ({"from": "lead", "to": "active"}, True),
        ({"from": "prospect"}, False), ({"to": "churned"}, False),
    ],
)  # fmt: skip
def test_a_field_that_changes_from_one_value_to_another(writer, spec, starts):
    workflow(writer, note(), trigger=on("field.changed", resource="customers", field="status", **spec))
    customer = CustomerFactory(status="lead")
    customer.name = "Other"
    customer.save()
    assert runs() == []
    customer.status = "active"
    customer.save()
    assert bool(runs()) == starts


def test_a_deal_enters_a_stage_by_a_change_or_at_birth_and_not_by_staying(writer):
    workflow(writer, note(), trigger=on("deal.stage_entered", resource="deals", stage="closed_won"))
    deal = DealFactory(stage="proposal")
    deal.stage = "closed_won"
    deal.save()
    deal.title = "Other"
    deal.save()
    assert len(runs()) == 1
    Deal(customer=deal.customer, title="x", value=1, stage="closed_won").save()
    assert len(runs()) == 2


def test_an_insight_starts_a_run_if_it_is_of_those_named(writer):
    workflow(writer, note(), trigger=on("insight.created", resource="insights", types=["risk"], priorities=["high"]))
    for kind, priority in (("risk", "high"), ("risk", "low"), ("trend", "high")):
        AIInsight(type=kind, title="x", priority=priority).save()
    assert len(runs()) == 1


def test_the_triggers_condition_is_asked(writer):
    when = {"all": [{"path": "record.status", "op": "eq", "value": "lead"}]}
    workflow(writer, note(), trigger=on("record.created", resource="customers", when=when))
    Customer(name="Ada", status="active").save()
    assert runs() == []
    Customer(name="Eve", status="lead").save()
    assert len(runs()) == 1


def test_a_condition_can_compare_with_what_was_before(writer):
    when = {"path": "record.value", "op": "gt", "value": "{{ before.value }}"}
    workflow(writer, note(), trigger=on("record.updated", resource="deals", fields=["value"], when=when))
    deal = DealFactory(value=100)
    deal.value = 50
    deal.save()
    assert runs() == []
    deal.value = 200
    deal.save()
    assert len(runs()) == 1


def test_a_workflow_that_is_off_starts_nothing(writer):
    workflow(writer, note(), enabled=False)
    Customer(name="Ada").save()
    assert runs() == []


def test_another_tenants_workflow_hears_nothing(writer, globex, mallory):
    with tenant_scope(globex):
        workflow(mallory, note())
    Customer(name="Ada").save()
    assert runs() == []
    with tenant_scope(globex):
        assert runs() == []


def test_a_definition_that_nobody_checked_harms_nobody(writer):
    for trigger in (
        {"type": "record.created", "resource": "customers", "when": 7},
        {"type": "x", "resource": "customers"},
    ):
        WorkflowFactory(tenant=writer.tenant, trigger=trigger, created_by=writer)
    Customer(name="Ada").save()
    assert Customer.objects.filter(name="Ada").exists()


def test_more_runs_than_have_their_turn_wait_in_line(writer):
    workflow(writer, note(), runs_per_minute=10_000)
    for number in range(READY_RUNS + 5):
        Customer(name=f"C {number}").save()
    states = [run.state for run in runs()]
    assert (states.count("ready"), states.count("pending")) == (READY_RUNS, 5)


# -- The clock


def at(moment):
    return clock.frozen_at(moment)


def tick():
    upkeep.run_due()


def test_a_schedule_starts_one_run_each_time_in_its_own_zone(writer):
    spec = on("schedule", cron="0 7 * * 1", zone="Europe/Berlin")
    with at(NOON):
        made = workflow(writer, note(), trigger=spec)
        tick()
        assert runs() == []
        made.refresh_from_db()
        assert made.next_run_at == datetime(2026, 3, 9, 6, 0, tzinfo=UTC)
    with at(NOON + timedelta(days=7)):
        tick()
        tick()
        (run,) = runs()
        assert run.input["trigger"]["at"].startswith("2026-03-09T06:00")
    # Summer time has begun by then.
    with at(datetime(2026, 3, 30, 5, 1, tzinfo=UTC)):
        made.refresh_from_db()
        assert made.next_run_at == datetime(2026, 3, 16, 6, 0, tzinfo=UTC)
        tick()
        assert len(runs()) == 2  # what was missed is made up for by one run
        made.refresh_from_db()
        assert made.next_run_at == datetime(2026, 4, 6, 5, 0, tzinfo=UTC)


def test_a_schedule_that_is_changed_or_switched_on_again_begins_anew(writer):
    with at(NOON):
        made = workflow(writer, note(), trigger=on("schedule", cron="0 * * * *"))
        tick()
        made.refresh_from_db()
        made.enabled = False
        made.save()
    with at(NOON + timedelta(days=3)):
        tick()
        made.enabled = True
        made.save()
        tick()
        assert runs() == []
        assert Workflow.objects.get().next_run_at == NOON + timedelta(days=3, hours=1)


def test_a_date_starts_one_run_for_each_record_when_it_is_reached(writer):
    with at(NOON):
        workflow(writer, note(), trigger=on("date.reached", resource="activities", field="due_date", after="P1D"))
        tick()
        soon = ActivityFactory(due_date=NOON - timedelta(hours=23))
        ActivityFactory(due_date=NOON - timedelta(hours=25))  # reached before there was the workflow
        ActivityFactory(due_date=None)
        tick()
        assert runs() == []
    with at(NOON + timedelta(hours=2)):
        tick()
        tick()
        (run,) = runs()
        assert run.record_id == soon.pk
        with acts(writer):
            soon.due_date = NOON + timedelta(hours=1)
            soon.save()
    with at(NOON + timedelta(hours=30)):
        tick()
        assert len(runs()) == 2  # it was moved, and is reached again


def test_a_day_is_reached_at_its_midnight_and_before_means_before(writer):
    with at(NOON):
        spec = on("date.reached", resource="deals", field="expected_close_date", before="P3D")
        workflow(writer, note(), trigger=spec)
        tick()
        deal = DealFactory(expected_close_date=date(2026, 3, 6))
        tick()
        assert runs() == []
    with at(datetime(2026, 3, 3, 0, 0, 30, tzinfo=UTC)):
        tick()
        assert [run.record_id for run in runs()] == [deal.pk]


def test_more_records_of_one_day_than_are_looked_at_at_once_are_all_found(writer, monkeypatch):
    monkeypatch.setattr("apps.workflows.triggers.dates.AT_ONCE", 3)
    with at(NOON):
        workflow(writer, note(), trigger=on("date.reached", resource="deals", field="expected_close_date"))
        tick()
        DealFactory.create_batch(7, expected_close_date=date(2026, 3, 3))
        DealFactory.create_batch(2, expected_close_date=date(2026, 3, 4))
    with at(datetime(2026, 3, 4, 0, 1, tzinfo=UTC)):
        for _ in range(4):
            tick()
        assert len(runs()) == 9


def test_records_that_the_condition_leaves_out_hold_up_no_others_of_their_day(writer, monkeypatch):
    monkeypatch.setattr("apps.workflows.triggers.dates.AT_ONCE", 3)
    when = {"path": "record.stage", "op": "eq", "value": "proposal"}
    spec = on("date.reached", resource="deals", field="expected_close_date", when=when)
    with at(NOON):
        workflow(writer, note(), trigger=spec)
        tick()
        ids = sorted(uuid4() for _ in range(8))
        for number, key in enumerate(ids):
            stage = "proposal" if number > 6 else "negotiation"
            DealFactory(id=key, expected_close_date=date(2026, 3, 3), stage=stage)
    with at(datetime(2026, 3, 3, 0, 1, tzinfo=UTC)):
        for _ in range(4):
            tick()
        assert [run.record_id for run in runs()] == [ids[-1]]
        assert Workflow.objects.get().clock_record_id is None


def test_a_workflow_that_fails_to_tick_does_not_keep_the_others_waiting(writer):
    with at(NOON):
        broken = WorkflowFactory(
            tenant=writer.tenant, created_by=writer, trigger={"type": "schedule", "cron": 7}, actions=[note()]
        )
        workflow(writer, note(), trigger=on("schedule", cron="* * * * *"))
        tick()
    with at(NOON + timedelta(minutes=2)):
        tick()
        assert len(runs()) == 1
        assert WorkflowExecution.objects.filter(workflow=broken).count() == 0


def test_what_the_system_does_starts_runs_too(in_acme, manager):
    workflow(manager, note(), trigger=on("record.created", resource="activities"))
    with acting_as(Actor(None, "import")):
        Activity(type="note", subject="x").save()
    assert len(runs()) == 1
