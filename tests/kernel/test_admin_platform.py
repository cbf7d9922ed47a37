"""The admin on the platform's host, over all tenants."""

from apps.crm.models import Customer, Deal
from apps.tenants.models import Subscription, Tenant
from nexora.kernel.scope import tenant_scope, unscoped
from tests.admin_pages import change, errors, events, posted
from tests.factories import CustomerFactory, DealFactory, TenantFactory

CUSTOMERS = "/admin/crm/customer/"


def test_the_platform_makes_a_record_for_the_tenant_that_it_chooses(root, globex, admin_client_for):
    client = admin_client_for(root)
    bob = CustomerFactory(tenant=globex)
    body = {"tenant": globex.pk, "title": "Renewal", "customer": bob.pk, "value": "5", "stage": "proposal"}
    body |= {"activities-TOTAL_FORMS": 0, "activities-INITIAL_FORMS": 0}
    assert client.post("/admin/crm/deal/add/", body).status_code == 302
    with tenant_scope(globex):
        deal = Deal.objects.get()
    assert deal.customer_id == bob.pk
    (event,) = events()
    assert (event.tenant_id, event.actor_id, event.actor_label) == (globex.pk, None, "Root")


def test_a_list_says_that_its_order_is_each_tenants(root, admin, acme, admin_client_for):
    CustomerFactory(tenant=acme)
    assert b"in order within each tenant" in admin_client_for(root).get(CUSTOMERS).content
    assert b"in order within" not in admin_client_for(root).get("/admin/tenants/tenant/").content
    assert b"in order within" not in admin_client_for(admin).get(CUSTOMERS).content


def test_a_form_on_the_platform_asks_for_the_tenant(root, admin_client_for):
    answer = admin_client_for(root).post(f"{CUSTOMERS}add/", {"name": "Ada", "status": "lead"})
    assert errors(answer)["tenant"] == ["This field is required."]


def test_a_records_tenant_is_fixed(root, acme, globex, admin_client_for):
    ada = CustomerFactory(tenant=acme)
    client = admin_client_for(root)
    page = client.get(change(ada))
    assert client.post(change(ada), posted(page, tenant=globex.pk, name="Ada")).status_code == 302
    with unscoped(reason="look"):
        assert Customer.objects.get(pk=ada.pk).tenant_id == acme.pk


def test_rows_inside_a_record_are_its_tenants(root, acme, admin_client_for):
    ada = CustomerFactory(tenant=acme)
    client = admin_client_for(root)
    row = {"deals-0-title": "Renewal", "deals-0-value": "10.50", "deals-0-stage": "proposal", "deals-TOTAL_FORMS": 1}
    assert client.post(change(ada), posted(client.get(change(ada)), **row)).status_code == 302
    new = posted(client.get(f"{CUSTOMERS}add/"), tenant=acme.pk, name="Bob", **row)
    assert client.post(f"{CUSTOMERS}add/", new).status_code == 302
    with tenant_scope(acme):
        assert {deal.customer.name for deal in Deal.objects.all()} == {ada.name, "Bob"}


def test_a_row_inside_a_record_names_nobody_of_another_tenant(root, mallory, acme, admin_client_for):
    ada = CustomerFactory(tenant=acme)
    client = admin_client_for(root)
    row = {"deals-0-title": "Renewal", "deals-0-value": "10.50", "deals-0-stage": "proposal", "deals-TOTAL_FORMS": 1}
    answer = client.post(change(ada), posted(client.get(change(ada)), **row, **{"deals-0-assigned_to": mallory.pk}))
    assert answer.status_code == 200
    assert "assigned_to" in answer.context["inline_admin_formsets"][0].formset.errors[0]


def test_the_platform_sells_a_subscription_inside_a_tenant(root, acme, admin_client_for):
    client = admin_client_for(root)
    inline = client.get(change(acme)).context["inline_admin_formsets"][0].formset
    bought = {
        "plan": "pro",
        "status": "active",
        "ai_credits": 5,
        "users_limit": 5,
        "storage_limit": 1,
        "amount": "9.00",
    }
    bought |= {"billing_cycle": "monthly", "next_billing_date": "2027-01-01"}
    body = {f"{inline.prefix}-0-{name}": value for name, value in bought.items()}
    body = posted(client.get(change(acme)), **body, **{f"{inline.prefix}-TOTAL_FORMS": 1})
    assert client.post(change(acme), body).status_code == 302
    with tenant_scope(acme):
        assert Subscription.objects.get().users_limit == 5


def test_choices_on_the_platform_name_their_tenant_and_follow_the_chosen(root, acme, globex, admin_client_for):
    CustomerFactory(tenant=acme, name="Ada")
    CustomerFactory(tenant=globex, name="Ada")
    where = {"app_label": "crm", "model_name": "deal", "field_name": "customer", "term": "ada"}
    client = admin_client_for(root)
    found = client.get("/admin/autocomplete/", where).json()["results"]
    assert {row["text"] for row in found} == {"Ada · Acme Corp", "Ada · Globex"}
    found = client.get("/admin/autocomplete/", {**where, "tenant": globex.pk}).json()["results"]
    assert [row["text"] for row in found] == ["Ada"]
    assert client.get("/admin/autocomplete/", {**where, "tenant": "zz"}).json()["results"] == []


def test_the_platform_deletes_a_tenant_with_all_it_holds(root, admin_client_for):
    gone = TenantFactory(name="Gone")
    DealFactory(tenant=gone)
    client = admin_client_for(root)
    assert "1 deal" in client.get(change(gone, "delete")).content.decode()
    assert client.post(change(gone, "delete"), {"post": "yes"}).status_code == 302
    with unscoped(reason="look"):
        assert not Tenant.objects.filter(pk=gone.pk).exists()


def test_the_platform_itself_cannot_be_deleted(root, platform, admin_client_for):
    answer = admin_client_for(root).post(change(platform, "delete"), {"post": "yes"}, follow=True)
    assert "cannot be deleted" in answer.content.decode()
