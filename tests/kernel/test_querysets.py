"""Every query of a tenant model carries the tenant, and bulk writes that would publish nothing are refused."""

import pytest
from django.db import connection
from django.db.models import Count, Exists, F, OuterRef, Prefetch, Subquery, Sum
from django.test.utils import CaptureQueriesContext

from apps.accounts.models import User
from apps.crm.models import Activity, Customer, Deal
from apps.marketplace.models import Plugin
from nexora.kernel import events
from nexora.kernel.errors import ScopeRequired, UnpublishedWrite
from nexora.kernel.scope import tenant_scope, unscoped
from tests.factories import ActivityFactory, CustomerFactory, DealFactory, UserFactory

# Built when the module is imported, outside every scope, as a viewset's `queryset` is.
EARLY = Customer.objects.filter(status="lead")


@pytest.fixture
def two_books(acme, globex):
    """Two customers of acme with a deal each, one of globex with two."""
    for name in ("Ada", "Grace"):
        DealFactory(customer=CustomerFactory(tenant=acme, name=name), value=100)
    bob = CustomerFactory(tenant=globex, name="Bob")
    DealFactory(customer=bob, value=1000)
    DealFactory(customer=bob, value=1000)


def names(queryset):
    return sorted(queryset.values_list("name", flat=True))


def sql_of(queryset):
    with CaptureQueriesContext(connection) as captured:
        list(queryset.all())
    return captured[-1]["sql"]


# -- Outside every scope


EVALUATIONS = {
    "list": list,
    "len": len,
    "bool": bool,
    "count": lambda q: q.count(),
    "exists": lambda q: q.exists(),
    "first": lambda q: q.first(),
    "get": lambda q: q.get(name="Ada"),
    "in_bulk": lambda q: q.in_bulk(),
    "values": lambda q: list(q.values("name")),
    "iterator": lambda q: list(q.iterator()),
    "aggregate": lambda q: q.aggregate(Count("pk")),
    "dates": lambda q: list(q.dates("created_at", "year")),
    "join": lambda q: list(q.filter(deals__title="x")),
    "exclude": lambda q: list(q.exclude(name="x")),
    "union": lambda q: list(q.union(q)),
    "for update": lambda q: list(q.select_for_update()),
    "explain": lambda q: q.explain(),
    "text": lambda q: str(q.query),
    "update": lambda q: q.unpublished("test").update(name=""),
    "delete": lambda q: q.unpublished("test").delete(),
}


@pytest.mark.parametrize("evaluate", EVALUATIONS.values(), ids=EVALUATIONS)
def test_a_query_outside_every_scope_is_refused_and_names_the_ways_out(db, evaluate):
    with pytest.raises(ScopeRequired, match=r"A query on Customer needs a tenant.*tenant_scope.*unscoped"):
        evaluate(Customer.objects.all())


def test_a_query_on_a_table_without_a_tenant_needs_no_scope(db):
    assert Plugin.objects.count() == 0


# -- In a scope


def test_a_queryset_may_be_built_before_the_scope_and_used_in_several(two_books, acme, globex):
    with tenant_scope(acme):
        assert names(EARLY.all()) == ["Ada", "Grace"]
    with tenant_scope(globex):
        assert names(EARLY.all()) == ["Bob"]


def test_unscoped_sees_every_tenant_and_compiles_no_filter(two_books):
    with unscoped(reason="test"):
        assert names(Customer.objects.all()) == ["Ada", "Bob", "Grace"]
        assert "WHERE" not in sql_of(Customer.objects.all())


def test_the_sql_holds_the_tenant_as_a_literal(two_books, acme):
    """The second belt on its own: with it PostgreSQL prunes partitions and uses indexes when it plans."""
    with tenant_scope(acme):
        for queryset in (
            Customer.objects.all(),
            Deal.objects.open(),
            Activity.objects.pending(),
            User.objects.active(),
        ):
            assert f"\"tenant_id\" = '{acme.pk.hex}'::uuid" in sql_of(queryset)


def test_joins_aggregates_and_annotations_stay_inside(two_books, acme):
    with tenant_scope(acme):
        assert Deal.objects.aggregate(total=Sum("value")) == {"total": 200}
        assert names(Customer.objects.filter(deals__value=100)) == ["Ada", "Grace"]
        assert names(Customer.objects.filter(deals__value=1000)) == []
        assert [c.n for c in Customer.objects.annotate(n=Count("deals"))] == [1, 1]
        assert list(
            Deal.objects.select_related("customer").values_list("customer__name", flat=True).order_by("customer__name")
        ) == ["Ada", "Grace"]


def test_subqueries_and_exists_carry_the_tenant_themselves(two_books, acme):
    deals = Deal.objects.filter(customer=OuterRef("pk"))
    with tenant_scope(acme):
        queryset = Customer.objects.annotate(best=Subquery(deals.values("value")[:1])).filter(
            Exists(deals), pk__in=Deal.objects.values("customer")
        )
        assert [c.best for c in queryset] == [100, 100]
        assert sql_of(queryset).count(acme.pk.hex) == 4


def test_unions_and_other_combinations_carry_the_tenant(two_books, acme):
    ada, grace = Customer.objects.filter(name="Ada"), Customer.objects.filter(name="Grace")
    with tenant_scope(acme):
        assert sorted(c.name for c in ada.union(grace)) == ["Ada", "Grace"]
        assert names(ada | grace) == ["Ada", "Grace"]
        assert names(Customer.objects.exclude(name="Ada")) == ["Grace"]
        assert names(Customer.objects.exclude(deals__value=100)) == []
        assert sorted(c.name for c in Customer.objects.difference(ada)) == ["Grace"]
        assert sql_of(ada.union(grace)).count(acme.pk.hex) == 2


def test_related_managers_and_prefetching_stay_inside(two_books, acme, globex):
    with tenant_scope(acme):
        customer = Customer.objects.prefetch_related(Prefetch("deals", Deal.objects.filter(value__gt=1))).get(
            name="Ada"
        )
        assert [d.value for d in customer.deals.all()] == [100]
    with tenant_scope(globex):
        # Acme's record in globex's scope: its relations show nothing rather than acme's rows.
        assert customer.deals.filter(value__gt=0).count() == 0


def test_a_foreign_key_followed_in_another_scope_finds_nothing(two_books, acme, globex):
    with tenant_scope(acme):
        deal = Deal.objects.first()
    with tenant_scope(globex), pytest.raises(Customer.DoesNotExist):
        deal.customer  # noqa: B018


def test_default_and_base_manager_carry_the_tenant_as_well(two_books, acme, globex):
    with tenant_scope(globex):
        bob = Customer.objects.get()
    with tenant_scope(acme):
        for manager in (Customer.objects, Customer._default_manager, Customer._base_manager):
            assert not manager.filter(pk=bob.pk).exists()


def test_trade_verbs_stay_inside(acme, globex):
    for tenant in (acme, globex):
        DealFactory(tenant=tenant, stage="closed_won")
        DealFactory(tenant=tenant)
        ActivityFactory(tenant=tenant, completed=True)
    with tenant_scope(acme):
        assert (Deal.objects.open().count(), Deal.objects.won().count(), Activity.objects.pending().count()) == (
            1,
            1,
            0,
        )


def test_an_empty_filter_is_empty_in_every_scope(two_books, acme):
    with tenant_scope(acme):
        assert list(Customer.objects.none()) == []
        assert list(Customer.objects.filter(pk__in=[])) == []
    with unscoped(reason="test"):
        assert list(Customer.objects.filter(pk__in=[])) == []


# -- Bulk writes


@pytest.mark.parametrize(
    ("verb", "write"),
    [("update", lambda q: q.update(name="x")), ("delete", lambda q: q.delete()),
     ("bulk_create", lambda q: q.bulk_create([])), ("bulk_update", lambda q: q.bulk_update([], ["name"]))],
)  # fmt: skip
def test_bulk_writes_are_refused_and_name_the_way_out(in_acme, verb, write):
    for queryset in (Customer.objects.all(), Customer.objects.filter(name="Ada")):
        with pytest.raises(
            UnpublishedWrite, match=rf"Customer\.objects\.{verb}\(\) would publish no change event.*unpublished"
        ):
            write(queryset)


def test_bulk_writes_through_related_managers_are_refused(in_acme):
    deal, other = DealFactory(), CustomerFactory()
    with pytest.raises(UnpublishedWrite):
        other.deals.add(deal)
    with pytest.raises(UnpublishedWrite):
        deal.customer.deals.update(title="x")


@pytest.mark.parametrize("verb", ["delete", "_raw_delete"])
def test_managers_offer_no_bulk_delete(verb):
    assert not hasattr(Customer.objects, verb)


def test_unpublished_writes_stay_inside_the_tenant(two_books, acme):
    with tenant_scope(acme):
        assert Customer.objects.unpublished("test").update(company="ACME") == 2
        assert Customer.objects.filter(name="Ada").unpublished("test").delete()[0] == 1
    with unscoped(reason="test"):
        assert names(Customer.objects.filter(company="ACME")) == ["Grace"]
        assert names(Customer.objects.all()) == ["Bob", "Grace"]


def test_unpublished_writes_publish_nothing(in_acme, monkeypatch):
    CustomerFactory()
    published = []
    monkeypatch.setattr(events, "_readers", [published.extend])
    Customer.objects.unpublished("test").update(company="x")
    Customer.objects.unpublished("test").bulk_create([Customer(name="New")])
    assert published == []
    assert Customer.objects.get(name="New").tenant_id == in_acme.pk


@pytest.mark.parametrize("reason", ["", None])
def test_an_unpublished_write_takes_a_reason(reason):
    with pytest.raises(ValueError, match="needs a reason"):
        Customer.objects.unpublished(reason)


def test_get_or_create_publishes_and_stays_inside(acme, globex):
    CustomerFactory(tenant=globex, name="Ada")
    with tenant_scope(acme):
        ada, created = Customer.objects.get_or_create(name="Ada")
        assert (created, ada.tenant_id) == (True, acme.pk)
        _, created = Customer.objects.update_or_create(name="Ada", defaults={"company": "Engines"})
        assert not created


def test_an_expression_of_a_column_works_beside_the_tenant(in_acme):
    DealFactory(value=100, probability=50)
    assert Deal.objects.annotate(expected=F("value") * F("probability") / 100).get().expected == 50


def test_a_manager_with_trade_verbs_finds_a_user_by_natural_key(acme, globex):
    UserFactory(tenant=globex, email="bob@example.com")
    ada = UserFactory(tenant=acme, email="ada@example.com")
    with tenant_scope(acme):
        assert User.objects.get_by_natural_key(" ADA@example.com ") == ada
        with pytest.raises(User.DoesNotExist):
            User.objects.get_by_natural_key("bob@example.com")
