import pytest

from apps.accounts.models import AuditEvent
from apps.crm.models import Customer
from apps.tenants.models import Tenant
from nexora.kernel.scope import PLATFORM_TENANT_ID, tenant_scope, unscoped
from tests.factories import CustomerFactory, DealFactory

pytestmark = pytest.mark.django_db

CUSTOMERS, TRAIL = "/api/v1/customers/", "/api/v1/audit-events/"


def trail_of(tenant):
    with tenant_scope(tenant):
        return list(AuditEvent.objects.order_by("created_at", "id"))


def test_every_write_of_the_api_is_recorded_with_who_and_what(manager, acme, client_for):
    client = client_for(manager)
    made = client.post(CUSTOMERS, {"name": "Ada"}).json()
    client.patch(f"{CUSTOMERS}{made['id']}/", {"status": "active", "custom_fields": {"size": 3}})
    client.delete(f"{CUSTOMERS}{made['id']}/")
    created, updated, deleted = trail_of(acme)
    assert (created.action, created.actor_id, created.actor_label) == ("created", manager.pk, "Manager")
    assert created.changes["name"] == [None, "Ada"]
    assert updated.changes == {"status": ["lead", "active"], "custom_fields": [{}, {"size": 3}]}
    assert (deleted.action, deleted.record_label, str(deleted.record_id)) == ("deleted", "Ada", made["id"])
    assert {event.ip_address for event in (created, updated, deleted)} == {"127.0.0.1"}


def test_a_write_that_is_refused_leaves_no_trace(manager, acme, client_for):
    assert client_for(manager).post(CUSTOMERS, {"name": "Ada", "status": "king"}).status_code == 400
    assert trail_of(acme) == []


def test_sending_what_is_there_already_is_no_change(manager, acme, client_for):
    ada = CustomerFactory(tenant=acme, name="Ada")
    before = ada.updated_at
    answer = client_for(manager).patch(f"{CUSTOMERS}{ada.pk}/", {"name": "Ada"})
    assert answer.status_code == 200
    assert trail_of(acme) == []
    with tenant_scope(acme):
        assert Customer.objects.get(pk=ada.pk).updated_at == before


def test_a_deletion_counts_what_the_database_takes_along(manager, acme, client_for):
    ada = CustomerFactory(tenant=acme)
    DealFactory.create_batch(3, customer=ada)
    client_for(manager).delete(f"{CUSTOMERS}{ada.pk}/")
    (event,) = trail_of(acme)
    assert event.children == {"deals": 3}


def test_only_admins_read_it_and_nobody_writes_it(cast, acme, client_for):
    for role, status in (("guest", 403), ("user", 403), ("manager", 403), ("admin", 200)):
        assert client_for(cast[role]).get(TRAIL).status_code == status
    for method in ("post", "put", "patch", "delete"):
        assert getattr(client_for(cast["admin"]), method)(TRAIL, {}).status_code == 405


def test_a_super_admins_write_is_recorded_in_the_tenants_trail_by_name(root, acme, client_for):
    answer = client_for(root).patch(f"/api/v1/tenants/{acme.pk}/", {"plan": "enterprise"})
    assert answer.status_code == 200, answer.content
    (event,) = trail_of(acme)
    assert (event.actor_id, event.actor_label, event.changes) == (None, "Root", {"plan": ["pro", "enterprise"]})


def test_the_end_of_a_tenant_is_recorded_by_the_platform(acme, admin):
    with unscoped(reason="test"):
        Tenant.objects.get(pk=acme.pk).delete()
    event = trail_of(PLATFORM_TENANT_ID)[-1]
    assert (event.action, event.resource, event.record_label) == ("deleted", "tenants.tenant", "Acme Corp")
    assert event.children["users"] == 1


def test_a_job_is_named_by_what_it_does(acme):
    assert AuditEvent(actor_label="apps.accounts.jobs.send_invitation").who == "the system (send invitation)"
    assert AuditEvent(actor_label="Ada").who == "Ada"
    assert AuditEvent().who == "the system"


def test_the_page_of_an_event_speaks_in_words(admin, acme, admin_client_for):
    with tenant_scope(acme):
        row = {
            "tenant_id": acme.pk,
            "action": "second_factor_added",
            "resource": "accounts.user",
            "record_label": "Ada",
        }
        AuditEvent.objects.append_unpublished("a test", [row])
        event = AuditEvent.objects.get(record_label="Ada")
    page = admin_client_for(admin).get(f"/admin/accounts/auditevent/{event.pk}/change/").content.decode()
    assert "Second factor added" in page
    assert "second_factor_added" not in page
    assert "Details" not in page
