"""Lists of which some roles see only what is theirs: PostgreSQL finds it by whose it is, among most of everything."""

from datetime import timedelta

import pytest
from django.contrib.admin import site
from django.db.models import Count

from nexora.kernel.admin import lists
from nexora.kernel.db.login import owner_login
from nexora.kernel.models import plain
from nexora.kernel.permissions import OWN, ROLES, narrow
from nexora.kernel.scope import tenant_scope
from nexora.policy import POLICY
from tests.contracts.routes import LISTS
from tests.factories import FACTORIES, UserFactory

from .crowd import LARGE, RARE, SHARE, SHARED
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
def somebody(big, platform):
    """`somebody(model, role)`: a person of the crowd who has rows of it; a super_admin has some on the platform."""

    def find(model, role):
        (owner,) = model.owner_fields
        if role == "super_admin":
            person = UserFactory(tenant=platform, role=role)
            FACTORIES[model].create_batch(SHARE, tenant=platform, **{owner.removesuffix("_id"): person})
            return person
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


# -- What nobody sees more of than their own: its filters look among what the person has


FILTERS = [
    pytest.param(route, name, one, id=f"{route}-{name}")
    for route in LISTS
    if route.model in LARGE and route.model not in SHARED
    for name, one in route.viewset.filterset_class.base_filters.items()
]


@pytest.mark.parametrize(("route", "name", "one"), FILTERS)
def test_a_filter_of_ones_own(somebody, client_for, route, name, one):
    person = somebody(route.model, "user")
    with tenant_scope(person.tenant_id):
        row = narrow(route.model.objects.exclude(**{one.field_name: None}), person, "view").first()
    held = "false" if one.lookup_expr == "isnull" else plain(getattr(row, one.field_name))
    if one.lookup_expr in ("gt", "lt"):
        held = plain(getattr(row, one.field_name) - timedelta(minutes=1 if one.lookup_expr == "gt" else -1))
    with explained() as statements:
        answer = client_for(person).get(route.address(), {name: held})
    assert answer.status_code == 200, answer.content
    assert answer.json()["results"] or one.lookup_expr == "isnull"
    assert [found for _, plan in statements for found in complaints(plan, MOST)] == []


@pytest.fixture(scope="module")
def busy(big, django_db_blocker):
    """An admin who was told of everything, and has read all but a few. Committed and analysed, as the crowd is."""
    with django_db_blocker.unblock(), owner_login() as owner, owner.cursor() as cursor:
        person = UserFactory(tenant=big, role="admin")
        cursor.execute(
            "INSERT INTO notifications (tenant_id, user_id, text, created_at, read_at) "
            "SELECT %s, %s, 'Done', moment, CASE WHEN n >= %s THEN moment END "
            "FROM generate_series(0, 2999) n, "
            "LATERAL (SELECT timestamptz '2026-01-01' + n * interval '1 minute') made (moment)",
            [big.pk, person.pk, RARE],
        )
        cursor.execute("ANALYZE notifications")
        yield person
        cursor.execute("DELETE FROM users WHERE id = %s", [person.pk])
        cursor.execute("ANALYZE notifications")


@pytest.mark.parametrize(
    ("address", "count"),
    [
        ("/api/v1/notifications/", 50),
        ("/api/v1/notifications/?read=true", 50),
        ("/api/v1/notifications/?read=false", RARE),
        ("/admin/", None),
        ("/admin/accounts/notification/", 25),
        ("/admin/accounts/notification/?read=no", RARE),
        ("/admin/accounts/notification/?read=yes", 25),
    ],
)
def test_notifications_of_somebody_who_has_thousands(busy, client_for, admin_client_for, monkeypatch, address, count):
    monkeypatch.setattr(lists, "MOST_COUNTED", MOST)
    client = (admin_client_for if address.startswith("/admin") else client_for)(busy)
    with explained() as statements:
        answer = client.get(address)
    if count:
        assert count == len(answer.context["cl"].result_list if answer.context else answer.json()["results"])
    told = [plan for sql, plan in statements if 'FROM "notifications"' in sql]
    assert told
    assert [found for plan in told for found in complaints(plan, 2 * MOST)] == []


def test_there_are_such_lists():
    assert OWN_LISTS and FILTERS
