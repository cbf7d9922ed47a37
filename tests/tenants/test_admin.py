"""A super_admin inside one tenant."""

import pytest
from django.urls import reverse

from apps.accounts.models import AuditEvent
from apps.crm.models import Customer
from apps.tenants.models import Tenant
from nexora.kernel.scope import tenant_scope, unscoped
from tests.admin_pages import posted
from tests.factories import CustomerFactory

pytestmark = pytest.mark.django_db

REASON = "Ticket 4711: imported customers look wrong"


def enter_address(tenant):
    return reverse("admin:tenants_tenant_enter", args=[tenant.pk])


@pytest.fixture
def inside_acme(root, acme, admin_client_for):
    client = admin_client_for(root)
    assert client.post(enter_address(acme), {"reason": REASON}).status_code == 302
    return client


def trail_of(tenant):
    with tenant_scope(tenant):
        return list(AuditEvent.objects.order_by("created_at").values_list("action", "actor_label", "changes"))


def test_entering_needs_a_reason(root, acme, admin_client_for):
    client = admin_client_for(root)
    assert client.get(enter_address(acme)).status_code == 200
    assert client.post(enter_address(acme), {"reason": "because"}).status_code == 200
    assert trail_of(acme) == []


def test_the_reason_is_in_the_tenants_own_trail(inside_acme, acme):
    assert trail_of(acme) == [("entered", "Root", {"reason": [None, REASON]})]


def test_inside_there_are_that_tenants_records_alone(inside_acme, acme, globex):
    CustomerFactory(tenant=acme, name="Ada Lovelace")
    foreign = CustomerFactory(tenant=globex, name="Grace Hopper")
    page = inside_acme.get(reverse("admin:crm_customer_changelist")).content.decode()
    assert "Ada Lovelace" in page
    assert "Grace Hopper" not in page
    assert "Inside Acme Corp" in page
    assert inside_acme.get(reverse("admin:crm_customer_change", args=[foreign.pk])).status_code == 302


def test_what_is_made_inside_is_the_tenants(inside_acme, acme):
    with tenant_scope(acme):
        assert not Customer.objects.exists()
    address = reverse("admin:crm_customer_add")
    body = posted(inside_acme.get(address), name="Ada Lovelace")
    assert inside_acme.post(address, body).status_code == 302
    with tenant_scope(acme):
        assert Customer.objects.get().name == "Ada Lovelace"


def test_leaving_shows_all_tenants_again_and_is_recorded(inside_acme, acme, globex):
    CustomerFactory(tenant=globex, name="Grace Hopper")
    leave = reverse("admin:tenants_tenant_leave")
    assert REASON in inside_acme.get(leave).content.decode()
    assert inside_acme.post(leave).status_code == 302
    assert "Grace Hopper" in inside_acme.get(reverse("admin:crm_customer_changelist")).content.decode()
    assert [action for action, _, _ in trail_of(acme)] == ["entered", "left"]


def test_nobody_enters_from_a_tenants_own_host(admin, acme, admin_client_for):
    answer = admin_client_for(admin).post(enter_address(acme), {"reason": REASON})
    assert answer.status_code in (302, 403, 404)
    assert trail_of(acme) == []


def test_a_tenant_that_is_deleted_meanwhile_is_left(inside_acme, acme, root):
    with unscoped(reason="another super admin"):
        Tenant.objects.get(pk=acme.pk).delete()
    answer = inside_acme.get(f"{reverse('admin:crm_customer_changelist')}export/", follow=True)
    assert answer.redirect_chain == [(reverse("admin:index"), 302)]
    assert "Acme Corp has been deleted" in answer.content.decode()
    assert inside_acme.get(reverse("admin:crm_customer_changelist")).status_code == 200
