"""Who may see only their own sees nothing of a colleague's, through whichever door.

Of most records the table lets everybody see all. Here it says `view:own` of each in turn, for the role `user`.
"""

import csv
import io
import json
from uuid import uuid4

import pytest
from django.contrib.admin import site
from django.urls import reverse

from apps.accounts.models import RefreshToken, User
from apps.crm.models import Activity, Customer, Deal
from nexora.kernel.permissions import OWN, Policy
from nexora.kernel.scope import unscoped
from nexora.policy import POLICY
from tests.admin_pages import change, posted
from tests.contracts import routes
from tests.contracts.test_admin_registry import page
from tests.factories import FACTORIES, DealFactory, UserFactory

pytestmark = pytest.mark.django_db

OWNED = [model for model in site._registry if model.owner_fields]
LISTS = [route for route in routes.LISTS if route.model.owner_fields]
DETAILS = [route for route in routes.ON_TENANT if route.is_detail and route.model.owner_fields]
THEIRS, MINE = "Zyxtheirs", "Zyxmine"
# The column that a record is called by.
NAMING = {
    model: next(name for name in ("name", "title", "subject", "user_agent", "text", "error") if hasattr(model, name))
    for model in OWNED
}


def label(model):
    return model._meta.label_lower


def of(action):
    """The routes of owned records that take `action`, by GET or POST."""
    return [route for route in routes.ON_TENANT if route.model.owner_fields and action in dict(route.methods).values()]


@pytest.fixture
def own_only(monkeypatch):
    """`own_only(model)`: from here on the role `user` sees, changes and deletes only its own of this model."""

    def swap(model):
        table = Policy({})
        table.resources = POLICY.resources
        table.cells = POLICY.cells | {
            ("user", label(model)): {"view": OWN, "create": "all", "update": OWN, "delete": OWN},
        }
        monkeypatch.setattr("nexora.kernel.permissions.policy", lambda: table)

    return swap


@pytest.fixture
def rows(acme, own_only):
    """`rows(model)`: (the person, their record, a colleague's) under a table that keeps the two apart."""

    def make(model, **values):
        person, colleague = UserFactory(tenant=acme, name=MINE), UserFactory(tenant=acme, name=THEIRS)
        own_only(model)
        if model is User:
            return person, person, colleague
        made = []
        for user, name in ((person, MINE), (colleague, THEIRS)):
            owners = {attname.removesuffix("_id"): user for attname in model.owner_fields}
            made.append(FACTORIES[model](tenant=acme, **owners, **{NAMING[model]: name}, **values))
        for user in (person, colleague):
            # Their own names are no secret here, and are not what the pages are searched for.
            with unscoped(reason="test data"):
                user.publishes, user.name = False, "Somebody"
                user.save()
        return person, *made

    return make


def there(record):
    with unscoped(reason="look"):
        return type(record).objects.filter(pk=record.pk).exists()


def shows(text, record):
    return str(record.pk) in text or THEIRS in text if record is not None else THEIRS in text


# -- The API


@pytest.fixture
def reader(client_for):
    """`reader(person)`: as client_for, whose session is no row more in the list of sessions."""

    def make(person):
        client = client_for(person)
        with unscoped(reason="test data"):
            RefreshToken.objects.filter(pk=client.session_id).unpublished("test data").delete()
        return client

    return make


@pytest.mark.parametrize("fast", [True, False], ids=["fast", "plain"])
@pytest.mark.parametrize("route", LISTS, ids=str)
def test_lists_and_their_searches_filters_and_counts(route, fast, rows, reader, monkeypatch):
    monkeypatch.setattr(route.viewset, "fast", fast)
    person, mine, theirs = rows(route.model)
    client = reader(person)
    queries = [{}, {"count": "true"}, {"ordering": route.viewset.ordering[0]}]
    if route.viewset.search_fields:
        queries += [{"search": "zyx"}, {"search": THEIRS}]
    if "id__in" in route.viewset.filterset_class.base_filters:
        queries.append({"id__in": f"{mine.pk},{theirs.pk}"})
    for query in queries:
        answer = client.get(route.address(), query)
        assert answer.status_code == 200, answer.content
        assert not shows(answer.content.decode(), theirs), query
        found = [row["id"] for row in answer.json()["results"]]
        assert found == ([] if query.get("search") == THEIRS else [str(mine.pk)])
        assert answer.json().get("count", 1) == 1


@pytest.mark.parametrize("fast", [True, False], ids=["fast", "plain"])
@pytest.mark.parametrize("route", of("export"), ids=str)
def test_exports(route, fast, rows, reader, monkeypatch):
    monkeypatch.setattr(route.viewset, "fast", fast)
    person, mine, _ = rows(route.model)
    client = reader(person)
    answer = client.get(route.address(), {"format": "jsonl"}).getvalue().decode()
    assert [json.loads(line)["id"] for line in answer.splitlines()] == [str(mine.pk)]
    answer = client.get(route.address()).getvalue().decode()
    assert [row["id"] for row in csv.DictReader(io.StringIO(answer, newline=""))] == [str(mine.pk)]


@pytest.mark.parametrize("route", of("aggregate"), ids=str)
def test_aggregates(route, rows, client_for):
    person, _, _ = rows(route.model)
    assert client_for(person).get(route.address()).json()["results"] == [{"group": {}, "count": 1}]


@pytest.mark.parametrize("route", DETAILS, ids=str)
def test_a_record_and_its_actions(route, rows, client_for):
    person, _, theirs = rows(route.model)
    client = client_for(person)
    for method, _action in route.methods:
        unknown_id = uuid4()
        answer = getattr(client, method)(route.address(theirs.pk), {})
        unknown = getattr(client, method)(route.address(unknown_id), {})
        assert answer.status_code == unknown.status_code == 404, method
        assert routes.without_id(answer, theirs.pk) == routes.without_id(unknown, unknown_id)
    assert there(theirs)


@pytest.mark.parametrize("action", ["bulk_update", "bulk_delete"])
@pytest.mark.parametrize("route", of("bulk_update"), ids=str)
def test_bulk_writes(route, action, rows, client_for):
    person, mine, theirs = rows(route.model)
    client = client_for(person)
    address = route.address().replace("bulk-update", action.replace("_", "-"))
    said = []
    for record_id in (theirs.pk, uuid4()):
        answer = client.post(address, routes.bulk_body(action, mine, theirs) | {"ids": [str(mine.pk), str(record_id)]})
        assert answer.status_code == 404 and list(answer.json()["errors"]) == [str(record_id)]
        said.append(routes.without_id(answer, record_id))
    assert said[0] == said[1]
    assert there(mine) and there(theirs)
    assert client.post(address, routes.bulk_body(action, mine)).status_code == 200


def targets():
    return [
        case
        for case in routes.writable_relations()
        if case[0].model._meta.get_field(case[2]).related_model.owner_fields
    ]


@pytest.mark.parametrize(("route", "method", "field"), targets(), ids=str)
def test_a_relation_leads_only_to_what_one_sees(route, method, field, rows, acme, client_for):
    target = route.model._meta.get_field(field).related_model
    person, mine, theirs = rows(target)
    record = routes.make(route.model, acme)
    with unscoped(reason="test data"):
        for attname in route.model.owner_fields:
            if attname != "id":
                setattr(record, attname, person.pk)
        record.publishes = False
        record.save()
    client = client_for(person)
    body = routes.body_for(route, record) if method == "post" else {}
    address = route.address(record.pk if route.is_detail else None)
    answer = getattr(client, method)(address, body | {field: str(theirs.pk)})
    unknown = getattr(client, method)(address, body | {field: str(uuid4())})
    assert answer.status_code == unknown.status_code == 400, answer.content
    assert answer.json() == unknown.json()
    # A deal is one of its customer's.
    body |= {"deal": None} if field == "customer" and route.model is Activity else {}
    body |= {"customer": str(mine.customer_id)} if field == "deal" else {}
    assert getattr(client, method)(address, body | {field: str(mine.pk)}).status_code in (200, 201)


def test_what_a_record_names_already_may_stay(rows, client_for):
    person, _, theirs = rows(Customer)
    deal = DealFactory(customer=theirs, assigned_to=person)
    answer = client_for(person).patch(f"/api/v1/deals/{deal.pk}/", {"customer": str(theirs.pk), "title": "New"})
    assert answer.status_code == 200, answer.content


# -- The admin


@pytest.mark.parametrize("model", OWNED, ids=label)
def test_pages_of_the_admin(model, rows, admin_client_for):
    person, mine, theirs = rows(model)
    client = admin_client_for(person)
    changelist = page(model, "changelist")
    asked = [
        changelist,
        f"{changelist}?q={THEIRS}",
        f"{changelist}?q={theirs.pk}",
        f"{changelist}?o=1",
        reverse("admin:index"),
        f"{reverse('admin:search')}?s=zyx",
        f"{reverse('admin:search')}?s={theirs.pk}",
    ]
    for address in asked:
        answer = client.get(address)
        assert answer.status_code == 200
        # What was typed stands in the search box.
        text = answer.content.decode().replace(f'value="{THEIRS}"', "").replace(f'value="{theirs.pk}"', "")
        assert page(model, "change", theirs.pk) not in text and f">{THEIRS}" not in text, address
    assert page(model, "change", mine.pk) in client.get(changelist).content.decode()


@pytest.mark.parametrize("model", OWNED, ids=label)
def test_the_admins_export(model, rows, admin_client_for):
    person, mine, theirs = rows(model)
    text = admin_client_for(person).get(page(model, "export")).getvalue().decode()
    assert str(mine.pk) in text and not shows(text, theirs)


@pytest.mark.parametrize("kind", ["change", "history", "delete"])
@pytest.mark.parametrize("model", OWNED, ids=label)
def test_pages_of_a_record(model, kind, rows, admin_client_for):
    person, _, theirs = rows(model)
    client = admin_client_for(person)
    for method in ("get", "post"):
        answer = getattr(client, method)(change(theirs, kind), {"post": "yes"} if method == "post" else None)
        assert answer.status_code in (302, 403) and not shows(answer.content.decode(), None)
    assert there(theirs)


@pytest.mark.parametrize("model", OWNED, ids=label)
def test_deleting_a_selection(model, rows, admin_client_for):
    person, _, theirs = rows(model)
    selected = {"action": "delete_selected", "_selected_action": [theirs.pk], "post": "yes"}
    admin_client_for(person).post(page(model, "changelist"), selected)
    assert there(theirs)


POINTING = [
    pytest.param(model, field.name, id=f"{label(model)}-{field.name}")
    for model in site._registry
    for field in model._meta.concrete_fields
    if field.many_to_one and field.related_model in OWNED
]


@pytest.mark.parametrize(("model", "name"), POINTING)
def test_choices_of_a_relation(model, name, rows, admin_client_for):
    target = model._meta.get_field(name).related_model
    person, mine, theirs = rows(target)
    client = admin_client_for(person)
    where = {"app_label": model._meta.app_label, "model_name": model._meta.model_name, "field_name": name}
    found = client.get(reverse("admin:autocomplete"), {**where, "term": "zyx"})
    if found.status_code == 200:
        assert not shows(found.content.decode(), theirs)
        assert [row["id"] for row in found.json()["results"]] in ([str(mine.pk)], [])
    form = client.get(page(model, "add"), {name: str(theirs.pk)})
    assert form.status_code in (200, 403) and THEIRS not in form.content.decode()
    if form.status_code == 200 and name in form.context["adminform"].form.fields:
        answer = client.post(page(model, "add"), posted(form, **{name: str(theirs.pk)}))
        assert "Select a valid choice" in str(answer.context["adminform"].form.errors[name])
    # A filter writes out the name of what it is set to.
    listed = client.get(page(model, "changelist"), {f"{name}__id__exact": str(theirs.pk)})
    assert THEIRS not in listed.content.decode()


INLINES = [
    pytest.param(parent, inline.model, id=f"{label(inline.model)}-in-{label(parent)}")
    for parent, model_admin in site._registry.items()
    for inline in model_admin.inlines
    if inline.model in OWNED
]


@pytest.mark.parametrize(("parent", "model"), INLINES)
def test_records_inside_the_one_they_hang_on(parent, model, rows, acme, admin_client_for):
    holder = routes.make(parent, acme)
    (name,) = (field.name for field in model._meta.concrete_fields if field.related_model is parent)
    person, _, theirs = rows(model, **{name: holder})
    text = admin_client_for(person).get(change(holder)).content.decode()
    assert MINE in text and not shows(text, theirs)


def test_what_would_go_along_is_named_as_far_as_one_sees_it(rows, acme, member, admin_client_for):
    with unscoped(reason="test data"):
        customer = routes.make(Customer, acme)
    person, _, theirs = rows(Deal, customer=customer)
    with unscoped(reason="test data"):
        customer.publishes, customer.created_by_id = False, person.pk
        customer.save()
    client = admin_client_for(person)
    selected = {"action": "delete_selected", "_selected_action": [customer.pk]}
    alone, among_others = client.get(change(customer, "delete")), client.post(page(Customer, "changelist"), selected)
    assert alone.status_code == among_others.status_code == 200
    assert not shows(alone.content.decode(), theirs) and not shows(among_others.content.decode(), theirs)
    assert MINE in among_others.content.decode()
