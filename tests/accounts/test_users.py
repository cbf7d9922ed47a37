import threading

import pytest
from django.db import connections

from apps.accounts.models import AuditEvent, User
from nexora.kernel.errors import Conflict
from nexora.kernel.scope import tenant_scope
from tests.factories import CustomerFactory, TenantFactory, UserFactory

USERS = "/api/v1/users/"


def address(user):
    return f"{USERS}{user.pk}/"


def new_user(**values):
    return {"email": "new@acme.com", "name": "New", "password": "correct-horse-battery", **values}


@pytest.mark.django_db
class TestEscalation:
    @pytest.mark.parametrize("body", [{"role": "super_admin"}, {"role": "owner"}])
    def test_an_admin_cannot_raise_anybody_above_admin(self, admin, member, client_for, body):
        client = client_for(admin)
        for answer in (
            client.patch(address(member), body),
            client.patch(address(admin), body),
            client.post(USERS, new_user(**body)),
        ):
            assert answer.status_code in (400, 403)
            assert "role" in answer.json()["errors"]
        with tenant_scope(admin.tenant_id):
            assert set(User.objects.values_list("role", flat=True)) == {"admin", "user"}

    @pytest.mark.parametrize("field", ["tenant_id", "tenant", "ai_credits", "is_superuser", "id", "created_at"])
    def test_fields_that_are_not_theirs_to_set_are_refused_by_name(self, admin, member, globex, client_for, field):
        answer = client_for(admin).patch(address(member), {field: str(globex.pk), "name": "Changed"})
        assert answer.status_code == 400
        assert answer.json()["errors"].keys() == {field}
        with tenant_scope(admin.tenant_id):
            assert User.objects.get(pk=member.pk).name == "Member"

    @pytest.mark.parametrize("role", ["user", "manager"])
    @pytest.mark.parametrize("body", [{"role": "admin"}, {"status": "inactive"}, {"email": "x@acme.com"}])
    def test_of_ones_own_account_only_name_avatar_and_password_change(self, cast, client_for, role, body):
        client = client_for(cast[role])
        assert client.patch(address(cast[role]), body).status_code == 403
        assert client.patch(address(cast[role]), {"name": "Renamed"}).status_code == 200

    @pytest.mark.parametrize("order", ["password", "-password"])
    def test_nobody_orders_people_by_their_hashes_which_the_cursor_would_hold(self, guest, admin, client_for, order):
        answer = client_for(guest).get(USERS, {"ordering": order, "page_size": 1})
        assert (answer.status_code, answer.json()["errors"].keys()) == (400, {"ordering"})

    def test_a_tenant_cannot_change_what_the_platform_sells(self, admin, acme, client_for):
        client = client_for(admin)
        for field in ("plan", "status", "subdomain"):
            answer = client.patch(f"/api/v1/tenants/{acme.pk}/", {field: "enterprise"})
            assert answer.status_code == 400, answer.content
            assert field in answer.json()["errors"]

    def test_the_database_has_super_admins_on_the_platform_only(self, acme):
        from django.db import IntegrityError

        with pytest.raises(IntegrityError, match="users_super_admin_platform_check"):
            UserFactory(tenant=acme, role="super_admin")


@pytest.mark.django_db
class TestTheLastAdmin:
    @pytest.mark.parametrize("change", [{"role": "manager"}, {"status": "inactive"}])
    def test_cannot_be_demoted_or_deactivated(self, admin, client_for, change):
        answer = client_for(admin).patch(address(admin), change)
        assert (answer.status_code, answer.json()["code"]) == (409, "last_admin")

    def test_cannot_be_deleted(self, admin, client_for):
        assert client_for(admin).delete(address(admin)).json()["code"] == "last_admin"

    def test_may_go_once_there_is_another(self, admin, acme, client_for):
        UserFactory(tenant=acme, role="admin")
        assert client_for(admin).patch(address(admin), {"role": "manager"}).status_code == 200

    def test_an_inactive_admin_is_no_other(self, admin, acme, client_for):
        UserFactory(tenant=acme, role="admin", status="inactive")
        assert client_for(admin).delete(address(admin)).status_code == 409

    def test_nor_an_admin_of_another_tenant(self, admin, mallory, client_for):
        assert client_for(admin).delete(address(admin)).status_code == 409

    def test_the_last_super_admin_stays_as_well(self, root, platform):
        with tenant_scope(platform), pytest.raises(Conflict, match="last active super admin"):
            User.objects.get(pk=root.pk).delete()


@pytest.mark.django_db(transaction=True)
def test_of_two_removals_of_the_last_two_admins_one_is_refused():
    acme = TenantFactory()
    admins = [UserFactory(tenant=acme, role="admin") for _ in range(2)]
    gate, outcomes = threading.Barrier(2), []

    def remove(admin):
        try:
            with tenant_scope(acme):
                person = User.objects.get(pk=admin.pk)
                gate.wait()
                person.delete()
                outcomes.append("deleted")
        except Conflict as refusal:
            outcomes.append(refusal.code)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=remove, args=[admin]) for admin in admins]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["deleted", "last_admin"]


@pytest.mark.django_db
class TestAccounts:
    def test_a_new_person_can_sign_in_and_nobody_reads_the_password(self, admin, client_for, acme):
        made = client_for(admin).post(USERS, new_user(email="New@Acme.com"))
        assert made.status_code == 201
        assert made.json()["email"] == "new@acme.com"
        assert "password" not in made.json()
        signed_in = client_for(None, tenant=acme).post(
            "/api/v1/auth/token/", {"email": "new@acme.com", "password": "correct-horse-battery"}
        )
        assert signed_in.status_code == 200
        with tenant_scope(acme):
            trail = AuditEvent.objects.get(action="created", resource="accounts.user")
        assert trail.changes["password"] == [None, "[redacted]"]
        assert trail.actor_id == admin.pk

    @pytest.mark.parametrize("password", ["short", "password123", "1234567890123"])
    def test_a_weak_password_is_refused(self, admin, client_for, password):
        answer = client_for(admin).post(USERS, new_user(password=password))
        assert answer.status_code == 400
        assert "password" in answer.json()["errors"]

    def test_a_taken_address_is_one_answer_wherever_it_is_taken(self, admin, member, mallory, client_for):
        answers = [client_for(admin).post(USERS, new_user(email=taken.email)) for taken in (member, mallory)]
        assert [answer.status_code for answer in answers] == [409, 409]
        assert answers[0].json() == answers[1].json()

    def test_a_person_who_is_still_named_by_records_cannot_be_deleted(self, admin, member, acme, client_for):
        CustomerFactory(tenant=acme, created_by=member)
        answer = client_for(admin).delete(address(member))
        assert (answer.status_code, answer.json()["code"]) == (409, "in_use")
        assert "1 customer" in answer.json()["detail"]
