"""The button above every list of the admin: the list as a file, as it is filtered and searched, recorded."""

import csv
import io
from datetime import UTC, datetime

import pytest
from django.contrib.admin import site

from apps.accounts.models import AuditEvent, RefreshToken, User
from apps.crm.models import Customer, Deal
from apps.tenants.models import Tenant
from nexora.kernel import scope
from nexora.kernel.api import exports
from nexora.kernel.permissions import OWN
from nexora.kernel.scope import PLATFORM_TENANT_ID, tenant_scope
from nexora.policy import POLICY
from tests.admin_pages import said
from tests.contracts import routes
from tests.contracts.test_admin_registry import page
from tests.factories import AuditEventFactory, CustomerFactory, DealFactory, RefreshTokenFactory, UserFactory

pytestmark = pytest.mark.django_db

CUSTOMERS = "/admin/crm/customer/"
REGISTRY = list(site._registry)


def label(model):
    return model._meta.label_lower


def table(answer):
    assert answer.status_code == 200 and answer.streaming
    return list(csv.DictReader(io.StringIO(answer.getvalue().decode(), newline="")))


def exported_events(tenant):
    with tenant_scope(tenant):
        return list(AuditEvent.objects.filter(action="exported").order_by("created_at"))


@pytest.fixture
def browser(admin, admin_client_for):
    return admin_client_for(admin)


@pytest.mark.parametrize("model", REGISTRY, ids=label)
def test_every_list_has_a_button_that_downloads_it(model, acme, globex, admin, browser):
    if POLICY.reach("admin", label(model), "view") is None:
        return
    made, theirs = routes.make(model, acme, admin), routes.make(model, globex)
    shown = browser.get(page(model, "changelist"))
    assert page(model, "export") in shown.content.decode()
    answer = browser.get(page(model, "export"))
    assert answer["Content-Type"] == "text/csv; charset=utf-8"
    assert "attachment" in answer["Content-Disposition"]
    found = {row["id"] for row in table(answer)}
    assert made is None or str(made.pk) in found
    assert theirs is None or not hasattr(model, "tenant_field") or str(theirs.pk) not in found
    assert scope.current() is None


@pytest.mark.parametrize("role", ["user", "manager"])
@pytest.mark.parametrize("model", REGISTRY, ids=label)
def test_only_those_who_see_a_list_download_it(model, role, cast, admin_client_for):
    sees = POLICY.reach(role, label(model), "view") is not None
    assert admin_client_for(cast[role]).get(page(model, "export")).status_code == (200 if sees else 403)


def test_guests_and_strangers_download_nothing(acme, guest, client, admin_client_for):
    for browser in (admin_client_for(guest), client):
        assert browser.get(page(Customer, "export"), headers={"host": "acme.localhost"}).status_code == 302
    assert exported_events(acme) == []


# -- What is in it


@pytest.mark.parametrize("model", REGISTRY, ids=label)
def test_no_secret_is_a_column(model, acme, browser):
    names = set(browser.get(page(model, "export")).getvalue().decode().splitlines()[0].split(","))
    assert "id" in names
    assert not names & model.redacted
    assert not [name for name in names if any(word in name for word in ("token", "password", "hash", "secret"))]


def test_hashes_of_tokens_and_passwords_are_in_no_file(acme, admin, browser):
    session = RefreshTokenFactory(tenant=acme)
    for model in (RefreshToken, User):
        text = browser.get(page(model, "export")).getvalue().decode()
        assert session.token not in text and admin.password not in text


def test_it_is_the_list_as_filtered_and_searched(acme, browser):
    CustomerFactory(tenant=acme, name="Ada", status="active")
    CustomerFactory(tenant=acme, name="Adam", status="lead")
    CustomerFactory(tenant=acme, name="Bob", status="active")
    asked = "q=ad&status__exact=active"
    shown = browser.get(f"{CUSTOMERS}?{asked}&o=1&p=1")
    assert f'{CUSTOMERS}export/?{asked.replace("&", "&amp;")}"' in shown.content.decode()
    assert [row["name"] for row in table(browser.get(f"{CUSTOMERS}export/?{asked}"))] == ["Ada"]
    (event,) = exported_events(acme)
    assert event.changes == {"filters": [None, {"q": "ad", "status__exact": "active"}]}
    assert event.record_label == "customers: 1 record as CSV"


def test_it_is_not_a_page_of_the_list(acme, browser, monkeypatch):
    monkeypatch.setattr(exports, "PAGE", 7)
    for number in range(30):
        made = datetime(2026, 1, 1 + number, tzinfo=UTC) if number else None
        CustomerFactory(tenant=acme, name=f"C{number}", created_at=made)
    found = [row["name"] for row in table(browser.get(f"{CUSTOMERS}export/?p=2&o=1"))]
    assert found == [f"C{number}" for number in range(29, -1, -1)]


def test_values_are_written_as_the_api_writes_them(acme, admin, browser, client_for):
    DealFactory(tenant=acme, title="=1+1", assigned_to=admin, created_at=datetime(2026, 1, 2, tzinfo=UTC))
    (here,) = table(browser.get(page(Deal, "export")))
    there = client_for(admin).get("/api/v1/deals/export/").getvalue().decode()
    (there,) = csv.DictReader(io.StringIO(there, newline=""))
    assert here == {name: there[name] for name in here}
    assert here.keys() == there.keys() and here["title"] == "'=1+1"


def test_the_trail_is_exported_with_who_and_where(acme, browser):
    AuditEventFactory(tenant=acme, ip_address="192.0.2.7")
    row = table(browser.get(page(AuditEvent, "export")))[-1]
    assert (row["action"], row["resource"], row["ip_address"]) == ("updated", "crm.customer", "192.0.2.7")
    assert row["record_label"] == "Ada Lovelace" and row["actor_label"] and row["changes"]


# -- What cannot be


@pytest.mark.parametrize("query", ["id__exact=x", "created_at__gte=%00", "created_by__id__exact=zebra"])
def test_a_filter_of_nonsense_is_told(query, acme, browser):
    answer = browser.get(f"{CUSTOMERS}export/?{query}")
    assert answer.status_code in (302, 400)
    assert exported_events(acme) == []


def test_too_many_rows_are_told(acme, browser, monkeypatch):
    monkeypatch.setattr(exports, "MOST_ROWS", 1)
    CustomerFactory.create_batch(2, tenant=acme)
    answer = browser.get(f"{CUSTOMERS}export/")
    assert (answer.status_code, answer["Location"]) == (302, CUSTOMERS)
    assert "more than 1 customers" in said(answer)


# -- The platform


def test_over_all_tenants_it_names_the_tenant_and_is_in_the_platforms_trail(root, acme, globex, admin_client_for):
    ours, theirs = CustomerFactory(tenant=acme), CustomerFactory(tenant=globex)
    browser = admin_client_for(root)
    found = {row["id"]: row["tenant"] for row in table(browser.get(f"{CUSTOMERS}export/"))}
    assert found == {str(ours.pk): str(acme.pk), str(theirs.pk): str(globex.pk)}
    (event,) = exported_events(PLATFORM_TENANT_ID)
    assert (event.actor_id, event.record_label) == (root.pk, "customers: 2 records as CSV")


def test_what_the_platform_takes_away_is_in_the_trail_of_whose_it_is(root, acme, globex, admin_client_for):
    CustomerFactory.create_batch(2, tenant=acme, name="Ada"), CustomerFactory(tenant=globex, name="Bob")
    browser = admin_client_for(root)
    browser.get(f"{CUSTOMERS}export/", {"tenant__id__exact": str(acme.pk), "q": "ada"})
    (event,) = exported_events(acme)
    assert (event.actor_id, event.actor_label, event.record_label, event.changes) == (
        None, "Root", "customers: 2 records as CSV", {},
    )  # fmt: skip
    assert exported_events(globex) == []
    assert len(exported_events(PLATFORM_TENANT_ID)) == 1


@pytest.mark.parametrize("model", REGISTRY, ids=label)
def test_every_list_of_the_platform_downloads(model, root, acme, globex, admin_client_for):
    is_own = POLICY.reach("super_admin", label(model), "view") == OWN
    owned = [(root.tenant, root)] if is_own else [(acme, None), (globex, None)]
    made = {routes.make(model, tenant, owner) for tenant, owner in owned} - {None}
    found = {row["id"] for row in table(admin_client_for(root).get(page(model, "export")))}
    assert {str(record.pk) for record in made} <= found


def test_inside_a_tenant_it_is_that_tenants_rows_and_event(root, acme, globex, admin_client_for):
    ours, _ = CustomerFactory(tenant=acme), CustomerFactory(tenant=globex)
    browser = admin_client_for(root)
    browser.post(page(Tenant, "enter", acme.pk), {"reason": "A ticket about exports"})
    assert [row["id"] for row in table(browser.get(f"{CUSTOMERS}export/"))] == [str(ours.pk)]
    (event,) = exported_events(acme)
    assert (event.actor_id, event.actor_label) == (None, "Root")


# -- The trail


def test_the_trail_is_filtered_by_action_and_speaks_in_words(acme, browser):
    AuditEventFactory(tenant=acme)
    gone = AuditEventFactory(tenant=acme, resource="crm.unicorn", action="sign_in_failed", record_label="Horn")
    trail = page(AuditEvent, "changelist")
    shown = browser.get(f"{trail}?action=sign_in_failed")
    assert [event.pk for event in shown.context["cl"].result_list] == [gone.pk]
    assert "Sign in failed" in shown.content.decode()
    assert str(AuditEvent(action="updated", resource="crm.customer", record_label="Ada")) == "Updated customer Ada"
    assert str(gone) == "Sign in failed crm.unicorn Horn"


def test_a_user_of_another_role_is_exported_without_a_password(acme, browser):
    UserFactory(tenant=acme, name="Grace")
    names = {row["name"] for row in table(browser.get(page(User, "export")))}
    assert "Grace" in names
