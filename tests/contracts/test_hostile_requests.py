"""A table of hostile requests to every route and every page of the admin, by every role: refused, never a fault."""

import json
from uuid import uuid4

import pytest
from django.contrib.admin import site
from django.db.models import JSONField
from django.urls import reverse

from nexora.kernel.models import TenantModel
from nexora.policy import POLICY
from tests.contracts import routes

pytestmark = [pytest.mark.django_db, pytest.mark.once]

DEEP = "[" * 100_000 + "]" * 100_000
JSON = "application/json"
MEGABYTE = 1024 * 1024
LISTS = [route for route in routes.ON_TENANT if set(dict(route.methods).values()) & {"list", "aggregate", "export"}]
DETAILS = [route for route in routes.ON_TENANT if route.is_detail]
WRITES = [
    (route, method, action)
    for route in routes.ON_TENANT
    for method, action in route.methods
    if action in ("create", "update", "partial_update", "bulk_update", "bulk_delete")
]
# Pages are slow: those who may do least and most there.
STAFF = ("user", "super_admin")

# {what: (query string, status or statuses)}; None: any status below 500.
TOO_LONG = (400, 414)
QUERIES = {
    "NUL in search": ("search=a%00b", 400),
    "unknown parameter": ("colour=blue", 400),
    "NUL in a parameter's name": ("na%00me=x", 400),
    "name of ten thousand letters": (f"{'n' * 10_000}=1", 400),
    "page_size=1000000": ("page_size=1000000", 400),
    "page_size=NaN": ("page_size=NaN", 400),
    "bad cursor": ("cursor=bm90IGEgY3Vyc29y", 400),
    "cursor that is no base64": ("cursor=%F0%9F%92%A5", 400),
    "bad UUID": ("id__in=1,2,zebra", 400),
    "bad order": ("ordering=password_hash", 400),
    "parameter twice": ("ordering=id&ordering=id", 400),
    "lone surrogate": ("search=%ED%A0%80", None),
    "bytes that are no UTF-8": ("search=%FF%FE", None),
    "1,000 filters": ("&".join(f"status__{i}=x" for i in range(1000)), 400),
    "2,000 filters": ("&".join(f"status__{i}=x" for i in range(2000)), TOO_LONG),
    "1,000 times one filter": ("&".join(["id__in=1"] * 1000), 400),
    "100,000 values": (f"id__in={','.join(['x'] * 100_000)}", TOO_LONG),
}
PATHS = {
    "NUL": "%00",
    "NUL inside": "a%00b",
    "no UUID": "zebra",
    "UUID too long": f"{uuid4()}0",
    "UUID in braces": f"%7B{uuid4()}%7D",
    "lone surrogate": "%ED%A0%80",
    "no UTF-8": "%FF",
    "dots": "..%2F..%2Fetc%2Fpasswd",
    "ten thousand letters": "a" * 10_000,
}
# {what: (body, content type, status)}
BODIES = {
    "NUL byte": (b'{"name": "a\x00b"}', JSON, 400),
    "NUL escaped": (rb'{"name": "a\u0000b", "title": "\u0000"}', JSON, 400),
    "NUL in a key": (rb'{"na\u0000me": 1}', JSON, 400),
    "100,000 deep": (DEEP.encode(), JSON, 400),
    "100,000 deep in a field": (f'{{"name": {DEEP}, "custom_fields": {DEEP}}}'.encode(), JSON, 400),
    "1,000 deep in a field": (f'{{"custom_fields": {"[" * 1000}{"]" * 1000}}}'.encode(), JSON, 400),
    "NaN": (b'{"value": NaN}', JSON, 400),
    "Infinity": (b'{"value": -Infinity}', JSON, 400),
    "1e400": (b'{"value": 1e400}', JSON, 400),
    "number of 5,000 digits": (b'{"value": ' + b"9" * 5000 + b"}", JSON, 400),
    "lone surrogate": (rb'{"name": "\ud800"}', JSON, 400),
    "no UTF-8": (b'{"name": "\xff"}', JSON, 400),
    "duplicate keys": (b'{"name": "a", "name": "b"}', JSON, 400),
    "a list": (b"[]", JSON, 400),
    "a number": (b"7", JSON, 400),
    "null": (b"null", JSON, 400),
    "cut off": (b'{"name": ', JSON, 400),
    "unknown fields by the thousand": (json.dumps({f"x{i}": i for i in range(5000)}).encode(), JSON, 400),
    "a form": (b"name=x", "application/x-www-form-urlencoded", 415),
    "a file": (b"--x--", "multipart/form-data; boundary=x", 415),
    "a type that is none": (b"{}", "\\o/", 415),
    "10 MB": (b'{"name": "' + b"x" * (10 * MEGABYTE) + b'"}', JSON, 413),
}
HEADERS = {
    "Accept of 100,000 letters": {"HTTP_ACCEPT": "x/y," * 25_000},
    "Authorization of 100,000 letters": {"HTTP_AUTHORIZATION": "Bearer " + "x" * 100_000},
    "Authorization that is no token": {"HTTP_AUTHORIZATION": "Bearer \x00\xff.a.b"},
    "Authorization of one word": {"HTTP_AUTHORIZATION": "Bearer"},
    "ten thousand cookies": {"HTTP_COOKIE": "; ".join(f"c{i}=x" for i in range(10_000))},
    "If-Match of 100,000 letters": {"HTTP_IF_MATCH": '"' + "x" * 100_000 + '"'},
    "If-None-Match that is none": {"HTTP_IF_NONE_MATCH": '"\x00'},
    "Accept-Language that is none": {"HTTP_ACCEPT_LANGUAGE": "\x00" * 1000},
    "Content-Length that is none": {"CONTENT_LENGTH": "many"},
    "Content-Length below nothing": {"CONTENT_LENGTH": "-1"},
}
METHODS = ("TRACE", "PROPFIND", "X" * 1000)


@pytest.fixture
def caller(client_for):
    def make(user):
        client = client_for(user)
        # A fault is to be seen as the 500 that it would be.
        client.raise_request_exception = False
        return client

    return make


def assert_refused(answer, what, expected=None):
    assert answer.status_code < 500, (what, answer.content[:500])
    if expected is not None:
        known = expected if isinstance(expected, tuple) else (expected,)
        assert answer.status_code in known, (what, answer.status_code, answer.content[:500])
    if answer.status_code >= 400:
        assert answer.headers["Content-Type"] == "application/problem+json", what
        assert answer.json()["status"] == answer.status_code, what


def allowed(role, route, action):
    return POLICY.reach(role, route.model._meta.label_lower, route.right(action)) is not None


@pytest.mark.parametrize("role", routes.ROLES)
@pytest.mark.parametrize("route", LISTS, ids=str)
def test_a_list_refuses_hostile_parameters(route, role, cast, caller):
    client = caller(cast[role])
    action = dict(route.methods)["get"]
    for what, (query, status) in QUERIES.items():
        if not route.viewset.search_fields and query.startswith("search="):
            status = 400
        answer = client.get(f"{route.address()}?{query}")
        assert_refused(answer, what, status if allowed(role, route, action) else None)


@pytest.mark.parametrize("role", routes.ROLES)
@pytest.mark.parametrize("route", DETAILS, ids=str)
def test_a_record_that_cannot_be_is_not_found(route, role, cast, caller):
    client = caller(cast[role])
    for what, path in PATHS.items():
        for method, action in route.methods:
            marker = str(uuid4())
            there = route.address(marker).replace(marker, path)
            answer = client.generic(method.upper(), there, b"{}", content_type=JSON)
            expected = 404 if what.startswith("dots") or allowed(role, route, action) else 403
            assert_refused(answer, (what, method), expected)


@pytest.mark.parametrize("role", routes.ROLES)
@pytest.mark.parametrize(("route", "method", "action"), WRITES, ids=str)
def test_a_write_refuses_hostile_bodies(route, method, action, role, cast, acme, caller):
    client = caller(cast[role])
    record = routes.make(route.model, acme) if route.is_detail else None
    address = route.address(record and record.pk)
    full = POLICY.reach(role, route.model._meta.label_lower, route.right(action)) == "all"
    for what, (body, content_type, status) in BODIES.items():
        answer = client.generic(method.upper(), address, body, content_type=content_type)
        assert answer.status_code >= 400, what
        assert_refused(answer, what, status if full else None)


@pytest.mark.parametrize("role", routes.ROLES)
@pytest.mark.parametrize("route", routes.ON_TENANT, ids=str)
def test_hostile_headers_and_methods_are_no_fault(route, role, cast, caller):
    client = caller(cast[role])
    address = route.address(uuid4())
    for what, headers in HEADERS.items():
        assert_refused(client.get(address, **headers), what)
    for method in METHODS:
        assert_refused(client.generic(method, address), method, 405)


# -- The admin

PAGE_QUERIES = (
    "q=a%00b", "q=%ED%A0%80", f"q={'x' * 10_000}", "p=1000000", "p=-1", "p=NaN", "o=99.-99.zebra", "all=1",
    "id__exact=zebra", "id__in=%00", "colour=blue", "tenant__name__startswith=a", "created_at__gte=%00",
    "_popup=%00", "_to_field=password", "e=1", "_facets=zebra", "_changelist_filters=%00",
    "&".join(f"status__{i}=x" for i in range(1000)), "&".join(f"status__{i}=x" for i in range(2000)),
)  # fmt: skip
VALUES = ("a\x00b", "1e400", "NaN", "9" * 5000, "2024-02-30", "0001-01-01", "x" * 100_000, '{"a": NaN}', '"\\ud800"')
REGISTRY = list(site._registry)


def page(model, kind, *args):
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_{kind}", args=args)


def assert_no_fault(answer, what):
    assert answer.status_code < 500, (what, answer.status_code)


@pytest.fixture
def browser(admin_client_for, cast):
    def make(role):
        client = admin_client_for(cast[role])
        client.raise_request_exception = False
        return client

    return make


@pytest.mark.parametrize("role", STAFF)
@pytest.mark.parametrize("model", REGISTRY, ids=lambda model: model._meta.label_lower)
def test_an_admin_list_bears_hostile_parameters(model, role, browser):
    client = browser(role)
    for query in PAGE_QUERIES:
        assert_no_fault(client.get(f"{page(model, 'changelist')}?{query}"), query[:50])
    for path in PATHS.values():
        marker = str(uuid4())
        assert_no_fault(client.get(page(model, "change", marker).replace(marker, path)), path[:50])


@pytest.mark.parametrize("role", STAFF)
@pytest.mark.parametrize("model", REGISTRY, ids=lambda model: model._meta.label_lower)
def test_an_admin_form_bears_hostile_values(model, role, browser, acme):
    client = browser(role)
    fields = [field for field in model._meta.concrete_fields if field.editable]
    record = routes.make(model, acme) if issubclass(model, TenantModel) else None
    addresses = [page(model, "add"), *([page(model, "change", record.pk)] if record else [])]
    for number, address in enumerate(addresses):
        for value in VALUES[number::2]:
            body = {name: value for field in fields for name in (field.name, f"{field.name}_0", f"{field.name}_1")}
            assert_no_fault(client.post(address, body), value[:20])
        deep = {field.name: DEEP if isinstance(field, JSONField) else "x" for field in fields}
        assert_no_fault(client.post(address, deep), "100,000 deep")
        assert_no_fault(client.post(address, {f"x{i}": "x" for i in range(2000)}), "2,000 fields")
        raw = client.generic("POST", address, b"name=%FF%00&%ED%A0%80=x", "application/x-www-form-urlencoded")
        assert_no_fault(raw, "no UTF-8")
        torn = client.generic("POST", address, b"--x\r\nnonsense", "multipart/form-data; boundary=x")
        assert_no_fault(torn, "torn form")
    assert_no_fault(
        client.post(page(model, "changelist"), {"action": "\x00", "_selected_action": ["\x00", "x"]}), "action"
    )
    assert_no_fault(
        client.post(page(model, "changelist"), {"action": "delete_selected", "_selected_action": ["\x00", "x"]}),
        "delete",
    )
