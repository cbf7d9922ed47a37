from uuid import uuid4

import pytest

from apps.accounts.models import AuditEvent, User
from apps.crm.models import Customer
from apps.tenants.models import Subscription, Tenant
from nexora.kernel.scope import PLATFORM_TENANT_ID, tenant_scope, unscoped
from tests.factories import CustomerFactory, SubscriptionFactory

URL = "/api/v1/tenants/"


# -- An organisation


def test_an_organisation_sees_itself_alone(client_for, acme, globex, guest):
    client = client_for(guest)
    assert [row["subdomain"] for row in client.get(URL).json()["results"]] == ["acme"]
    assert client.get(f"{URL}{acme.pk}/").json()["name"] == "Acme Corp"
    assert client.get(f"{URL}{globex.pk}/").status_code == 404


def test_its_admin_changes_name_settings_and_brand(client_for, acme, admin):
    brand = {"name": "ACME", "primary_color": "#0f766e"}
    answer = client_for(admin).patch(f"{URL}{acme.pk}/", {"name": "Acme", "settings": {"a": 1}, "white_label": brand})
    assert answer.status_code == 200, answer.json()
    assert answer.json()["white_label"] == brand
    with tenant_scope(acme):
        assert Tenant.objects.get().name == "Acme"
        assert AuditEvent.objects.get().changes["name"] == ["Acme Corp", "Acme"]


@pytest.mark.parametrize(("field", "value"), [("plan", "enterprise"), ("subdomain", "new"), ("status", "trial")])
def test_address_plan_and_status_are_the_platforms(client_for, acme, admin, field, value):
    answer = client_for(admin).patch(f"{URL}{acme.pk}/", {field: value})
    assert answer.status_code == 400
    assert answer.json()["errors"].keys() == {field}


@pytest.mark.parametrize("value", [[], "x", 1])
def test_settings_are_an_object(client_for, acme, admin, value):
    answer = client_for(admin).patch(f"{URL}{acme.pk}/", {"settings": value})
    assert answer.json()["errors"].keys() == {"settings"}


def test_organisations_are_neither_made_nor_removed_by_themselves(client_for, acme, admin):
    client = client_for(admin)
    assert client.post(URL, {"name": "X", "subdomain": "x"}).status_code == 403
    assert client.delete(f"{URL}{acme.pk}/").status_code == 403


def test_a_subscription_is_read_by_the_organisation_and_written_by_nobody_there(client_for, acme, globex, admin):
    mine, _ = SubscriptionFactory(tenant=acme), SubscriptionFactory(tenant=globex)
    client = client_for(admin)
    rows = client.get("/api/v1/subscriptions/").json()["results"]
    assert [row["id"] for row in rows] == [str(mine.pk)]
    assert "tenant" not in rows[0]
    assert client.patch(f"/api/v1/subscriptions/{mine.pk}/", {"ai_credits": 10**6}).status_code == 403


# -- The platform


def test_the_platform_sees_every_organisation(client_for, root, acme, globex):
    rows = client_for(root).get(URL).json()["results"]
    assert {row["subdomain"] for row in rows} == {"nexora", "acme", "globex"}


def test_the_platform_makes_changes_and_removes_an_organisation(client_for, root):
    client = client_for(root)
    made = client.post(URL, {"name": "Initech", "subdomain": "initech", "plan": "growth", "status": "trial"})
    assert made.status_code == 201, made.json()
    assert made.json()["settings"] == {}
    url = made.headers["Location"]
    assert client.patch(url, {"plan": "pro", "subdomain": "initech-2"}).json()["subdomain"] == "initech-2"
    tenant_id = made.json()["id"]
    CustomerFactory(tenant=Tenant(pk=tenant_id))
    assert client.delete(url).status_code == 204
    assert client.get(url).status_code == 404
    with unscoped(reason="test"):
        assert not Customer.objects.filter(tenant_id=tenant_id).exists()


def test_a_taken_subdomain_is_a_conflict(client_for, root, acme, globex):
    client = client_for(root)
    for answer in (
        client.post(URL, {"name": "A", "subdomain": "acme"}),
        client.patch(f"{URL}{globex.pk}/", {"subdomain": "acme"}),
    ):
        assert answer.status_code == 409
        assert answer.json()["errors"] == {"subdomain": ["This subdomain is taken."]}


def test_the_platform_itself_stays(client_for, root):
    client, url = client_for(root), f"{URL}{PLATFORM_TENANT_ID}/"
    assert client.delete(url).status_code == 409
    assert client.patch(url, {"status": "suspended"}).json()["errors"].keys() == {"status"}


def test_the_platform_writes_subscriptions_of_any_organisation(client_for, root, acme, globex):
    client = client_for(root)
    body = {
        "tenant": acme.pk, "plan": "pro", "users_limit": 5, "storage_limit": 10**10, "amount": "99.00",
        "next_billing_date": "2026-12-01",
    }  # fmt: skip
    made = client.post("/api/v1/subscriptions/", body)
    assert made.status_code == 201, made.json()
    assert made.json()["tenant"] == str(acme.pk) and made.json()["ai_credits"] == 0 and made.json()["features"] == []
    url = made.headers["Location"]
    assert client.patch(url, {"ai_credits": 500}).json()["ai_credits"] == 500
    assert client.patch(url, {"tenant": globex.pk}).json()["errors"].keys() == {"tenant"}
    assert (
        client.put(url, made.json() | {"ai_credits": 7, "updated_at": client.get(url).json()["updated_at"]}).status_code
        == 200
    )
    assert client.get("/api/v1/subscriptions/", {"tenant": globex.pk}).json()["results"] == []
    assert client.post("/api/v1/subscriptions/", body | {"tenant": uuid4()}).json()["errors"] == {
        "tenant": ["No such record."]
    }
    with tenant_scope(acme):
        assert Subscription.objects.get().ai_credits == 7


def test_only_a_super_admin_works_across_organisations(client_for, platform):
    with unscoped(reason="test"):
        clerk = User(email="clerk@nexora.example", name="Clerk", role="admin", tenant=platform, password="!")
        clerk.save()
    answer = client_for(clerk).get(URL)
    assert answer.status_code == 403
    assert "super admin" in answer.json()["detail"]


def test_a_platform_request_records_its_reason(client_for, root, caplog):
    with caplog.at_level("INFO", "nexora.scope"):
        client_for(root).get(URL)
    assert f"platform API: GET /api/v1/tenants/ by {root.pk}" in caplog.text
