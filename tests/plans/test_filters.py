"""Every filter and search of every list, asked for by the runtime role inside a tenant that has most of everything:
PostgreSQL reads what is found, not what there is."""

import pytest
from django.contrib.postgres.fields import ArrayField
from django.db.models import Count

from apps.tenants.models import Tenant
from nexora.kernel.models import plain
from nexora.kernel.scope import tenant_scope
from tests.contracts.routes import LISTS
from tests.factories import UserFactory

from .crowd import LARGE, RARE, ROWS, SHARED
from .explain import complaints, explained, reads

pytestmark = pytest.mark.django_db

# Rows that a page of 50 may cost: an eighth of the tenant's fills one after four hundred.
MOST = 600
PAGE = 50


def filters():
    for route in LISTS:
        if route.model not in SHARED:
            continue
        for name, one in route.viewset.filterset_class.base_filters.items():
            yield pytest.param(route, name, one, id=f"{route}-{name}")


@pytest.fixture
def browse(big, client_for):
    """`browse(route, name=value)`: how many were found, and the plan of the list's own statement."""
    client = client_for(UserFactory(tenant=big, role="admin"))

    def ask(route, **params):
        with explained() as statements:
            answer = client.get(route.address(), params)
        assert answer.status_code == 200, answer.content
        table = route.model._meta.db_table
        return len(answer.json()["results"]), [plan for sql, plan in statements if f'FROM "{table}"' in sql]

    return ask


def values_of(one, column, tenant):
    """What few and what most rows hold; of ranges, an end and the middle."""
    lookup = one.lookup_expr
    if lookup == "isnull":
        return ["true", "false"]
    with tenant_scope(tenant):
        rows = column.model.objects.exclude(**{column.name: None})
        if lookup in ("gt", "gte", "lt", "lte"):
            ordered = rows.order_by(column.name if lookup.startswith("l") else f"-{column.name}")
            held = list(ordered.values_list(column.name, flat=True)[: ROWS // 2])
            return [plain(held[RARE - 2]), plain(held[-1])]
        counted = rows.values_list(column.attname).annotate(count=Count("*")).order_by("count", column.attname)
        held = [counted[0][0], counted.last()[0]]
    if isinstance(column, ArrayField):
        held = [value[0] for value in held]
    return [str(plain(value)).lower() if isinstance(value, bool) else str(plain(value)) for value in held]


@pytest.mark.parametrize(("route", "name", "one"), list(filters()))
def test_a_filter_reads_what_it_finds(browse, big, route, name, one):
    column = route.model._meta.get_field(one.field_name)
    found = []
    for value in values_of(one, column, big):
        count, plans = browse(route, **{name: value})
        assert plans
        found.append(count)
        assert [complaint for plan in plans for complaint in complaints(plan, MOST)] == []
        # A full page may have come from walking the list in its own order.
        assert count == PAGE or all(reads(plan, column.column) for plan in plans)
    assert 0 < min(found) < PAGE, "nothing was found, or no value is rare: every plan would pass"


def searches():
    return [
        pytest.param(route, field, id=f"{route}-{field}")
        for route in LISTS
        if route.model in SHARED
        for field in route.viewset.search_fields
    ]


@pytest.mark.parametrize(("route", "field"), searches())
def test_a_search_reads_what_it_finds(browse, big, route, field):
    column = route.model._meta.get_field(field)
    with tenant_scope(big):
        counted = route.model.objects.exclude(**{field: None}).values_list(field).annotate(count=Count("*"))
        rarest = counted.order_by("count", f"-{field}").first()[0]
    for term in (rarest, "nobody", "usual"):
        count, plans = browse(route, search=term)
        assert term == "usual" or bool(count) == (term != "nobody")
        for plan in plans:
            assert list(complaints(plan, MOST)) == []
            assert term == "usual" or reads(plan, f"{column.column}_folded")


def test_what_is_large_is_more_than_the_customers():
    assert len(LARGE) >= 11
    assert Tenant not in LARGE
