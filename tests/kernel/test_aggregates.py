"""Counts and sums: of the rows that the list would show, by declared columns, one statement each."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from apps.crm.models import Deal
from nexora.kernel.api import aggregates
from nexora.kernel.api.aggregates import Aggregated, Aggregates
from nexora.kernel.permissions import Policy
from nexora.kernel.scope import tenant_scope
from tests.contracts import routes
from tests.factories import (
    ActivityFactory,
    AICreditUsageFactory,
    CustomerFactory,
    DealFactory,
    WorkflowExecutionFactory,
)

pytestmark = pytest.mark.django_db

DEALS = "/api/v1/deals/aggregate/"
AGGREGATED = [route for route in routes.ON_TENANT if ("get", "aggregate") in route.methods]
GROUPS = [
    pytest.param(route, name, id=f"{route}-{name}")
    for route in AGGREGATED
    for name in route.viewset.aggregates.group_by
]


@pytest.fixture
def deals(acme, globex, member):
    """Five of acme's, one of globex's."""
    ada = CustomerFactory(tenant=acme, name="Ada")
    late, early = datetime(2026, 2, 28, 23, 59, 59, tzinfo=UTC), datetime(2026, 1, 1, tzinfo=UTC)
    DealFactory(customer=ada, title="Engine", stage="proposal", value=Decimal("100.10"), created_at=early)
    DealFactory(customer=ada, title="Engine II", stage="proposal", value=Decimal("200.20"), created_at=late)
    DealFactory(customer=ada, stage="negotiation", value=Decimal("5.00"), created_at=late, assigned_to=member)
    DealFactory(customer=ada, stage="closed_won", value=Decimal("7.00"), created_at=late, closed_at=late)
    DealFactory(customer=ada, stage="closed_won", value=Decimal("9.00"), created_at=None, closed_at=late)
    DealFactory(tenant=globex, stage="proposal", value=Decimal("1000000.00"))


@pytest.fixture
def ask(client_for, admin):
    def ask(**params):
        answer = client_for(admin).get(DEALS, params)
        assert answer.status_code == 200, answer.content
        return answer.json()["results"]

    return ask


def test_the_five_resources_have_aggregates():
    assert {route.model._meta.db_table for route in AGGREGATED} == {
        "customers", "deals", "activities", "ai_credit_usage", "workflow_executions",
    }  # fmt: skip


def test_rows_are_counted_and_summed_by_group(deals, ask):
    assert ask(group_by="stage", sum="value", count="true") == [
        {"group": {"stage": "closed_won"}, "count": 2, "sum": {"value": "16.00"}},
        {"group": {"stage": "negotiation"}, "count": 1, "sum": {"value": "5.00"}},
        {"group": {"stage": "proposal"}, "count": 2, "sum": {"value": "300.30"}},
    ]


def test_without_groups_there_is_one(deals, ask):
    assert ask() == [{"group": {}, "count": 5}]
    assert ask(sum="value") == [{"group": {}, "sum": {"value": "321.30"}}]
    assert ask(count="false", sum="value") == [{"group": {}, "sum": {"value": "321.30"}}]


def test_a_sum_of_nothing_is_zero(acme, ask):
    assert ask(sum="value", count="true") == [{"group": {}, "count": 0, "sum": {"value": "0.00"}}]
    assert ask(group_by="stage", sum="value") == []


def test_a_column_without_a_value_is_a_group_of_its_own_and_last(deals, ask, member):
    assert ask(group_by="assigned_to") == [
        {"group": {"assigned_to": str(member.pk)}, "count": 1},
        {"group": {"assigned_to": None}, "count": 4},
    ]


def test_months_are_those_of_utc(deals, ask):
    # Whatever the session's zone: late on the last day of February is early in March further east.
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL TIME ZONE 'Asia/Tokyo'")
    assert ask(group_by="created_at__month") == [
        {"group": {"created_at__month": "2026-01-01"}, "count": 1},
        {"group": {"created_at__month": "2026-02-01"}, "count": 3},
        {"group": {"created_at__month": None}, "count": 1},
    ]


def test_two_columns_make_groups_together(deals, ask):
    found = ask(group_by="stage,closed_at__month", sum="value")
    assert found[0] == {"group": {"stage": "closed_won", "closed_at__month": "2026-02-01"}, "sum": {"value": "16.00"}}
    assert len(found) == 3


def test_filters_and_search_narrow_the_rows(deals, ask):
    assert ask(stage="proposal") == [{"group": {}, "count": 2}]
    assert ask(search="engine", value__gte="150") == [{"group": {}, "count": 1}]


@pytest.mark.parametrize(
    ("params", "named"),
    [
        ({"group_by": "tenant"}, "group_by"),
        ({"group_by": "title"}, "group_by"),
        ({"group_by": "created_at"}, "group_by"),
        ({"group_by": "customer__name"}, "group_by"),
        ({"group_by": ""}, "group_by"),
        ({"group_by": "stage,stage"}, "group_by"),
        ({"group_by": "stage,assigned_to,created_at__month"}, "group_by"),
        ({"sum": "probability"}, "sum"),
        ({"sum": "value,value"}, "sum"),
        ({"sum": "\x00"}, "sum"),
        ({"count": "yes"}, "count"),
        ({"count": "false"}, "count"),
        ({"avg": "value"}, "avg"),
        ({"page_size": "5"}, "page_size"),
        ({"ordering": "stage"}, "ordering"),
        ({"value__gte": "much"}, "value__gte"),
        ({"search": "\x00"}, "search"),
    ],
    ids=str,
)
def test_what_is_not_declared_is_refused_by_name(params, named, client_for, admin):
    answer = client_for(admin).get(DEALS, params)
    assert answer.status_code == 400
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json()["errors"].keys() == {named}


def test_a_parameter_given_twice_is_refused(client_for, admin):
    answer = client_for(admin).get(DEALS + "?group_by=stage&group_by=assigned_to")
    assert answer.status_code == 400 and "group_by" in answer.json()["errors"]


def test_where_nothing_can_be_summed_a_sum_is_refused(client_for, admin):
    answer = client_for(admin).get("/api/v1/customers/aggregate/", {"sum": "value"})
    assert answer.json()["errors"] == {"sum": ["There is nothing to sum here."]}


def test_there_are_never_too_many_groups(deals, client_for, admin, monkeypatch):
    monkeypatch.setattr(aggregates, "MAX_GROUPS", 2)
    assert client_for(admin).get(DEALS, {"group_by": "assigned_to"}).status_code == 200
    answer = client_for(admin).get(DEALS, {"group_by": "stage"})
    assert answer.status_code == 400 and "group_by" in answer.json()["errors"]


def test_whoever_sees_only_their_own_counts_only_their_own(deals, client_for, member, monkeypatch):
    own_only = Policy({"crm.deal": ("", "view:own", "view", "view", "view")})
    monkeypatch.setattr("nexora.kernel.permissions.policy", lambda: own_only)
    answer = client_for(member).get(DEALS, {"sum": "value", "count": "true"})
    assert answer.json()["results"] == [{"group": {}, "count": 1, "sum": {"value": "5.00"}}]


def test_credits_are_whole_numbers(acme, client_for, admin):
    for credits_used in (3, 4):
        AICreditUsageFactory(tenant=acme, user=admin, feature="forecast", credits_used=credits_used)
    answer = client_for(admin).get("/api/v1/ai-credit-usage/aggregate/", {"group_by": "feature", "sum": "credits_used"})
    assert answer.json()["results"] == [{"group": {"feature": "forecast"}, "sum": {"credits_used": 7}}]


@pytest.mark.parametrize(("route", "name"), GROUPS)
def test_every_declared_group_is_the_tenants_own_in_one_statement(route, name, acme, globex, client_for, admin):
    for made in (CustomerFactory, DealFactory, ActivityFactory, AICreditUsageFactory, WorkflowExecutionFactory):
        if made._meta.model is route.model:
            made(tenant=acme), made(tenant=globex), made(tenant=globex)
    client = client_for(admin)
    client.get(route.address())  # sends the scope
    with CaptureQueriesContext(
        connection,
    ) as queries:
        answer = client.get(route.address(), {"group_by": name})
    assert answer.status_code == 200, answer.content
    (row,) = answer.json()["results"]
    assert row["group"].keys() == {name} and row["count"] == 1
    assert len([query for query in queries if "GROUP BY" in query["sql"]]) == 1


def test_what_cannot_be_grouped_or_summed_is_refused_when_the_class_is_made():
    for wrong in (
        Aggregates(group_by=("created_at",)),
        Aggregates(group_by=("stage__month",)),
        Aggregates(group_by=("customer__name",)),
        Aggregates(group_by=(), sum=("title",)),
    ):
        with pytest.raises(TypeError):
            wrong.check(Deal)
    with pytest.raises(TypeError, match="needs aggregates"):
        type("Undeclared", (Aggregated,), {})


def test_the_document_names_what_may_be_asked():
    from drf_spectacular.generators import SchemaGenerator

    operation = SchemaGenerator().get_schema(request=None, public=True)["paths"][DEALS]["get"]
    parameters = {one["name"]: one for one in operation["parameters"]}
    assert {"group_by", "sum", "count", "search", "stage__in", "value__gte"} <= parameters.keys()
    assert not {"cursor", "page_size", "ordering", "fields"} & parameters.keys()
    assert "created_at__month" in parameters["group_by"]["schema"]["pattern"]
    row = operation["responses"]["200"]["content"]["application/json"]["schema"]["properties"]["results"]["items"]
    assert row["properties"]["sum"]["properties"]["value"]["type"] == "string"


def test_a_queryset_is_grouped_as_it_is_narrowed(deals, acme):
    with tenant_scope(acme):
        rows = Aggregates(group_by=("stage",)).rows(Deal.objects.filter(stage="proposal"), ["stage"], [], True)
    assert rows == [{"group": {"stage": "proposal"}, "count": 2}]
