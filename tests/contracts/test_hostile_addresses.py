"""Hostile requests to the platform's routes, and to every address that is no viewset, on every kind of host."""

from uuid import uuid4

import pytest
from django.urls import get_resolver, reverse
from rest_framework.test import APIClient

from apps.accounts.services import attempts
from nexora.kernel.permissions import EVERYBODY, ROLES
from nexora.policy import POLICY
from tests.conftest import host_of
from tests.contracts import routes
from tests.contracts.test_hostile_requests import (
    BODIES,
    DEEP,
    HEADERS,
    JSON,
    METHODS,
    PATHS,
    QUERIES,
    STAFF,
    assert_no_fault,
    assert_refused,
)
from tests.factories import TenantFactory, UserFactory

pytestmark = [pytest.mark.django_db, pytest.mark.once]

ON_PLATFORM = [route for route in routes.ALL if "platform" in route.viewset.hosts]


def bold(client):
    # A fault is to be seen as the 500 that it would be.
    client.raise_request_exception = False
    return client


# -- The platform's routes: a super_admin's; everybody else is refused at the door


@pytest.fixture
def caller(platform, client_for):
    return lambda role: bold(client_for(UserFactory(tenant=platform, role=role)))


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("route", ON_PLATFORM, ids=str)
def test_the_platforms_routes_refuse_what_a_tenants_do(route, role, caller, acme):
    client, is_root = caller(role), role == "super_admin"
    record = routes.make(route.model, acme) if route.is_detail else None
    for method, action in route.methods:
        address = route.address(record and record.pk)
        if action == "list":
            for what, (query, status) in QUERIES.items():
                status = 400 if query.startswith("search=") and not route.viewset.search_fields else status
                assert_refused(client.get(f"{address}?{query}"), what, status if is_root else (403, 414))
        if action in ("create", "update", "partial_update"):
            for what, (body, content_type, status) in BODIES.items():
                answer = client.generic(method.upper(), address, body, content_type=content_type)
                # Too much is too much for everybody.
                assert_refused(answer, what, status if is_root or status == 413 else 403)
        for what, path in PATHS.items() if route.is_detail else ():
            marker = str(uuid4())
            there = route.address(marker).replace(marker, path)
            answer = client.generic(method.upper(), there, b"{}", content_type=JSON)
            assert_refused(answer, (what, method), 404 if is_root or what == "dots" else 403)
    for what, headers in HEADERS.items():
        assert_refused(client.get(address, **headers), what)
    for method in METHODS:
        assert_refused(client.generic(method, address), method, 405)


# -- Addresses that are no viewset


def plain_addresses():
    """Every pattern without an argument that leads to no viewset and to no page of a model."""
    found = []

    def walk(patterns, prefix):
        for pattern in patterns:
            address = prefix + str(pattern.pattern).removeprefix("^").removesuffix("$").removesuffix(r"\Z")
            if hasattr(pattern, "url_patterns"):
                walk(pattern.url_patterns, address)
            elif not hasattr(pattern.callback, "actions") and not set("<(?") & set(address):
                found.append(address)

    walk(get_resolver().url_patterns, "/")
    models = tuple(f"/admin/{model._meta.app_label}/" for model in routes.FACTORIES)
    # The sign-in stands before the admin's own.
    return [address for address in dict.fromkeys(found) if not address.startswith(models)]


ADDRESSES = [
    *plain_addresses(), "/problems/not_found", "/problems/none", "/nowhere", "/static/none.css", "/api/", "/api/v1/",
    "/api/v1/nowhere/", "/admin/nowhere/", "/admin/r/1/2/", "/admin/tenants/", "//evil.example/", "/%00", "/%ED%A0%80",
    f"/{'a' * 10_000}", routes.door("workflows:hook"),
]  # fmt: skip
HEALTH = ("/healthz", "/readyz")
# Where everybody may send a body: signing in and out, joining, links, second factors.
OPEN = [routes.door(name) for name, door in POLICY.doors.items() if door == EVERYBODY and ":" in name]


def test_the_addresses_are_found():
    assert {*OPEN, *HEALTH, "/", "/api/v1/schema/", "/api/v1/docs/", "/problems/", "/admin/login/"} <= set(ADDRESSES)
    assert len(ADDRESSES) == len(set(ADDRESSES))


@pytest.fixture
def hosts(acme, platform):
    """{kind: host}"""
    return {
        "tenant": host_of(acme),
        "platform": host_of(platform),
        "closed": host_of(TenantFactory(subdomain="closed", status="suspended")),
        "unknown": "unknown.localhost",
    }


@pytest.mark.parametrize("kind", ["tenant", "platform", "closed", "unknown"])
@pytest.mark.parametrize("address", ADDRESSES, ids=lambda address: address[:40])
def test_an_address_bears_hostile_requests_of_strangers(address, kind, hosts):
    client = bold(APIClient(HTTP_HOST=hosts[kind], HTTP_ACCEPT="application/json"))
    requests = {f"? {what}": ("GET", f"{address}?{query}", b"", JSON, {}) for what, (query, _) in QUERIES.items()}
    requests |= {what: ("POST", address, body, kind, {}) for what, (body, kind, _) in BODIES.items()}
    requests |= {what: ("GET", address, b"", "", headers) for what, headers in HEADERS.items()}
    requests |= {method[:20]: (method, address, b"", "", {}) for method in (*METHODS, "PUT", "DELETE", "OPTIONS")}
    for what, (method, there, body, content_type, headers) in requests.items():
        answer = client.generic(method, there, body, content_type, **headers)
        assert_no_fault(answer, (what, answer.content[:300]))
        if kind in ("closed", "unknown") and address not in HEALTH:
            # What is too long or too large is refused before anybody asks whose it is.
            assert answer.status_code in ((403 if kind == "closed" else 404), 413, 414), what
        is_problem = address.startswith("/api/") or (kind in ("closed", "unknown") and address not in HEALTH)
        # Pages answer in JSON only to those who ask for it.
        is_problem &= "/api/" in address or "HTTP_ACCEPT" not in headers
        if answer.status_code >= 400 and is_problem:
            assert answer.headers["Content-Type"] == "application/problem+json", (what, answer.content[:300])
            assert answer.json()["status"] == answer.status_code


@pytest.mark.parametrize("kind", ["tenant", "platform"])
@pytest.mark.parametrize("address", OPEN)
def test_an_open_door_refuses_hostile_bodies(address, kind, hosts, monkeypatch):
    if kind == "tenant" and address == reverse("accounts:signup"):
        pytest.skip("the platform's alone")
    monkeypatch.setattr(attempts, "wait_after", lambda count, free: None)
    client = bold(APIClient(HTTP_HOST=hosts[kind]))
    # A webhook is asked for its signature before its body is looked at, and only organisations have any.
    said_first = {routes.door("workflows:hook"): {"tenant": (401,), "platform": (404,)}}
    for what, (body, content_type, status) in BODIES.items():
        answer = client.generic("POST", address, body, content_type)
        expected = status if isinstance(status, tuple) else (status,)
        assert_refused(answer, what, (*expected, *said_first.get(address, {}).get(kind, ())))
    fields = dict.fromkeys(("password", "refresh", "token", "code", "name", "organisation", "subdomain"), "x")
    fields["email"] = "a@acme.com"
    for value in (None, 7, True, [], {}, "", " ", "x" * 5000, "a.b.c", "\U0001f4a5", "eyJhbGciOiJub25lIn0.e30."):
        for name in fields:
            answer = client.post(address, fields | {name: value}, format="json")
            if answer.status_code != 202:  # which an address that nobody has is answered, too
                assert_refused(answer, (name, value), (400, 401, 404, 409))


HOSTS = {
    "": 404, " ": 404, "a b": 404, "\x00": 404, "acme.localhost\x00": 404, "[::1": 404, "[::1]": 404, "x" * 10_000: 404,
    "acme.localhost,acme.localhost": 404, "x@acme.localhost": 404, "acme.localhost/evil": 404, "..": 404, ".": 404,
    "acme..localhost": 404, ".localhost": 404, "\xff.localhost": 404, "acme.localhost:x": 404, "%00.localhost": 404,
    "acme_x.localhost": 404, "a.acme.localhost": 404, "acme.localhost.evil.example": 404, "'; --.localhost": 404,
    "acme.localhost": 401, "ACME.localhost": 401, "acme.localhost.": 401, "acme.localhost:99999": 401, "localhost": 404,
}  # fmt: skip


@pytest.mark.parametrize("host", HOSTS, ids=lambda host: repr(host[:30]))
def test_a_host_is_known_or_not(host, acme):
    answer = bold(APIClient()).get("/api/v1/customers/", HTTP_HOST=host)
    assert_refused(answer, host, HOSTS[host])
    if host != "localhost":
        assert answer.json()["code"] == ("unknown_host" if HOSTS[host] == 404 else "not_authenticated")


# -- The admin's own pages, by people who may see them

PAGES = [address for address in ADDRESSES if address.startswith("/admin/")]
FORMS = {
    "NUL": {"username": "a\x00b", "password": "\x00", "q": "\x00", "term": "\x00", "next": "\x00"},
    "lone surrogate": {"username": "\ud800".encode("utf-8", "surrogatepass"), "q": b"\xed\xa0\x80"},
    "deep": {"username": DEEP, "reason": DEEP},
    "long": {
        "username": "x" * 100_000,
        "password": "x" * 100_000,
        "old_password": "x" * 100_000,
        "reason": "x" * 100_000,
    },
    "next": {"username": "a", "password": "b", "next": "https://evil.example/\r\nSet-Cookie: a=b"},
    "many": {f"x{i}": "x" for i in range(2000)},
}
WORDS = {
    "NUL": "\x00", "surrogate": "%ED%A0%80", "quote": "'\"\\", "long": "x" * 10_000, "number": "9" * 400,
}  # fmt: skip


@pytest.mark.parametrize("role", STAFF)
@pytest.mark.parametrize("address", PAGES)
def test_a_page_of_the_admin_bears_hostile_requests(address, role, cast, admin_client_for):
    client = bold(admin_client_for(cast[role]))
    for what, (query, _) in QUERIES.items():
        assert_no_fault(client.get(f"{address}?{query}"), what)
    for word in WORDS.values():
        asked = dict.fromkeys(
            ["q", "s", "term", "app_label", "model_name", "field_name", "next", "tenant", "page", "_popup"], word
        )
        assert_no_fault(client.get(address, asked), word[:20])
        known = {"app_label": "crm", "model_name": "deal", "field_name": "customer"}
        assert_no_fault(client.get(address, asked | known), word[:20])
    for what, headers in HEADERS.items():
        assert_no_fault(client.get(address, **headers), what)
    for what, fields in FORMS.items():
        assert_no_fault(client.post(address, fields), what)
        if address == "/admin/logout/":
            client = bold(admin_client_for(cast[role]))
    for what, (body, content_type, _) in BODIES.items():
        assert_no_fault(client.generic("POST", address, body, content_type), what)
