"""Who has the link of an invitation makes the account: once, in time, and for the inviter's tenant."""

import threading
from datetime import timedelta

import pytest
from django.db import connections
from rest_framework.test import APIClient

from apps.accounts.models import AuditEvent, Invitation, User
from apps.tenants.models import Tenant
from nexora.kernel import clock
from nexora.kernel.scope import tenant_scope, unscoped
from tests.accounts.joining import (
    ACCEPT,
    ADDRESS,
    INVITATIONS,
    PASSWORD,
    TOKEN,
    accept,
    assert_not_valid,
    fresh,
    suspend,
)
from tests.factories import InvitationFactory, TenantFactory, UserFactory
from tests.mailbox import confirmation_in, deliver, follow, link_to


@pytest.mark.django_db
class TestAccepting:
    def test_makes_the_person_who_then_signs_in(self, invited, acme, acme_client):
        document, token = invited(role="manager")
        answer = accept(acme_client, token)
        assert answer.status_code == 201
        assert answer.json().keys() == {"detail"}
        access = acme_client.post(TOKEN, {"email": ADDRESS, "password": PASSWORD}).json()["access"]
        me = acme_client.get("/api/v1/auth/me/", headers={"authorization": f"Bearer {access}"}).json()
        assert (me["email"], me["name"], me["role"], me["email_verified"]) == (ADDRESS, "New Person", "manager", True)
        with tenant_scope(acme):
            closed = Invitation.objects.get(pk=document["id"])
        assert (closed.status, closed.token) == ("accepted", None)

    def test_works_once(self, invited, acme_client):
        _, token = invited()
        assert accept(acme_client, token).status_code == 201
        assert_not_valid(accept(acme_client, token))

    def test_works_for_three_days(self, invited, acme_client):
        _, token = invited()
        with clock.frozen_at(clock.now() + timedelta(hours=72, seconds=1)):
            assert_not_valid(accept(acme_client, token))
        with clock.frozen_at(clock.now() + timedelta(hours=71, minutes=59)):
            assert accept(acme_client, token).status_code == 201

    def test_of_another_tenant_is_refused_on_this_host(self, invited, globex, acme_client):
        _, token = invited()
        assert_not_valid(accept(APIClient(HTTP_HOST="globex.localhost"), token))
        assert_not_valid(accept(APIClient(HTTP_HOST="localhost"), token))
        assert accept(acme_client, token).status_code == 201

    def test_every_bad_token_has_one_answer(self, invited, invite, acme, admin, client_for, acme_client):
        _, used = invited("used@acme.com")
        accept(acme_client, used)
        revoked, dead = invited("revoked@acme.com")
        client_for(admin).delete(f"{INVITATIONS}{revoked['id']}/")
        hash_of_one = fresh(InvitationFactory(tenant=acme, token=Invitation.digest("x"))).token
        answers = [accept(acme_client, token) for token in (used, dead, hash_of_one, "made-up", "é" * 40)]
        for answer in answers:
            assert_not_valid(answer)
        assert len({answer.content for answer in answers}) == 1

    def test_gives_the_role_that_the_invitation_has_by_then(self, invited, acme, acme_client):
        _, token = invited(role="manager")
        with tenant_scope(acme):
            invitation = Invitation.objects.get()
            invitation.role = "guest"
            invitation.save()
        accept(acme_client, token)
        with tenant_scope(acme):
            assert User.objects.get(email=ADDRESS).role == "guest"

    @pytest.mark.parametrize("fate", [{"status": "suspended"}, {"status": "inactive"}, {"role": "manager"}])
    def test_is_over_once_the_inviter_could_not_invite_any_more(self, fate, invited, admin, acme_client):
        _, token = invited(role="guest")
        suspend(admin, **fate)
        assert_not_valid(accept(acme_client, token))

    def test_ends_with_the_inviters_account(self, invited, admin, acme, acme_client):
        UserFactory(tenant=acme, role="admin")
        _, token = invited()
        with tenant_scope(acme):
            User.objects.get(pk=admin.pk).delete()
        assert_not_valid(accept(acme_client, token))

    def test_is_refused_without_a_reason_if_the_address_was_taken_meanwhile(self, invited, acme, globex, acme_client):
        _, token = invited()
        UserFactory(tenant=globex, email=ADDRESS)
        assert_not_valid(accept(acme_client, token))
        with tenant_scope(acme):
            assert Invitation.objects.get().status == "pending"
            assert not AuditEvent.objects.filter(resource="accounts.user").exists()

    @pytest.mark.parametrize("password", ["short", "password123", "1234567890123", "new@acme.com"])
    def test_a_weak_password_is_refused_and_the_link_lives(self, password, invited, acme_client):
        _, token = invited()
        answer = accept(acme_client, token, password=password)
        assert (answer.status_code, set(answer.json()["errors"])) == (400, {"password"})
        assert accept(acme_client, token).status_code == 201

    @pytest.mark.parametrize("missing", ["token", "name", "password"])
    def test_what_is_missing_is_named(self, missing, acme_client):
        body = {"token": "x", "name": "N", "password": PASSWORD}
        del body[missing]
        answer = acme_client.post(ACCEPT, body)
        assert (answer.status_code, set(answer.json()["errors"])) == (400, {missing})


@pytest.mark.django_db
def test_the_platforms_people_are_invited_on_its_host(root, platform, admin_client_for):
    client = admin_client_for(root)
    body = {"tenant": str(platform.pk), "email": "ops@nexora.example", "role": "super_admin"}
    assert client.post("/admin/accounts/invitation/add/", body).status_code == 302
    (message,) = deliver()
    address, token = link_to(message, "/join")
    assert address.startswith("http://localhost/join")
    assert accept(APIClient(HTTP_HOST="localhost"), token).status_code == 201
    with unscoped(reason="look"):
        assert User.objects.get(email="ops@nexora.example").role == "super_admin"


@pytest.mark.django_db
def test_the_platform_invites_the_first_admin_of_a_tenant(root, acme, acme_client, admin_client_for):
    body = {"tenant": str(acme.pk), "email": ADDRESS, "role": "admin"}
    assert admin_client_for(root).post("/admin/accounts/invitation/add/", body).status_code == 302
    (message,) = deliver()
    assert message.body.startswith("You are invited to join Acme Corp as admin")
    assert accept(acme_client, link_to(message, "/join")[1]).status_code == 201


def in_parallel(*functions):
    gate = threading.Barrier(len(functions))
    outcomes = [None] * len(functions)

    def run(index, function):
        try:
            gate.wait()
            outcomes[index] = function()
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=pair) for pair in enumerate(functions)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return outcomes


@pytest.fixture
def committed():
    """A tenant and an open invitation with the token "secret", visible to every thread."""
    tenant = TenantFactory(subdomain="acme")
    inviter = UserFactory(tenant=tenant, role="admin")
    with tenant_scope(tenant):
        invitation = InvitationFactory(email=ADDRESS, token=Invitation.digest("secret"), invited_by=inviter)
    return tenant, inviter, invitation


@pytest.mark.django_db(transaction=True)
def test_of_two_acceptances_at_once_one_wins(committed):
    tenant, _, _ = committed

    def go():
        return accept(APIClient(HTTP_HOST="acme.localhost"), "secret")

    answers = in_parallel(*[go] * 4)
    assert sorted(answer.status_code for answer in answers) == [201, 400, 400, 400]
    assert {answer.json()["code"] for answer in answers if answer.status_code == 400} == {"invitation_not_valid"}
    with tenant_scope(tenant):
        assert User.objects.filter(email=ADDRESS).count() == 1


@pytest.mark.django_db(transaction=True)
def test_of_an_acceptance_and_a_revocation_at_once_one_wins(committed, client_for):
    tenant, inviter, invitation = committed
    with unscoped(reason="look"):
        inviter = User.objects.select_related("tenant").get(pk=inviter.pk)
    client = client_for(inviter)
    accepted, revoked = in_parallel(
        lambda: accept(APIClient(HTTP_HOST="acme.localhost"), "secret"),
        lambda: client.delete(f"{INVITATIONS}{invitation.pk}/"),
    )
    assert (accepted.status_code, revoked.status_code) in [(201, 409), (400, 204)]
    with tenant_scope(tenant):
        assert User.objects.filter(email=ADDRESS).exists() == (accepted.status_code == 201)


@pytest.mark.django_db(transaction=True)
def test_of_two_invitations_of_an_address_at_once_both_are_answered_with_the_one(client_for):
    tenant = TenantFactory(subdomain="acme")
    admins = [UserFactory(tenant=tenant, role="admin") for _ in range(3)]
    clients = [client_for(person) for person in admins]
    answers = in_parallel(*[lambda c=client: c.post(INVITATIONS, {"email": ADDRESS}) for client in clients])
    assert [answer.status_code for answer in answers] == [202] * 3
    assert len({answer.json()["id"] for answer in answers}) == 1


@pytest.mark.django_db
class TestAStrangersSignUpWithTheAddress:
    """Anybody may sign up with anybody's address; nobody has confirmed that."""

    @pytest.fixture
    def strangers(self, platform):
        body = {"organisation": "Initech", "subdomain": "initech", "name": "X", "email": ADDRESS, "password": PASSWORD}
        assert APIClient(HTTP_HOST="localhost").post("/api/v1/signup/", body).status_code == 202
        (message,) = deliver()
        return confirmation_in(message)

    def there_is(self, subdomain):
        with unscoped(reason="look"):
            return Tenant.objects.filter(subdomain=subdomain).exists()

    def test_gives_way_to_an_invitation(self, strangers, invited, acme_client):
        _, token = invited()
        assert accept(acme_client, token).status_code == 201
        assert acme_client.post(TOKEN, {"email": ADDRESS, "password": PASSWORD}).status_code == 200
        assert not self.there_is("initech")
        with unscoped(reason="look"):
            assert AuditEvent.objects.filter(action="deleted", resource="tenants.tenant").count() == 1

    def test_that_was_confirmed_meanwhile_does_not(self, strangers, invited, acme_client):
        _, token = invited()
        assert follow(strangers, password=PASSWORD).status_code == 200
        assert_not_valid(accept(acme_client, token))
        assert self.there_is("initech")

    def test_stays_while_an_invitation_is_only_open(self, strangers, invited):
        invited()
        assert self.there_is("initech")
