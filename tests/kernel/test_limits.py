"""How much a request may carry."""

import io
import json

import pytest
from django.conf import settings
from django.test import Client, RequestFactory

from nexora.kernel.api.limits import MAX_QUERY_LENGTH, body_error

ADDRESS = "/api/v1/customers/"
LIMIT = settings.DATA_UPLOAD_MAX_MEMORY_SIZE


def body_of(length):
    frame = json.dumps({"name": ""})
    return json.dumps({"name": "x" * (length - len(frame))}).encode()


def assert_problem(answer, status, code):
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer.headers["Content-Type"] == "application/problem+json"


@pytest.fixture
def client(client_for, admin):
    return client_for(admin)


@pytest.mark.parametrize("method", ["post", "put", "patch", "delete"])
def test_a_body_beyond_a_mebibyte_is_refused(client, method):
    answer = getattr(client, method)(ADDRESS, body_of(LIMIT + 1), content_type="application/json")
    assert_problem(answer, 413, "too_large")


def test_a_body_of_a_mebibyte_is_read(client):
    answer = client.post(ADDRESS, body_of(LIMIT), content_type="application/json")
    assert answer.status_code == 400 and "name" in answer.json()["errors"]


def test_nobody_need_sign_in_to_hear_that_a_body_is_too_large(client_for, acme):
    answer = client_for(None, tenant=acme).post(
        "/api/v1/auth/token/", body_of(LIMIT + 1), content_type="application/json"
    )
    assert_problem(answer, 413, "too_large")


@pytest.mark.parametrize("length", ["x", "-1", "9" * 400, "٣"])
def test_a_length_that_is_none_is_refused(length):
    assert body_error(RequestFactory().get(ADDRESS, CONTENT_LENGTH=length)).status == 413


def send_in_chunks(client, body):
    return client.post(
        ADDRESS,
        content_type="application/json",
        **{"HTTP_TRANSFER_ENCODING": "chunked", "CONTENT_LENGTH": "", "wsgi.input": io.BytesIO(body)},
    )


def test_a_body_in_chunks_is_read_and_limited_like_any_other(client):
    answer = send_in_chunks(client, b'{"name": "Ada", "email": "ada@example.com"}')
    assert answer.status_code == 201, answer.content
    assert answer.json()["name"] == "Ada"
    assert_problem(send_in_chunks(client, body_of(LIMIT + 1)), 413, "too_large")


def test_no_more_is_read_of_a_body_in_chunks_than_says_that_it_is_too_large():
    endless = io.BytesIO(b" " * (3 * LIMIT))
    request = RequestFactory().post(ADDRESS, HTTP_TRANSFER_ENCODING="chunked", CONTENT_LENGTH="")
    request.META["wsgi.input"] = endless
    assert body_error(request).status == 413
    assert endless.tell() == LIMIT + 1


@pytest.mark.parametrize("host", ["acme.localhost", "nobody.localhost"])
def test_what_is_refused_unread_is_read_before_the_answer(acme, host):
    """Or granian would end the connection, and the next request on it would fail."""
    body = io.BytesIO(body_of(1000))
    request = {"CONTENT_TYPE": "application/json", "CONTENT_LENGTH": "1000", "wsgi.input": body}
    answer = Client(HTTP_HOST=host).post("/api/v1/nowhere/", **request)
    assert answer.status_code == 404
    assert body.tell() == 1000


@pytest.mark.parametrize("address", [ADDRESS, "/api/v1/auth/token/", "/api/v1/nowhere/", "/admin/"])
def test_a_query_that_is_too_long_is_refused(client, address):
    answer = client.get(f"{address}?search={'x' * MAX_QUERY_LENGTH}", headers={"Accept": "application/json"})
    assert_problem(answer, 414, "uri_too_long")


def test_more_parameters_than_anybody_needs_are_refused(client):
    answer = client.get(f"{ADDRESS}?{'a&' * 1001}")
    assert_problem(answer, 400, "invalid")
    assert "1,000 parameters" in answer.json()["detail"]
    assert_problem(client.get(f"{ADDRESS}?{'name=a&' * 1000}"), 400, "invalid")
