"""What a `where` finds, beside what the same condition would say of each record."""

from datetime import UTC, date, datetime, timedelta

import pytest

from apps.crm.models import Customer, Deal
from apps.workflows.actions.queries import as_query
from apps.workflows.definition import conditions
from apps.workflows.definition.resources import resource_named
from tests.factories import CustomerFactory, DealFactory, UserFactory
from tests.workflows.flows import finish, runs, workflow

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
DAYS = [date(2026, 11, 22), date(2026, 11, 23), date(2026, 11, 24), None]
MOMENTS = [NOON - timedelta(hours=12), NOON, NOON + timedelta(seconds=1), None]


@pytest.mark.parametrize("op", ["eq", "ne", "lt", "lte", "gt", "gte"])
@pytest.mark.parametrize(
    "value",
    ["2026-11-23", "2026-11-23T00:00:00Z", "2026-11-23T12:00:00Z", "2026-11-23T12:00:00", "2026-11-24T01:00+02:00"],
)
@pytest.mark.parametrize("name", ["expected_close_date", "closed_at"])
def test_a_query_finds_by_days_and_moments_what_the_condition_says(in_acme, name, op, value):
    values = DAYS if name == "expected_close_date" else MOMENTS
    deals = DealFactory.create_batch(len(values), customer=CustomerFactory(), stage="closed_won")
    for deal, found in zip(deals, values, strict=True):
        Deal.objects.filter(pk=deal.pk).unpublished("test data").update(**{name: found})
    leaf = {"path": f"item.{name}", "op": op, "value": value}
    meant = {
        deal.pk
        for deal, held in zip(deals, values, strict=True)
        if conditions.holds(leaf, lambda path, held=held: held, None)
    }
    found = Deal.objects.filter(as_query(leaf, resource_named("deals")))
    assert set(found.values_list("pk", flat=True)) == meant


def test_a_text_that_is_no_date_fails_the_step(in_acme, manager):
    where = {"path": "item.expected_close_date", "op": "lt", "value": "{{ record.name }}"}
    workflow(manager, {"key": "late", "type": "record.find", "with": {"resource": "deals", "where": where}})
    Customer(name="soon").save()
    (run,) = finish(*runs())
    assert run.status == "failed" and "cannot be compared" in run.error


def test_among_equals_a_record_goes_to_who_never_had_one(in_acme, manager, member):
    newcomer = UserFactory(role="user")
    workflow(
        manager,
        {
            "key": "assign",
            "type": "record.assign",
            "with": {"resource": "deals", "rule": "fewest_open", "roles": ["user"]},
        },
        trigger={"type": "record.created", "resource": "deals"},
    )
    DealFactory(assigned_to=member, stage="closed_won")
    Deal(customer=CustomerFactory(), title="New", value=1).save()
    (run,) = finish(*runs())
    assert run.output["steps"]["assign"]["assigned_to"] == str(newcomer.pk)
