"""What somebody could try with workflows against their organisation, or another's worker, and how it ends."""

import time
from datetime import UTC, datetime, timedelta

import pytest

from apps.crm.models import Activity, Customer, Deal
from apps.tenants.models import Tenant
from apps.workflows.actions import queries
from apps.workflows.definition import schema
from apps.workflows.definition.check import check_definition
from apps.workflows.engine import advancing
from apps.workflows.engine.steps import redacted
from apps.workflows.models import Workflow, WorkflowExecution
from apps.workflows.services import upkeep
from nexora.kernel import clock
from nexora.kernel.scope import tenant_scope, unscoped
from tests.accounts.test_keys import program
from tests.factories import ActivityFactory, APIKeyFactory, CustomerFactory, DealFactory, UserFactory
from tests.workflows.flows import acts, finish, note, runs, workflow

pytestmark = pytest.mark.django_db

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
URL = "/api/v1/workflows/"
FEW = 0.2  # seconds of this process


@pytest.fixture
def writer(in_acme, manager):
    with acts(manager):
        yield manager


@pytest.mark.parametrize("text", ["://" + "?pass" * 20_000, "://" + "?a&" * 20_000, "://?" + "token" * 10_000])
def test_looking_for_secrets_takes_time_in_proportion(text):
    began = time.process_time()
    redacted(text)
    assert time.process_time() - began < FEW


def test_secrets_in_addresses_are_still_found():
    assert "hunter2" not in redacted("https://x.example/?a=1&api_key=hunter2&b=2#c")
    assert redacted("https://x.example/?a=1&b=2") == "https://x.example/?a=1&b=2"


def test_no_kind_compares_each_of_a_list_with_each():
    """As uniqueItems does, however long the list is."""
    assert "uniqueItems" not in str(schema.published())


def test_a_key_makes_and_tries_no_workflow_whatever_its_scopes(writer):
    made = workflow(writer, note())
    key = program(APIKeyFactory(user=writer, scopes=["*:write"]).text)
    body = {"name": "x", "trigger": {"type": "manual"}, "actions": [note()]}
    answers = [
        key.post(URL, body),
        key.patch(f"{URL}{made.pk}/", {"name": "y"}),
        key.put(f"{URL}{made.pk}/", body),
        key.post(f"{URL}bulk-update/", {"ids": [str(made.pk)], "set": {"enabled": False}}),
        key.post(f"{URL}{made.pk}/test/", {}),
    ]
    assert [(answer.status_code, answer.json()["code"]) for answer in answers] == [(403, "people_only")] * 5
    assert key.post(f"{URL}{made.pk}/run/", {"ids": [str(CustomerFactory().pk)]}).status_code == 202


def test_a_run_in_flight_has_no_rights_of_who_is_given_its_workflow(writer, admin):
    person = UserFactory(role="user")
    wipe = {
        "key": "each", "type": "for_each",
        "with": {"resource": "customers", "do": [
            {"key": "gone", "type": "record.delete", "with": {"resource": "customers", "record": "{{ item.id }}"}}]},
    }  # fmt: skip
    with clock.frozen_at(NOON):
        made = workflow(person, {"key": "wait", "type": "wait", "with": {"for": "P1D"}}, wipe)
        Customer(name="Ada").save()
        finish(*runs(made))
    with acts(admin):
        made.created_by = admin
        made.save()
    with clock.frozen_at(NOON + timedelta(days=2)):
        (run,) = finish(*runs(made))
    assert run.status == "failed" and "no longer owns" in run.error
    assert Customer.objects.exists()


def test_a_failed_run_of_a_former_owners_version_cannot_be_retried_with_other_rights(client_for, writer, acme):
    person = UserFactory(role="user")
    broken = {
        "key": "b", "type": "record.update",
        "with": {"resource": "customers", "values": {"email": "{{ record.name }}"}},
    }  # fmt: skip
    made = workflow(person, broken)
    Customer(name="Ada", created_by=person).save()
    (run,) = finish(*runs(made))
    made.refresh_from_db()
    made.created_by = writer
    made.save()
    answer = client_for(writer).post(f"/api/v1/workflow-executions/{run.pk}/retry/")
    assert (answer.status_code, answer.json()["code"]) == (409, "not_retriable")


def test_nothing_runs_while_the_organisation_is_suspended_and_all_goes_on_afterwards(writer, acme):
    with clock.frozen_at(NOON):
        made = workflow(writer, note(), trigger={"type": "schedule", "cron": "* * * * *"})
        upkeep.run_due()
        hand = workflow(writer, note("hand"))
        Customer(name="Ada").save()

    def become(status):
        with unscoped(reason="test data"):
            Tenant.objects.filter(pk=acme.pk).unpublished("test data").update(status=status)

    become("suspended")
    with clock.frozen_at(NOON + timedelta(minutes=5)):
        upkeep.run_due()
        finish()
        assert runs(made) == [] and runs(hand)[0].status == "running" and not Activity.objects.exists()
        become("active")
        upkeep.run_due()
        assert len(runs(made)) == 1
        assert {run.status for run in finish()} == {"completed"}


def test_one_large_change_is_no_loop(client_for, writer, acme):
    made = workflow(writer, note(), trigger={"type": "record.updated", "resource": "customers"})
    many = CustomerFactory.create_batch(70)
    body = {"ids": [str(one.pk) for one in many], "set": {"company": "x"}}
    assert client_for(writer).post("/api/v1/customers/bulk-update/", body).status_code == 200
    made.refresh_from_db()
    assert made.enabled and len(runs(made)) == 70


def test_a_query_that_takes_too_long_fails_its_step(writer, monkeypatch):
    monkeypatch.setattr(queries, "MOST_SECONDS", 0.2)
    monkeypatch.setattr(queries, "as_query", lambda *args: _sleeps())
    where = {"path": "item.title", "op": "contains", "value": "x"}
    made = workflow(writer, {"key": "f", "type": "record.find", "with": {"resource": "deals", "where": where}})
    DealFactory()
    Customer(name="Ada").save()
    (run,) = finish(*runs(made))
    assert run.status == "failed" and "took longer" in run.error


def _sleeps():
    from django.db.models import Func, Q, TextField, Value
    from django.db.models.functions import Cast

    sleep = Cast(Func(Value(2), function="pg_sleep"), TextField())
    return Q(title=sleep)


def test_a_run_does_so_many_steps_and_no_more(writer, monkeypatch):
    monkeypatch.setattr(advancing, "MOST_STEPS", 3)
    made = workflow(writer, *[note(f"n{number}") for number in range(5)])
    Customer(name="Ada").save()
    (run,) = finish(*runs(made))
    assert run.status == "failed" and "3 steps" in run.error and Activity.objects.count() == 3


def test_rounds_within_rounds_are_refused():
    inner = {"key": "inner", "type": "for_each", "with": {"resource": "deals", "do": [note()]}}
    outer = {"key": "outer", "type": "for_each", "with": {"resource": "deals", "do": [inner]}}
    with pytest.raises(Exception, match="for-each inside a for-each"):
        check_definition(trigger={"type": "manual"}, actions=[outer])


def test_secrets_in_what_started_a_run_are_not_kept(writer):
    workflow(writer, note(), trigger={"type": "record.deleted", "resource": "customers"})
    customer = CustomerFactory(name="Ada", custom_fields={"password": "hunter2"})
    key = customer.pk
    customer.delete()
    run = WorkflowExecution.objects.get()
    assert "hunter2" not in str(run.input)
    assert run.input["values"]["id"] == str(key) and run.record_id == key


def test_a_query_looks_at_fields_of_the_record_itself_only():
    where = {"path": "item.custom_fields.tier", "op": "eq", "value": "gold"}
    with pytest.raises(Exception, match="no query looks further"):
        check_definition(
            trigger={"type": "manual"},
            actions=[{"key": "f", "type": "record.find", "with": {"resource": "customers", "where": where}}],
        )


@pytest.mark.parametrize("cron", ["R R R R R", "H H * * *", "0 0 L * *", "* * * * * *", "@daily", "0 0 1#2 * *"])
def test_a_schedule_says_times_and_nothing_else(cron):
    with pytest.raises(Exception, match="cron"):
        check_definition(trigger={"type": "schedule", "cron": cron}, actions=[note()])


def test_a_definition_that_nobody_checked_ends_its_run(writer):
    made = workflow(writer, note())
    Workflow.objects.filter(pk=made.pk).unpublished("test data").update(actions=["nonsense"], version=7)
    Customer(name="Ada").save()
    (run,) = finish(*runs(made))
    assert run.status == "failed" and "cannot be read" in run.error


def test_a_mail_or_note_of_another_tenant_is_out_of_reach(writer, globex):
    with tenant_scope(globex):
        theirs = ActivityFactory()
    made = workflow(
        writer,
        {"key": "x", "type": "record.update",
         "with": {"resource": "activities", "record": str(theirs.pk), "values": {"subject": "x"}}},
    )  # fmt: skip
    Customer(name="Ada").save()
    assert finish(*runs(made))[0].status == "failed"
    with tenant_scope(globex):
        assert Activity.objects.get().subject != "x"
    assert not Deal.objects.exists()
