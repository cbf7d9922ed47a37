"""People of one tenant against each other: what an adversary once got through, kept shut."""

import pytest
from django.contrib.admin import site
from django.urls import reverse

from apps.accounts.models import User
from apps.crm.models import Activity, Customer, Deal
from nexora.kernel.scope import tenant_scope
from tests.admin_pages import change, posted
from tests.contracts.test_admin_registry import page
from tests.factories import ActivityFactory, CustomerFactory, DealFactory, UserFactory

pytestmark = pytest.mark.django_db

CUSTOMERS, DEALS, USERS = "/api/v1/customers/", "/api/v1/deals/", "/api/v1/users/"
RELATIONS = [
    pytest.param(model, field.name, id=f"{model._meta.label}.{field.name}")
    for model in site._registry
    for field in model._meta.concrete_fields
    if field.many_to_one
]


@pytest.mark.parametrize(("model", "relation"), RELATIONS)
@pytest.mark.parametrize("path", ["{0}_id__password__startswith", "{0}__password__startswith", "{0}_id__pk", "{0}_id"])
def test_a_list_answers_no_question_about_the_rows_it_points_at(model, relation, path, admin, admin_client_for):
    client = admin_client_for(admin)
    client.raise_request_exception = False
    answer = client.get(page(model, "changelist"), {path.format(relation): "argon2"})
    assert answer.status_code == 400


class TestATokenThatOutlivedItsRights:
    @pytest.mark.parametrize("change", [{"status": "suspended"}, {"role": "guest"}])
    def test_cannot_take_back_what_was_done_to_its_holder(self, admin, acme, client_for, change):
        other = UserFactory(tenant=acme, role="admin")
        held = client_for(other)
        assert client_for(admin).patch(f"{USERS}{other.pk}/", change).status_code == 200
        for answer in (
            held.patch(f"{USERS}{other.pk}/", {"status": "active", "role": "admin"}),
            held.post(USERS, {"email": "x@acme.com", "name": "X", "password": "correct-horse-9", "role": "admin"}),
        ):
            assert (answer.status_code, answer.json()["code"]) == (401, "account_closed")

    def test_of_a_deleted_account_writes_no_people(self, admin, member, acme, client_for):
        held = client_for(member)
        with tenant_scope(acme):
            User.objects.get(pk=member.pk).delete()
        assert held.patch(f"{USERS}{member.pk}/", {"name": "Ghost"}).json()["code"] == "account_closed"


class TestAnAdminOfThePlatform:
    @pytest.fixture
    def platform_admin(self, platform):
        return UserFactory(tenant=platform, role="admin", email="padmin@nexora.example")

    def test_has_no_hand_on_a_super_admin(self, platform_admin, root, admin_client_for):
        client = admin_client_for(platform_admin)
        before = root.password
        client.post(reverse("admin:accounts_user_set_password", args=[root.pk]), {"password1": "a", "password2": "a"})
        client.post(change(root, "delete"), {"post": "yes"})
        client.post(change(root), {"name": "Mine", "email": root.email, "role": "user", "status": "inactive"})
        with tenant_scope(root.tenant_id):
            after = User.objects.get(pk=root.pk)
        assert (after.password, after.role, after.status, after.name) == (before, "super_admin", "active", "Root")
        assert client.get(reverse("admin:accounts_user_set_password", args=[root.pk])).status_code == 403


class TestOnesOwnPassword:
    def test_is_changed_only_by_who_knows_it(self, member, client_for):
        client, address = client_for(member), f"{USERS}{member.pk}/"
        for wrong in ({}, {"current_password": "guess"}):
            answer = client.patch(address, {"password": "correct-horse-9", **wrong})
            assert answer.status_code == 400
            assert answer.json()["errors"].keys() == {"current_password"}
        right = {"password": "correct-horse-9", "current_password": "nexora-demo"}
        assert client.patch(address, right).status_code == 200

    def test_an_admin_gives_others_a_new_one(self, admin, member, client_for):
        assert client_for(admin).patch(f"{USERS}{member.pk}/", {"password": "correct-horse-9"}).status_code == 200

    def test_can_be_changed_while_inside_a_tenant(self, root, acme, admin_client_for):
        client = admin_client_for(root)
        client.post(reverse("admin:tenants_tenant_enter", args=[acme.pk]), {"reason": "A ticket about imports"})
        body = {"old_password": "nexora-demo", "new_password1": "correct-horse-9", "new_password2": "correct-horse-9"}
        assert client.post(reverse("admin:password_change"), body).status_code == 302
        with tenant_scope(root.tenant_id):
            assert User.objects.get(pk=root.pk).check_password("correct-horse-9")


class TestDeletingOnesOwn:
    @pytest.fixture
    def customer_with_anothers_deal(self, member, colleague, acme):
        customer = CustomerFactory(tenant=acme, created_by=member)
        DealFactory(customer=customer, assigned_to=colleague)
        return customer

    def test_takes_nothing_of_a_colleagues_along(self, customer_with_anothers_deal, member, acme, client_for):
        answer = client_for(member).delete(f"{CUSTOMERS}{customer_with_anothers_deal.pk}/")
        assert answer.status_code == 403
        assert "1 deal of other people" in answer.json()["detail"]
        with tenant_scope(acme):
            assert Deal.objects.count() == 1

    def test_nor_in_the_admin(self, customer_with_anothers_deal, member, acme, admin_client_for):
        client = admin_client_for(member)
        client.post(change(customer_with_anothers_deal, "delete"), {"post": "yes"})
        selected = {"action": "delete_selected", "_selected_action": customer_with_anothers_deal.pk, "post": "yes"}
        client.post(page(Customer, "changelist"), selected)
        with tenant_scope(acme):
            assert Deal.objects.count() == Customer.objects.count() == 1

    def test_takes_ones_own_along(self, member, acme, client_for):
        customer = CustomerFactory(tenant=acme, created_by=member)
        DealFactory(customer=customer, assigned_to=member)
        assert client_for(member).delete(f"{CUSTOMERS}{customer.pk}/").status_code == 204

    def test_a_manager_deletes_with_everything(self, customer_with_anothers_deal, manager, client_for):
        assert client_for(manager).delete(f"{CUSTOMERS}{customer_with_anothers_deal.pk}/").status_code == 204


def test_a_deal_takes_its_activities_to_another_customer(manager, acme, client_for):
    old, new = CustomerFactory.create_batch(2, tenant=acme)
    deal = DealFactory(customer=old)
    call = ActivityFactory(customer=old, deal=deal)
    other = ActivityFactory(customer=old)
    client = client_for(manager)
    assert client.patch(f"{DEALS}{deal.pk}/", {"customer": str(new.pk)}).status_code == 200
    with tenant_scope(acme):
        assert Activity.objects.get(pk=call.pk).customer_id == new.pk
        assert Activity.objects.get(pk=other.pk).customer_id == old.pk
    assert client.delete(f"{CUSTOMERS}{old.pk}/").status_code == 204
    with tenant_scope(acme):
        assert list(Activity.objects.values_list("pk", flat=True)) == [call.pk]


def test_json_keeps_the_difference_between_numbers_and_booleans(manager, acme, client_for):
    ada = CustomerFactory(tenant=acme, custom_fields={"vip": 1, "n": 0, "deep": [1]})
    client, address = client_for(manager), f"{CUSTOMERS}{ada.pk}/"
    wanted = {"vip": True, "n": False, "deep": [True]}
    assert client.patch(address, {"custom_fields": wanted}).status_code == 200
    stored = client.get(address).json()["custom_fields"]
    assert [type(stored[key]) for key in ("vip", "n")] == [bool, bool]
    assert type(stored["deep"][0]) is bool


class TestIllFormedIdsInForms:
    @pytest.mark.parametrize(
        "query",
        ["customer=x", "due_date=zzz", "customer=%F0%9F%92%A5", "customer=00000000-0000-4000-8000-00000000dead"],
    )
    def test_an_address_that_fills_in_nonsense_opens_the_form(self, query, admin, admin_client_for):
        answer = admin_client_for(admin).get(f"{page(Activity, 'add')}?{query}")
        assert answer.status_code == 200

    def test_a_sent_form_is_answered_with_its_error(self, admin, acme, admin_client_for):
        client = admin_client_for(admin)
        body = posted(client.get(page(Deal, "add")), title="T", value="1", customer="x", assigned_to="y")
        answer = client.post(page(Deal, "add"), body)
        assert answer.status_code == 200
        assert {"customer", "assigned_to"} <= answer.context["adminform"].form.errors.keys()

    @pytest.mark.parametrize("query", ["tenant=x", "_changelist_filters=tenant__id__exact%3Dx"])
    def test_on_the_platform_neither(self, query, root, admin_client_for):
        assert admin_client_for(root).get(f"{page(Customer, 'add')}?{query}").status_code == 200
