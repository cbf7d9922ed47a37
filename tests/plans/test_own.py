"""Lists of which some roles see only what is theirs: PostgreSQL finds it by whose it is, among most of everything."""

import pytest
from django.contrib.admin import site
from django.db.models import Count

from nexora.kernel.admin import lists
from nexora.kernel.permissions import OWN, ROLES
from nexora.kernel.scope import tenant_scope
from nexora.policy import POLICY
from tests.contracts.routes import LISTS

from .crowd import LARGE, SHARE
from .explain import complaints, explained
from .test_admin import address

pytestmark = pytest.mark.django_db

OWN_LISTS = [
    pytest.param(route, role, id=f"{role}-{route}")
    for route in LISTS
    for role in ROLES
    if route.model in LARGE and POLICY.reach(role, route.model._meta.label_lower, "view") == OWN
]
# A person has ten of each.
MOST = 5 * SHARE


@pytest.fixture
def somebody(big):
    """`somebody(model, role)`: a person of the crowd who has rows of it."""

    def find(model, role):
        (owner,) = model.owner_fields
        relation = model._meta.get_field(owner).related_model
        with tenant_scope(big):
            counted = model.objects.values_list(owner).annotate(count=Count("*")).order_by("-count", owner)
            person = relation.objects.get(pk=counted.first()[0])
        person.role, person.status, person.tenant = role, "active", big
        with tenant_scope(big):
            relation.objects.filter(pk=person.pk).unpublished("test data").update(role=role, status="active")
        return person

    return find


@pytest.mark.parametrize(("route", "role"), OWN_LISTS)
def test_ones_own_in_the_api(somebody, client_for, route, role):
    client = client_for(somebody(route.model, role))
    for params in ({}, {"ordering": "created_at"}):
        with explained() as statements:
            answer = client.get(route.address(), params)
        assert SHARE <= len(answer.json()["results"]) <= SHARE + 1  # the caller's own session is a row, too
        assert [found for _, plan in statements for found in complaints(plan, MOST)] == []


@pytest.mark.parametrize(("route", "role"), [case for case in OWN_LISTS if case.values[1] != "guest"])
def test_ones_own_in_the_admin(somebody, admin_client_for, monkeypatch, route, role):
    monkeypatch.setattr(lists, "MOST_COUNTED", 2 * SHARE)
    assert route.model in site._registry
    client = admin_client_for(somebody(route.model, role))
    with explained() as statements:
        answer = client.get(address(route.model))
    assert SHARE <= len(answer.context["cl"].result_list) <= SHARE + 1
    assert [found for _, plan in statements for found in complaints(plan, MOST)] == []


def test_there_are_such_lists():
    assert OWN_LISTS
