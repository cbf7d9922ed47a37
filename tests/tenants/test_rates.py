"""How many requests a tenant may send in a minute, counted in one process: the answers."""

import re
import threading
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
from django.conf import settings as project
from django.db import connection
from drf_spectacular.generators import SchemaGenerator

from apps.tenants import hosts, rates
from apps.tenants.models import Plan, Tenant
from nexora import settings as nexora_settings
from nexora.kernel import clock
from nexora.kernel.api.documents import PlatformGenerator
from nexora.kernel.scope import unscoped
from tests.factories import DomainFactory

pytestmark = pytest.mark.django_db

ME = "/api/v1/auth/me/"
# 17 seconds into a minute.
NOON = datetime(2026, 11, 26, 12, 0, 17, tzinfo=UTC)


@contextmanager
def at(second):
    with clock.frozen_at(NOON.replace(second=0) + timedelta(seconds=second)):
        yield


@pytest.fixture(autouse=True)
def limits(settings):
    settings.RATE_LIMITS = {"free": 2, "growth": 3, "pro": 5, "enterprise": 8}
    return settings.RATE_LIMITS


def parsed(text):
    """`"name";a=1;b=2` of RFC 9651, as draft-ietf-httpapi-ratelimit-headers-10 has it: (name, {parameter: integer})."""
    name, *parameters = text.split(";")
    assert re.fullmatch(r'"[ !#-\[\]-~]*"', name)
    assert all(re.fullmatch(r"[a-z*][a-z0-9_.*-]*=(0|[1-9][0-9]{0,14})", parameter) for parameter in parameters)
    return name[1:-1], {key: int(value) for key, value in (parameter.split("=") for parameter in parameters)}


def said(answer):
    """What both headers say, parsed."""
    return parsed(answer["RateLimit-Policy"]), parsed(answer["RateLimit"])


def test_every_answer_says_the_limit_and_what_is_left_of_it(client_for, admin):
    with clock.frozen_at(NOON):
        answer = client_for(admin).get(ME)
    assert answer.status_code == 200
    assert answer["RateLimit-Policy"] == '"plan";q=5;w=60'
    assert answer["RateLimit"] == '"plan";r=4;t=43'
    assert said(answer) == (("plan", {"q": 5, "w": 60}), ("plan", {"r": 4, "t": 43}))


@pytest.mark.parametrize(
    ("path", "status"),
    [(ME, 401), ("/api/v1/nowhere/", 404), ("/api/v1/auth/token/", 405), ("/api/v1/schema/", 200), ("/api/", 404)],
)
def test_a_stranger_is_told_nothing_and_uses_nothing_up(client_for, admin, acme, path, status):
    client = client_for(None, tenant=acme)
    answers = [client.get(path) for _ in range(9)]
    assert [answer.status_code for answer in answers] == [status] * 9
    assert not any("RateLimit" in answer.headers or "RateLimit-Policy" in answer.headers for answer in answers)
    assert said(client_for(admin).get(ME))[1][1]["r"] == 4


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("get", "/api/v1/customers/x/", 404), ("put", "/api/v1/customers/", 405), ("post", "/api/v1/customers/", 400)],
)
def test_errors_of_known_people_are_counted(client_for, admin, method, path, status):
    with clock.frozen_at(NOON):
        answers = [getattr(client_for(admin), method)(path) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [status] * 2
    assert [said(answer)[1][1]["r"] for answer in answers] == [4, 3]


def test_one_request_more_than_the_limit_is_refused_and_told_when_to_go_on(client_for, admin):
    client = client_for(admin)
    with clock.frozen_at(NOON):
        assert [client.get(ME).status_code for _ in range(5)] == [200] * 5
        refused = client.get(ME)
    assert refused.status_code == 429
    assert refused["Content-Type"] == "application/problem+json"
    problem = refused.json()
    assert (problem["code"], problem["status"]) == ("too_many_requests", 429)
    assert "pro, allows 5 requests a minute" in problem["detail"] and "43 s" in problem["detail"]
    assert refused["Retry-After"] == "43"
    assert said(refused) == (("plan", {"q": 5, "w": 60}), ("plan", {"r": 0, "t": 43}))


def test_the_next_window_opens_when_it_was_said_and_who_hammers_meanwhile_loses_nothing(client_for, admin):
    client = client_for(admin)
    with at(59.9):
        for _ in range(20):
            answer = client.get(ME)
    assert (answer.status_code, answer["Retry-After"]) == (429, "1")
    with at(60):
        answer = client.get(ME)
    assert answer.status_code == 200
    assert said(answer)[1] == ("plan", {"r": 4, "t": 60})


def test_what_is_refused_is_not_carried_out(client_for, admin, in_acme):
    from apps.crm.models import Customer

    client = client_for(admin)
    for number in range(7):
        client.post("/api/v1/customers/", {"name": "Ada", "email": f"ada{number}@engine.example"})
    assert Customer.objects.count() == 5


def test_tenants_do_not_share_a_limit(client_for, admin, mallory):
    with clock.frozen_at(NOON):
        for _ in range(6):
            answer = client_for(admin).get(ME)
        assert answer.status_code == 429
        assert said(client_for(mallory).get(ME))[1][1]["r"] == 4


def test_the_people_and_hosts_of_a_tenant_share_one(client_for, admin, member, acme):
    DomainFactory(tenant=acme, domain="crm.acme.example")
    with clock.frozen_at(NOON):
        client_for(admin).get(ME)
        assert said(client_for(member).get(ME, HTTP_HOST="crm.acme.example"))[1][1]["r"] == 3


def test_the_platforms_own_host_has_a_limit_too(client_for, root):
    assert said(client_for(root).get(ME))[0][1]["q"] == 8


def test_another_plan_is_felt_within_seconds(client_for, admin, acme, monkeypatch):
    client = client_for(admin)
    with at(1):
        assert [client.get(ME).status_code for _ in range(6)][-1] == 429
        with unscoped(reason="test"):
            tenant = Tenant.objects.get(pk=acme.pk)
            tenant.plan = "enterprise"
            tenant.save()
        later = hosts.time.monotonic() + hosts.LIFETIME_SECONDS + 0.1
        monkeypatch.setattr(hosts.time, "monotonic", lambda: later)
        answer = client.get(ME)
    assert answer.status_code == 200
    assert said(answer) == (("plan", {"q": 8, "w": 60}), ("plan", {"r": 2, "t": 59}))


def test_pages_and_health_are_not_counted(client_for, admin, admin_client_for):
    browser = admin_client_for(admin)
    for path in ("/admin/", "/healthz", "/readyz", "/problems/", "/static/nowhere.css"):
        answer = browser.get(path)
        assert "RateLimit" not in answer.headers
    assert said(client_for(admin).get(ME))[1][1]["r"] == 4


def test_an_unknown_host_has_no_limit_to_tell(client_for, acme):
    answer = client_for(None, tenant=acme).get(ME, HTTP_HOST="nobody.localhost")
    assert answer.status_code == 404
    assert "RateLimit" not in answer.headers


def test_without_limits_nothing_is_counted_or_told(client_for, admin, settings):
    settings.RATE_LIMITS = {}
    answers = [client_for(admin).get(ME) for _ in range(20)]
    assert {answer.status_code for answer in answers} == {200}
    assert "RateLimit" not in answers[-1].headers and rates.counter._counts == {}


def test_counting_asks_the_database_nothing(client_for, admin):
    client = client_for(admin)
    client.get("/api/v1/customers/")
    asked = []

    def record(execute, sql, params, many, context):
        asked.append(sql)
        return execute(sql, params, many, context)

    with connection.execute_wrapper(record):
        client.get("/api/v1/customers/")
    assert len(asked) == 1 and "request_counts" not in asked[0]


def test_no_thread_runs_that_nobody_asked_for(client_for, admin):
    client_for(admin).get(ME)
    assert rates.counter._thread is None
    assert "request-counts" not in [thread.name for thread in threading.enumerate()]


# -- Settings and documents


def limits_of(text, monkeypatch):
    monkeypatch.setenv("NEXORA_RATE_LIMITS", text)
    return nexora_settings._rate_limits({"free": 1, "growth": 2, "pro": 3, "enterprise": 4})


@pytest.mark.parametrize(
    ("text", "limits"),
    [
        ("", {"free": 1, "growth": 2, "pro": 3, "enterprise": 4}),
        ("off", {}),
        ("free=120,pro=3000", {"free": 120, "growth": 2, "pro": 3000, "enterprise": 4}),
        (" free=120, pro=999999999 ", {"free": 120, "growth": 2, "pro": 999_999_999, "enterprise": 4}),
    ],
)
def test_limits_are_set_by_the_environment(text, limits, monkeypatch):
    assert limits_of(text, monkeypatch) == limits


@pytest.mark.parametrize("text", ["free", "free=", "free=0", "free=-1", "free=1.5", "free=٣", "gold=5", "120", "Off"])
def test_a_limit_that_is_none_is_refused_by_name(text, monkeypatch):
    with pytest.raises(ValueError, match=r"NEXORA_RATE_LIMITS must be off, or .*free, growth, pro, enterprise"):
        limits_of(text, monkeypatch)


def test_every_plan_has_a_limit_and_a_larger_one_a_higher():
    limits = nexora_settings.RATE_LIMITS
    assert list(limits) == Plan.values
    assert sorted(limits.values()) == list(limits.values())


@pytest.mark.parametrize("generator", [SchemaGenerator, PlatformGenerator])
def test_the_document_has_the_headers_and_the_refusal_of_every_operation(generator, client_for, admin):
    document = generator().get_schema(request=None, public=True)
    headers = document["components"]["headers"]
    for operations in document["paths"].values():
        for operation in operations.values():
            assert operation["responses"]["429"] == {"$ref": "#/components/responses/TooManyRequests"}
            for response in operation["responses"].values():
                if "$ref" in response:
                    response = document["components"]["responses"][response["$ref"].rpartition("/")[2]]
                assert set(headers) <= set(response["headers"])
    answer = client_for(admin).get(ME)
    for name, header in headers.items():
        assert re.fullmatch(header["schema"]["pattern"], answer[name])


def test_counting_is_cheap(admin, rf):
    """Microseconds; the bound is for a busy machine."""
    import time

    tenant = SimpleNamespace(id=admin.tenant_id, plan="enterprise")
    project.RATE_LIMITS["enterprise"] = 10**9
    response = SimpleNamespace(headers={})
    begin = time.process_time()
    for _ in range(10_000):
        rates.limited(None, tenant, lambda request: response)
    assert time.process_time() - begin < 0.5
