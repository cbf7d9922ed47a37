"""ETags, If-None-Match and If-Match."""

import threading
import uuid

import orjson
import pytest
from django.db import connection

from apps.crm.models import Customer
from nexora.kernel.api.conditional import etag_of
from nexora.kernel.scope import tenant_scope
from tests.contracts import routes
from tests.factories import CustomerFactory

CREATES = [route for route in routes.ON_TENANT if ("post", "create") in route.methods]
OTHER = '"0123456789abcdef0123456789abcdef"'


@pytest.fixture
def ada(acme):
    return CustomerFactory(tenant=acme, name="Ada")


@pytest.fixture
def client(client_for, admin):
    return client_for(admin)


@pytest.fixture
def address(ada):
    return f"/api/v1/customers/{ada.pk}/"


# -- What the ETag is


def test_an_etag_is_the_representations_whoever_wrote_it():
    key = uuid.uuid4()
    mine = {"id": key, "data": {"b": 1.5, "a": "é"}, "huge": 1}
    theirs = orjson.Fragment(f'{{"huge": 1, "data": {{"a": "\\u00e9", "b": 1.5}}, "id": "{key}"}}')
    assert etag_of(mine) == etag_of(theirs) != etag_of(mine | {"huge": 2})
    assert etag_of({"a": 10**40}) == etag_of(orjson.Fragment(b'{"a": 1%s}' % (b"0" * 40)))


@pytest.mark.parametrize("number", [1e16, 1234567890123456789.0, -0.0, 1e-7, 100.0])
def test_a_number_has_one_spelling(client, address, number):
    body = {"name": "Ada", "custom_fields": {"number": number}}
    for answer in (client.post("/api/v1/customers/", body), client.patch(address, body)):
        fetched = client.get(f"/api/v1/customers/{answer.json()['id']}/")
        assert fetched.headers["ETag"] == answer.headers["ETag"] and fetched.json() == answer.json()


def test_a_number_that_could_not_be_sent_back_is_refused(client):
    for number in (1e20, -1e300):
        answer = client.post("/api/v1/customers/", {"name": "Ada", "custom_fields": {"number": number}})
        assert answer.json()["errors"] == {"custom_fields": ["Send whole numbers beyond 64 bits as text."]}


def test_an_amount_has_one_spelling(client, ada):
    made = client.post("/api/v1/deals/", {"customer": str(ada.pk), "title": "Nothing", "value": "-0"})
    fetched = client.get(f"/api/v1/deals/{made.json()['id']}/")
    assert fetched.headers["ETag"] == made.headers["ETag"] and fetched.json()["value"] == "0.00"


@pytest.mark.parametrize("route", CREATES, ids=str)
def test_a_record_made_changed_and_fetched_has_the_etag_of_what_it_is(route, client, acme):
    record = routes.make(route.model, acme)
    body = routes.body_for(route, record)
    body |= {name: f"new{body[name]}" for name in ("email", "domain") if name in body}
    answer = client.post(route.address(), body)
    # It may be the platform's to make, or one too many; the record that there is will do then.
    assert answer.status_code in (201, 202, 403, 409), answer.content
    address = f"{route.address()}{record.pk}/"
    # An answer that holds a secret is no representation to be compared.
    if answer.status_code == 201 and "Cache-Control" not in answer.headers:
        address = answer.headers["Location"]
        assert client.get(address).headers["ETag"] == answer.headers["ETag"]
    changed = client.patch(address, {})
    if changed.status_code == 200:
        assert client.get(address).headers["ETag"] == changed.headers["ETag"]


def test_a_narrow_answer_has_no_etag(client, address):
    assert "ETag" in client.get(address).headers
    assert "ETag" not in client.get(address, {"fields": "name"}).headers
    assert "ETag" not in client.get("/api/v1/customers/").headers


# -- Reading


def test_what_has_not_changed_is_not_sent_again(client, address):
    etag = client.get(address).headers["ETag"]
    for header in (etag, f"W/{etag}", f"{OTHER}, {etag}", "*"):
        answer = client.get(address, headers={"If-None-Match": header})
        assert (answer.status_code, answer.content, answer.headers["ETag"]) == (304, b"", etag)
    client.patch(address, {"name": "Ada L."})
    answer = client.get(address, headers={"If-None-Match": etag})
    assert answer.status_code == 200 and answer.json()["name"] == "Ada L."
    for header in (OTHER, "", "nonsense", '"'):
        assert client.get(address, headers={"If-None-Match": header}).status_code == 200


# -- Writing


@pytest.mark.parametrize("method", ["put", "patch", "delete"])
def test_a_write_on_what_has_changed_is_refused(client, address, acme, ada, method):
    def send(etag):
        body = {"name": "Mine", "email": "ada@example.com"}
        return getattr(client, method)(address, None if method == "delete" else body, headers={"If-Match": etag})

    etag = client.get(address).headers["ETag"]
    client.patch(address, {"name": "Theirs"})
    for stale in (etag, OTHER, "", "nonsense", f"W/{client.get(address).headers['ETag']}"):
        answer = send(stale)
        assert (answer.status_code, answer.json()["code"]) == (412, "precondition_failed")
        assert answer.json()["type"] == "/problems/precondition_failed"
    with tenant_scope(acme):
        assert Customer.objects.get(pk=ada.pk).name == "Theirs"
    assert send(f"{OTHER}, {client.get(address).headers['ETag']}").status_code in (200, 204)


def test_any_state_will_do_for_a_star_but_the_record_must_be_there(client, address, client_for, guest):
    assert client.patch(address, {"name": "B"}, headers={"If-Match": "*"}).status_code == 200
    assert client.patch(address, {"name": "C"}, headers={"If-None-Match": "*"}).status_code == 412
    nowhere = f"/api/v1/customers/{uuid.uuid4()}/"
    assert client.patch(nowhere, {"name": "B"}, headers={"If-Match": "*"}).status_code == 404
    # What a person may not do is not told apart by the state of the record.
    assert client_for(guest).patch(address, {"name": "B"}, headers={"If-Match": OTHER}).status_code == 403


@pytest.mark.django_db(transaction=True)
def test_of_two_writers_with_one_etag_one_wins(client_for, admin, address):
    etag = client_for(admin).get(address).headers["ETag"]
    barrier, found = threading.Barrier(4), []
    clients = [client_for(admin) for _ in range(4)]

    def write(client, name):
        barrier.wait()
        found.append(client.patch(address, {"name": name}, headers={"If-Match": etag}).status_code)
        connection.close()

    threads = [threading.Thread(target=write, args=(client, f"N{n}")) for n, client in enumerate(clients)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert sorted(found) == [200, 412, 412, 412]
