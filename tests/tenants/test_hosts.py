import pytest
from django.db import OperationalError, connection
from django.test import Client

from apps.tenants import hosts
from apps.tenants.models import Tenant
from nexora.kernel.scope import unscoped
from tests.factories import DomainFactory, TenantFactory

TOKEN = "/api/v1/auth/token/"

pytestmark = pytest.mark.django_db


def answer(host, path=TOKEN, **headers):
    return Client(HTTP_HOST=host, headers=headers).get(path)


def is_served(host):
    """The address is there (405 to a GET), so the host was resolved."""
    return answer(host).status_code == 405


@pytest.mark.parametrize("host", ["acme.localhost", "ACME.localhost:8000", "acme.localhost.", "www.acme.localhost"])
def test_a_subdomain_answers_however_it_is_written(acme, host):
    assert is_served(host)


def test_a_white_label_host_answers(acme):
    DomainFactory(tenant=acme, domain="crm.acme.test")
    assert is_served("crm.acme.test")


def test_the_bare_base_host_is_the_platform_and_its_subdomain_is_nobody(db):
    assert is_served("localhost")
    assert answer("nexora.localhost").status_code == 404


@pytest.mark.parametrize(
    "host",
    ["nobody.localhost", "acme.example.com", "a.acme.localhost", "127.0.0.1", "[::1]", "xn--80ak6aa92e.com", "_"],
)
def test_an_unknown_host_is_404_as_a_problem_for_programs_and_a_page_for_people(acme, host):
    program = answer(host)
    assert (program.status_code, program["Content-Type"]) == (404, "application/problem+json")
    assert program.json()["code"] == "unknown_host"
    person = answer(host, "/")
    assert person.status_code == 404
    assert "text/html" in person["Content-Type"]


@pytest.mark.parametrize("status", ["suspended", "cancelled"])
def test_a_closed_tenant_is_403_with_the_reason(status):
    TenantFactory(subdomain="late", status=status)
    refused = answer("late.localhost")
    assert (refused.status_code, refused.json()["code"]) == (403, "tenant_closed")
    assert status in refused.json()["detail"]


def test_a_tenant_on_trial_is_served():
    TenantFactory(subdomain="young", status="trial")
    assert is_served("young.localhost")


def test_a_suspension_is_felt_within_seconds(acme, monkeypatch):
    assert is_served("acme.localhost")
    with unscoped(reason="test"):
        tenant = Tenant.objects.get(pk=acme.pk)
        tenant.status = "suspended"
        tenant.save()
    assert is_served("acme.localhost"), "cached: no query is made"
    later = hosts.time.monotonic() + hosts.LIFETIME_SECONDS + 0.1
    monkeypatch.setattr(hosts.time, "monotonic", lambda: later)
    assert answer("acme.localhost").status_code == 403


def test_made_up_hosts_do_not_fill_the_memory(db, monkeypatch):
    monkeypatch.setattr(hosts, "MOST_HOSTS", 3)
    for number in range(10):
        hosts.find_tenant(f"made-up-{number}.localhost")
    assert len(hosts._cache) <= 3


def test_the_tenant_of_the_seeds_own_insert_answers_on_its_host(owner_connection):
    with owner_connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO tenants (id, name, subdomain, plan, status) "
            "VALUES ('00000000-0000-0000-0000-000000000001', 'Acme Corp', 'acme', 'pro', 'active')"
        )
    assert is_served("acme.localhost")


def test_a_database_that_is_away_is_503_and_retryable(monkeypatch):
    def away(host):
        raise OperationalError("the server closed the connection")

    monkeypatch.setattr("apps.tenants.middleware.find_tenant", away)
    refused = answer("acme.localhost")
    assert (refused.status_code, refused["Retry-After"]) == (503, "2")


def test_health_is_asked_on_any_host(db):
    assert answer("10.0.0.7:8000", "/healthz").status_code == 200
    assert answer("10.0.0.7:8000", "/readyz").status_code == 200


@pytest.mark.parametrize("host", ["", "a b", "10.0.0.7:8000", "unknown.localhost"])
def test_health_is_asked_without_a_host_and_without_tls(host, db, settings):
    settings.SECURE_SSL_REDIRECT = True
    for path in ("/healthz", "/readyz"):
        assert Client().get(path, HTTP_HOST=host).status_code == 200
    assert Client().get("/admin/login/", HTTP_HOST="localhost").status_code == 301


def test_the_scope_ends_with_the_request(acme):
    from nexora.kernel import scope

    assert is_served("acme.localhost")
    assert scope.current() is None
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_tenant()")
        assert cursor.fetchone() == (None,)
