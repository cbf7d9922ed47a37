"""The fast path and the plain one give the same answers, about every route and every kind of value."""

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from rest_framework import serializers as drf

from apps.crm.filters import CustomerFilterSet
from apps.crm.models import Activity, Customer, Deal
from apps.crm.serializers import CustomerSerializer
from nexora.kernel import permissions, statements
from nexora.kernel.api import fast
from nexora.kernel.api.viewsets import TenantViewSet
from nexora.kernel.scope import tenant_scope
from tests.factories import ActivityFactory, CustomerFactory, DealFactory, NotificationFactory, UserFactory

from .routes import LISTS, ROLES, make

FAST = [route for route in LISTS if route.viewset.fast]
WHOLE, HALVES = datetime(2026, 3, 1, 8, 0, tzinfo=UTC), datetime(2026, 3, 1, 8, 0, 0, 120, tzinfo=UTC)


@pytest.fixture
def rows(acme, admin, member, guest):
    """Rows of acme in all their variety: NULLs, unicode, whole seconds and microseconds, arrays, JSON."""
    for model in {route.model for route in FAST if route.model._meta.managed}:
        for _ in range(3):
            made = make(model, acme)
            if made is acme or made is None:
                break
    for person in (admin, member, guest):
        NotificationFactory.create_batch(3, user=person)
    odd = {"a": [1, 2.5, None, True, {"é": "\\"}], "": "\t\n\x7f\u2028😀", "big": 2**63 - 1, "small": 1e-7}
    ada = CustomerFactory(
        tenant=acme, name='Ada "Édith" \\ 😀\t</script>', email="ada@example.com", company="Ärger & Söhne",
        tags=["", "ü,1", '"', None], custom_fields=odd, created_by=member, created_at=WHOLE, updated_at=HALVES,
    )  # fmt: skip
    CustomerFactory(tenant=acme, name="Ada", email=None, phone=None, company=None, tags=None, custom_fields=None)
    CustomerFactory(tenant=acme, name="ada second", tags=[], custom_fields={}, created_at=HALVES)
    deal = DealFactory(tenant=acme, customer=ada, value=Decimal("9999999999.99"), expected_close_date=date(2026, 2, 28))
    DealFactory(tenant=acme, customer=ada, value=Decimal("0.10"), probability=None, expected_close_date=None)
    DealFactory(tenant=acme, customer=ada, value=Decimal("-5"), stage=Deal.Stage.CLOSED_WON)
    ActivityFactory(tenant=acme, customer=ada, deal=deal, completed=None, due_date=HALVES, assigned_to=member)
    with tenant_scope(acme):
        # As in rows written by the seed's own SQL.
        for model in (Customer, Deal, Activity):
            model.objects.filter(pk__in=model.objects.order_by("id")[:1]).unpublished("test data").update(
                created_at=None
            )
    return acme


@pytest.fixture
def both(monkeypatch):
    """(fast, plain): the answers of both paths to the same question."""

    def ask(client, address):
        quick = client.get(address)
        with monkeypatch.context() as plain:
            plain.setattr(fast.FastList, "fast_page", lambda *args: None)
            plain.setattr(fast.FastRetrieve, "fast_record", lambda *args: None)
            return quick, client.get(address)

    return ask


def ensure_equal(quick, plain):
    assert quick.status_code == plain.status_code, quick.content
    assert quick.json() == plain.json()
    if quick.status_code == 200:
        shown = quick.json()
        assert [list(row) for row in shown.get("results", [shown])] == [
            list(row) for row in plain.json().get("results", [shown])
        ]
    assert quick.headers.get("ETag") == plain.headers.get("ETag")
    assert quick.headers["Content-Type"] == plain.headers["Content-Type"]


@pytest.mark.parametrize("role", ROLES)
def test_every_list_and_record_is_the_same(client_for, cast, rows, both, role):
    client = client_for(cast[role])
    for route in FAST:
        address = route.address()
        while address:
            quick, plain = both(client, address + ("" if "?" in address else "?page_size=2"))
            ensure_equal(quick, plain)
            if quick.status_code != 200:
                break
            for row in quick.json()["results"]:
                if "id" in row and "revenue" not in address:
                    ensure_equal(*both(client, f"{route.address()}{row['id']}/"))
            address = quick.json()["next"]


@pytest.mark.parametrize(
    "query",
    [
        "search=ada", "search=ADA+sec", "search=%C3%A4rger", "search=&name=Ada", "search=a%00", "search=%25",
        "email=ADA%40example.com", "status=lead", "status=nonsense", "status__in=lead,active", "status__in=lead,lead",
        "created_at__gte=2026-03-01", "created_at__gt=2026-03-01T08:00:00Z", "created_at__isnull=true",
        "tags__contains=", "ordering=name", "ordering=-name,created_at", "ordering=created_at",
        "ordering=company&page_size=1",
        "ordering=-company&page_size=1", "fields=id,name", "fields=nonsense", "count=true", "count=maybe", "nonsense=1",
        "page_size=0", "page_size=1&name=Ada&status=lead", "cursor=x", "name=Ada&name=Ben", "created_by__isnull=true",
    ],
)  # fmt: skip
def test_every_question_is_answered_the_same(client_for, guest, rows, both, query):
    client = client_for(guest)
    address = f"/api/v1/customers/?{query}"
    for _ in range(4):
        quick, plain = both(client, address)
        ensure_equal(quick, plain)
        address = quick.json().get("next")
        if not address:
            break


@pytest.mark.parametrize(
    "query",
    ["value__gte=0.1", "value=9999999999.99", "probability__lte=100", "expected_close_date=2026-02-28", "value=x"],
)
def test_numbers_and_days_are_filtered_the_same(client_for, guest, rows, both, query):
    quick, plain = both(client_for(guest), f"/api/v1/deals/?{query}")
    ensure_equal(quick, plain)


def test_a_statement_is_compiled_once_and_carries_the_tenant_of_each_request(client_for, acme, globex, guest, mallory):
    CustomerFactory(tenant=acme, name="Ours")
    CustomerFactory(tenant=globex, name="Theirs")
    sent = {}
    for person, tenant, name in ((guest, acme, "Ours"), (mallory, globex, "Theirs"), (guest, acme, "Ours")):
        client = client_for(person)
        with CaptureQueriesContext(connection) as queries:
            answer = client.get("/api/v1/customers/")
        assert [row["name"] for row in answer.json()["results"]] == [name]
        read = [query["sql"] for query in queries if "row_to_json" in query["sql"]]
        assert len(read) == 1 and f"'{tenant.pk.hex}'::uuid" in read[0]
        sent[tenant.pk] = read[0]
    assert len(sent) == 2


def test_another_tenants_id_and_no_id_are_the_same_404(client_for, acme, globex, guest, both):
    client = client_for(guest)
    theirs, mine = CustomerFactory(tenant=globex), CustomerFactory(tenant=acme)
    for key in (theirs.pk, "no-id", "%00"):
        quick, plain = both(client, f"/api/v1/customers/{key}/")
        ensure_equal(quick, plain)
        assert quick.status_code == 404
    assert client.get(f"/api/v1/customers/{mine.pk}/").status_code == 200


def test_reach_own_is_kept(client_for, acme, member, colleague, both, monkeypatch):
    """Customers are everybody's today; the path must be ready for the day they are not."""
    mine = CustomerFactory(tenant=acme, created_by=member)
    other = CustomerFactory(tenant=acme, created_by=colleague)
    narrowed = permissions.Policy({"crm.customer": ("view:own",) * 5})
    monkeypatch.setattr(permissions, "policy", lambda: narrowed)
    for person, record in ((member, mine), (colleague, other)):
        quick, plain = both(client_for(person), "/api/v1/customers/")
        ensure_equal(quick, plain)
        assert [row["id"] for row in quick.json()["results"]] == [str(record.pk)]
    ensure_equal(*both(client_for(member), f"/api/v1/customers/{other.pk}/"))


def test_the_platform_reads_all_tenants_by_the_same_path(client_for, root, acme, globex, both):
    UserFactory(tenant=globex)
    for address in ("/api/v1/tenants/", "/api/v1/audit-events/", f"/api/v1/tenants/{acme.pk}/", "/api/v1/plugins/"):
        quick, plain = both(client_for(root), address)
        ensure_equal(quick, plain)
        assert quick.status_code == 200
    assert {str(acme.pk), str(globex.pk)} <= {
        r["id"] for r in client_for(root).get("/api/v1/tenants/").json()["results"]
    }


# -- What is refused when the class is made


def sample(**attributes):
    sound = {
        "queryset": Customer.objects.all(),
        "serializer_class": CustomerSerializer,
        "filterset_class": CustomerFilterSet,
        "ordering": ("-created_at",),
        "fast": True,
    }
    return type("SampleViewSet", (TenantViewSet,), sound | attributes)


def serializer(**attributes):
    return type("SampleSerializer", (CustomerSerializer,), attributes)


def method(*args, **kwargs):
    pass


@pytest.mark.parametrize(
    ("make_attributes", "sentence"),
    [
        (lambda: {"narrow_queryset": method}, "overrides narrow_queryset"),
        (lambda: {"retrieve": method}, "overrides retrieve"),
        (lambda: {"get_serializer": method}, "overrides get_serializer"),
        (lambda: {"serializer_class": serializer(to_representation=method)}, "overrides to_representation"),
        (lambda: {"serializer_class": serializer(name=drf.SerializerMethodField())}, "name is a SerializerMethodField"),
        (lambda: {"serializer_class": serializer(name=drf.CharField(source="created_by.name"))}, "name is a CharField"),
        (lambda: {"platform_serializer_class": serializer(name=drf.DurationField())}, "name is a DurationField"),
        (
            lambda: {"filterset_class": type("F", (CustomerFilterSet,), {"narrow": classmethod(method)})},
            "F overrides narrow",
        ),
    ],
)
def test_what_the_fast_path_cannot_honour_is_refused_when_the_class_is_made(make_attributes, sentence):
    with pytest.raises(TypeError, match="SampleViewSet is fast, but") as caught:
        sample(**make_attributes())
    assert sentence in str(caught.value)


def test_every_list_is_fast():
    assert [route.viewset.__name__ for route in LISTS if not route.viewset.fast] == []


def test_kept_statements_are_bounded(monkeypatch):
    monkeypatch.setattr(statements, "MOST_SHAPES", 3)
    kept = statements.Statements()
    for number in range(10):
        assert kept.get(number, lambda number=number: number) == number
    assert len(kept.known) <= 3
