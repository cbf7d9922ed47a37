"""Conditions on columns with a stored copy find exactly what they would find without it."""

import operator
from decimal import Decimal

import pytest
from django.db import connection
from django.db.models import F, Value
from django.db.models.functions import Concat

from apps.analytics.models import AIPrediction
from apps.crm.models import Customer, Deal
from nexora.kernel.api.filters import search_condition
from nexora.kernel.copies import Copy
from tests.factories import AIPredictionFactory, CustomerFactory, DealFactory

NAMES = ["Ada", "ada", "ADA", "Ada ", "Ädam", "İstanbul", "istanbul", "STRASSE", "Straße", ""]
VALUES = [Decimal(value) for value in ("-3.01", "0.00", "12.49", "12.50", "12.51", "9999999999.99")]
COMPARED = {
    "exact": operator.eq, "gt": operator.gt, "gte": operator.ge, "lt": operator.lt, "lte": operator.le,
}  # fmt: skip


@pytest.fixture
def customers(in_acme):
    for name in NAMES:
        CustomerFactory(name=name, company=name or None)


@pytest.fixture
def deals(in_acme):
    customer = CustomerFactory()
    for value in VALUES:
        DealFactory(customer=customer, value=value)


def names(queryset, column="name"):
    return sorted(queryset.values_list(column, flat=True))


@pytest.mark.parametrize("name", [*NAMES, "nobody", "aDA"])
def test_text_is_found_as_it_is_written(customers, name):
    found = Customer.objects.filter(name=name)
    assert '"customers"."name_folded" = lower(' in str(found.query)
    assert names(found) == [one for one in NAMES if one == name]
    assert names(Customer.objects.exclude(name=name)) == sorted(one for one in NAMES if one != name)


def test_several_texts_are_found_at_once(customers):
    asked = ["Ada", "Straße", "istanbul", "nobody", None]
    found = Customer.objects.filter(name__in=asked)
    assert '"customers"."name_folded" IN (lower(' in str(found.query)
    assert names(found) == sorted({*asked} & {*NAMES})
    assert names(Customer.objects.filter(name__in=["Ada", F("company")])) == sorted(set(NAMES) - {""})
    assert names(Customer.objects.filter(name__in=Customer.objects.filter(name="ada").values("name"))) == ["ada"]


def test_what_is_compared_with_an_expression_is_found(customers):
    assert names(Customer.objects.filter(name=F("company"))) == sorted(set(NAMES) - {""})
    assert names(Customer.objects.filter(name=Concat(Value("A"), Value("da")))) == ["Ada"]
    first = Customer.objects.filter(name="Ada").values("name")[:1]
    assert names(Customer.objects.filter(name=first)) == ["Ada"]


def test_the_lack_of_a_text_is_found(customers):
    without = Customer.objects.filter(company__isnull=True)
    assert '"customers"."company_folded" IS NULL' in str(without.query)
    assert names(without) == [""]
    assert names(Customer.objects.filter(company__isnull=False)) == sorted(set(NAMES) - {""})


@pytest.mark.parametrize("lookup", COMPARED)
@pytest.mark.parametrize(
    "bound",
    ["12.5", "12.50", "12.495", "12.505", "12.504999", "-3.01", "-3.015", "0", "9999999999.99", "1e50", "-1e50"],
)
def test_a_decimal_is_compared_to_its_last_place_and_beyond(deals, lookup, bound):
    found = Deal.objects.filter(**{f"value__{lookup}": Decimal(bound)})
    assert '"deals"."value_scaled" ' in str(found.query)
    assert names(found, "value") == [value for value in VALUES if COMPARED[lookup](value, Decimal(bound))]


def test_the_lack_of_a_decimal_is_found(in_acme):
    for confidence in ("0.1", "1", None):
        AIPredictionFactory(confidence=confidence)
    assert AIPrediction.objects.filter(confidence__isnull=True).count() == 1
    assert AIPrediction.objects.filter(confidence__isnull=False).count() == 2
    assert AIPrediction.objects.exclude(confidence__gt=Decimal("0.5")).count() == 2


@pytest.mark.parametrize("lookup", COMPARED)
def test_what_is_compared_with_nothing_is_neither_found_nor_the_rest(deals, lookup):
    """SQL's NULL: the answer is unknown, and so is its opposite."""
    Deal.objects.unpublished("test data").update(probability=None)
    asked = {f"value__{lookup}": F("probability") * 1}
    assert not Deal.objects.filter(**asked) and not Deal.objects.exclude(**asked)


TAGS = [
    None, [], ["vip"], ["a", "vip"], [None, "vip"], ["a"] * 6 + ["vip"], ["a"] * 5 + ["vip"], [""], ["Vip"], ["b", "a"],
]  # fmt: skip


@pytest.mark.parametrize("asked", [["vip"], ["a"], ["a", "vip"], ["vip", "nobody"], [""], [], ["b", "a", "vip", "c"]])
def test_an_element_is_found_wherever_it_stands(in_acme, asked):
    for number, tags in enumerate(TAGS):
        CustomerFactory(name=f"{number}", tags=tags)
    # By SQL: an array of two dimensions, and one that does not begin with 1.
    for name, tags in (("x", "{{a,vip},{b,c}}"), ("y", "[0:1]={a,vip}")):
        customer = CustomerFactory(name=name)
        with connection.cursor() as cursor:
            cursor.execute("UPDATE customers SET tags = %s::text[] WHERE id = %s", [tags, customer.pk])
    everything = [*enumerate(TAGS), ("x", ["a", "vip", "b", "c"]), ("y", ["a", "vip"])]
    expected = sorted(f"{name}" for name, tags in everything if tags is not None and {*asked} <= {*tags})
    found = Customer.objects.filter(tags__contains=asked)
    assert names(found) == expected
    assert ('"tags"[6] = ' in str(found.query)) == bool(asked)


def test_the_lack_of_an_array_is_found(in_acme):
    for number, tags in enumerate(TAGS):
        CustomerFactory(name=f"{number}", tags=tags)
    without = Customer.objects.filter(tags__isnull=True)
    assert '"customers"."tags_more" IS NULL' in str(without.query)
    assert names(without) == ["0"]
    assert Customer.objects.filter(tags__isnull=False).count() == len(TAGS) - 1


def test_a_copy_orders(customers, deals):
    assert list(Deal.objects.order_by(Copy("value")).values_list("value", flat=True)) == VALUES
    names = Customer.objects.filter(name__in=["Straße", "ADA", "Ädam"]).order_by(Copy("name"))
    assert [customer.name for customer in names] == ["ADA", "Straße", "Ädam"], "by code point, whatever the case"


def test_several_words_in_one_field_are_one_prefix(in_acme):
    customer = CustomerFactory()
    for title in ("Annual plan", "Annual review", "Plan annual"):
        DealFactory(customer=customer, title=title)
    found = Deal.objects.filter(search_condition(("title",), " annual  plan"))
    assert str(found.query).count("title_folded") == 2
    assert names(found, "title") == ["Annual plan"]
