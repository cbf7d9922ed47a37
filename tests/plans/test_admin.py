"""Every page of every long list of the admin, inside the biggest tenant and over all of them: its own statements,
explained. PostgreSQL reads what a page shows and counts no further than it says."""

import pytest
from django.contrib.admin import site
from django.contrib.admin.filters import SimpleListFilter
from django.db.models import Count, ForeignKey
from django.urls import reverse
from unfold.contrib.filters.admin import RangeDateFilter, RangeDateTimeFilter, RangeNumericFilter

from nexora.kernel.admin import dashboard, lists
from nexora.kernel.models import plain
from nexora.kernel.scope import tenant_scope, unscoped
from tests.admin_pages import change
from tests.factories import UserFactory

from .crowd import LARGE, RARE, SHARED
from .explain import complaints, explained, reads

pytestmark = pytest.mark.django_db

# How far a count goes here, and how many rows a page may cost: an eighth of all fills one after two hundred.
COUNTED, MOST = 150, 450
HOSTS = ("tenant", "platform")


@pytest.fixture
def people(big, request):
    """{host: who sees its lists}"""
    return {"tenant": UserFactory(tenant=big, role="admin"), "platform": request.getfixturevalue("root")}


@pytest.fixture(autouse=True)
def counts_stop_early(monkeypatch):
    monkeypatch.setattr(lists, "MOST_COUNTED", COUNTED)


@pytest.fixture
def browse(big, people, rf):
    """`browse(host, model, **query)`: the list as its page shows it, not written out."""

    def show(host, model, **query):
        model_admin = site._registry[model]
        request = rf.get("/", query)
        request.user = people[host]
        with unscoped(reason="look") if host == "platform" else tenant_scope(big), explained() as statements:
            shown = model_admin.get_changelist_instance(request)
            shown.found = [record.pk for record in shown.result_list]
        looked_at(statements)
        shown.plans = [plan for sql, plan in statements if f'FROM "{model._meta.db_table}"' in sql]
        return shown

    return show


def looked_at(statements):
    wrong = [
        f"{complaint} In {sql[:60]}…{sql[-200:]}" for sql, plan in statements for complaint in complaints(plan, MOST)
    ]
    assert not wrong, "\n".join(wrong)


def address(model):
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")


def label(model):
    return model._meta.label_lower


def on_both_hosts(cases):
    return [
        pytest.param(host, *case, id=f"{host}-{label(case[0])}-{'-'.join(map(str, case[1:]))}")
        for host in HOSTS
        for case in cases
    ]


@pytest.mark.parametrize("host", HOSTS)
@pytest.mark.parametrize("model", SHARED, ids=label)
def test_pages(browse, people, admin_client_for, host, model):
    with explained() as statements:
        page = admin_client_for(people[host]).get(address(model))
    looked_at(statements)
    first = page.context["cl"]
    assert first.paginator.count == COUNTED + 1, "it counts no further"
    assert len(first.result_list) == 25
    assert len(browse(host, model, p=2).found) == 25
    assert len(browse(host, model, p=first.paginator.num_pages).found) == 1


# -- Searches


SEARCHES = [(model, lookup) for model in SHARED for lookup in site._registry[model].search_fields]


@pytest.mark.parametrize(("host", "model", "lookup"), on_both_hosts(SEARCHES))
def test_a_search(browse, big, host, model, lookup):
    with tenant_scope(big):
        counted = model.objects.exclude(**{lookup: None}).values_list(lookup).annotate(count=Count("*"))
        rarest = counted.order_by("count", f"-{lookup}").first()[0]
    name = lookup.split("__")[-1]
    for term in (rarest, "nobody at all", "usual"):
        shown = browse(host, model, q=term)
        assert term == "usual" or bool(shown.found) == (term == rarest)
        assert term == "usual" or any(reads(plan, f"{name}_folded") for plan in shown.plans)


@pytest.mark.parametrize("host", HOSTS)
@pytest.mark.parametrize("model", SHARED, ids=label)
def test_a_search_for_an_id(browse, big, host, model):
    with tenant_scope(big):
        record = model.objects.first()
    if site._registry[model].search_fields:
        assert browse(host, model, q=str(record.pk)).found == [record.pk]


# -- Filters


def filters():
    for model in SHARED:
        for declared in site._registry[model].list_filter:
            name = declared[0] if isinstance(declared, tuple) else declared.parameter_name
            yield model, name, declared[1] if isinstance(declared, tuple) else declared


def queries_of(model, name, kind, tenant):
    """What the filter puts into the address: for what few rows have, for what most have; both ends of a range."""
    column = model._meta.get_field(name)
    with tenant_scope(tenant):
        rows = model.objects.exclude(**{name: None})
        if issubclass(kind, (RangeNumericFilter, RangeDateFilter, RangeDateTimeFilter)):
            low, high = (rows.order_by(f"{sign}{name}").values_list(name, flat=True)[RARE - 2] for sign in ("", "-"))
            if issubclass(kind, RangeDateTimeFilter):
                return [
                    {f"{name}_to_0": f"{low:%Y-%m-%d}", f"{name}_to_1": f"{low:%H:%M}"},
                    {f"{name}_from_0": f"{high:%Y-%m-%d}", f"{name}_from_1": f"{high:%H:%M}"},
                ]
            return [{f"{name}_to": plain(low)}, {f"{name}_from": plain(high)}]
        counted = rows.values_list(column.attname).annotate(count=Count("*")).order_by("count", column.attname)
        held = [counted[0][0], counted.last()[0]]
    if issubclass(kind, SimpleListFilter):
        return [{name: value} for value in held]
    lookup = f"{name}__id__exact" if isinstance(column, ForeignKey) else f"{name}__exact"
    return [{lookup: int(value) if isinstance(value, bool) else str(value)} for value in held]


@pytest.mark.parametrize(("host", "model", "name", "kind"), [
    pytest.param(host, *case, id=f"{host}-{label(case[0])}-{case[1]}") for host in HOSTS for case in filters()
])  # fmt: skip
def test_a_filter(browse, big, host, model, name, kind):
    found = [browse(host, model, **query).result_count for query in queries_of(model, name, kind, big)]
    assert 0 < min(found) <= COUNTED, "nothing was found, or no value is rare: every plan would pass"


# -- Orders


SORTABLE = [
    (model, name)
    for model in SHARED
    for name in site._registry[model].list_display
    if site._registry[model].order_by(name)
]


@pytest.mark.parametrize(("host", "model", "name"), on_both_hosts(SORTABLE))
def test_a_click_on_a_heading(browse, host, model, name):
    number = browse(host, model).list_display.index(name)
    shown = {}
    for sign in ("", "-"):
        page = browse(host, model, o=f"{sign}{number}")
        assert page.get_ordering_field_columns() == {number: "desc" if sign else "asc"}
        shown[sign] = page.found
    assert shown[""] != shown["-"]


@pytest.mark.parametrize("host", HOSTS)
@pytest.mark.parametrize("model", SHARED, ids=label)
def test_a_heading_that_no_index_serves_orders_nothing(browse, host, model):
    usual = browse(host, model)
    unserved = [n for n, name in enumerate(usual.list_display) if not site._registry[model].order_by(name)]
    asked = browse(host, model, o=".".join(map(str, unserved)))
    assert asked.found == usual.found
    assert not {asked.list_display[number] for number in unserved} & set(asked.sortable_by)


# -- What is asked while one types


RELATIONS = [
    (model, field.name)
    for model in site._registry
    for field in model._meta.concrete_fields
    if isinstance(field, ForeignKey) and field.related_model in LARGE
]


@pytest.mark.parametrize(("host", "model", "name"), on_both_hosts(RELATIONS))
def test_an_autocomplete(big, people, admin_client_for, host, model, name):
    where = {"app_label": model._meta.app_label, "model_name": model._meta.model_name, "field_name": name}
    for term in ("", "usual", "nobody at all"):
        with explained() as statements:
            answer = admin_client_for(people[host]).get(reverse("admin:autocomplete"), {**where, "term": term})
        looked_at(statements)
        assert bool(answer.json()["results"]) == (term != "nobody at all")


@pytest.mark.parametrize("host", HOSTS)
def test_the_first_page(people, admin_client_for, monkeypatch, host):
    monkeypatch.setattr(dashboard, "WINDOW", COUNTED)
    with explained() as statements:
        assert admin_client_for(people[host]).get(reverse("admin:index")).status_code == 200
    looked_at(statements)


@pytest.mark.parametrize("host", HOSTS)
def test_the_search_box(people, admin_client_for, host):
    for term in ("usual", "nobody at all"):
        with explained() as statements:
            assert admin_client_for(people[host]).get(reverse("admin:search"), {"s": term}).status_code == 200
        looked_at(statements)


# -- Records


@pytest.mark.parametrize("host", HOSTS)
@pytest.mark.parametrize("model", SHARED, ids=label)
def test_a_record_and_what_hangs_on_it(big, people, admin_client_for, host, model):
    with tenant_scope(big):
        record = model.objects.first()
    for kind in ("change", "history"):
        with explained() as statements:
            assert admin_client_for(people[host]).get(change(record, kind)).status_code == 200
        looked_at(statements)
