"""`?fields=`: answers that hold less."""

import pytest

from apps.crm.serializers import CustomerSerializer
from tests.factories import CustomerFactory

ADDRESS = "/api/v1/customers/"


@pytest.fixture
def ada(acme):
    return CustomerFactory(tenant=acme, name="Ada")


@pytest.fixture
def client(client_for, guest, ada):
    return client_for(guest)


def test_a_list_and_a_record_show_what_is_asked_for_in_the_documents_order(client, ada):
    assert client.get(ADDRESS, {"fields": "status,name"}).json() == {
        "results": [{"name": "Ada", "status": ada.status}],
        "next": None,
    }
    record = client.get(f"{ADDRESS}{ada.pk}/", {"fields": "name,id"}).json()
    assert list(record.items()) == [("id", str(ada.pk)), ("name", "Ada")]


def test_only_the_fields_that_are_shown_are_built():
    assert list(CustomerSerializer(shown=("name",)).fields) == ["name"]
    assert list(CustomerSerializer(many=True, shown=("name",)).child.fields) == ["name"]


def test_a_field_that_is_never_shown_cannot_be_asked_for(client_for, admin):
    answer = client_for(admin).get("/api/v1/users/", {"fields": "email,password"})
    assert answer.status_code == 400
    assert "'password'" in answer.json()["errors"]["fields"][0]


@pytest.mark.parametrize("text", ["nonsense", "", "name,", "name, status", "tenant", "\ud800"])
def test_an_unknown_field_is_refused_by_name(client, ada, text):
    for address in (ADDRESS, f"{ADDRESS}{ada.pk}/"):
        query = "%ED%A0%80" if text == "\ud800" else text.replace(" ", "%20")
        answer = client.get(f"{address}?fields={query}")
        assert answer.status_code == 400
        (sentence,) = answer.json()["errors"]["fields"]
        assert "Known are: id, name" in sentence


def test_the_next_page_is_as_narrow(client, acme):
    CustomerFactory(tenant=acme, name="Bob")
    page = client.get(ADDRESS, {"fields": "name", "page_size": 1}).json()
    assert [list(row) for row in client.get(page["next"]).json()["results"]] == [["name"]]


def test_a_write_takes_no_fields(client_for, admin, ada):
    assert client_for(admin).patch(f"{ADDRESS}{ada.pk}/?fields=id", {"name": "B"}).status_code == 400
