import threading
from datetime import timedelta

import pytest
from django.contrib.auth import authenticate
from django.contrib.auth.hashers import make_password
from django.db import connections
from rest_framework.test import APIClient

from apps.accounts.models import AuditEvent, RefreshToken, User, people
from apps.accounts.services import sessions, signin
from nexora.kernel import clock
from nexora.kernel.scope import tenant_scope, unscoped
from tests.factories import PASSWORD, TenantFactory, UserFactory

TOKEN, REFRESH, LOGOUT, LOGOUT_ALL, ME = (
    f"/api/v1/auth/{path}/" for path in ("token", "token/refresh", "token/logout", "token/logout-all", "me")
)


@pytest.fixture
def acme_client(acme):
    return APIClient(HTTP_HOST="acme.localhost")


def sign_in(client, user, password=PASSWORD):
    return client.post(TOKEN, {"email": user.email, "password": password})


@pytest.mark.django_db
class TestSignIn:
    def test_answers_both_tokens_and_they_work(self, acme_client, member):
        answer = sign_in(acme_client, member)
        assert answer.status_code == 200
        me = acme_client.get(ME, headers={"authorization": f"Bearer {answer.json()['access']}"})
        assert me.json()["email"] == "user@acme.com"
        assert me.json()["permissions"]["crm.customer"] == {
            "view": "all", "create": "all", "update": "own", "delete": "own",
        }  # fmt: skip

    def test_ignores_the_case_of_the_address(self, acme_client, member):
        assert acme_client.post(TOKEN, {"email": " USER@Acme.com", "password": PASSWORD}).status_code == 200

    def test_says_the_same_for_a_wrong_password_an_unknown_address_and_another_tenants(
        self, acme_client, member, mallory
    ):
        answers = [
            acme_client.post(TOKEN, {"email": member.email, "password": "wrong"}),
            acme_client.post(TOKEN, {"email": "nobody@acme.com", "password": PASSWORD}),
            acme_client.post(TOKEN, {"email": mallory.email, "password": PASSWORD}),
        ]
        assert {answer.status_code for answer in answers} == {401}
        assert len({answer.content for answer in answers}) == 1
        assert answers[0].json()["code"] == "invalid_credentials"

    @pytest.mark.parametrize("header", ["Bearer", "Bearer a b", "Bearer x"])
    def test_explains_every_word_for_a_bad_header(self, acme_client, acme, header):
        answer = acme_client.get(ME, headers={"authorization": header})
        assert answer.status_code == 401
        assert acme_client.get(answer.json()["type"]).json()["code"] == answer.json()["code"]
        assert (REFRESH in answer.json()["detail"]) == (header == "Bearer x")

    @pytest.mark.parametrize("status", ["inactive", "suspended"])
    def test_refuses_people_who_are_not_active(self, acme_client, acme, status):
        assert sign_in(acme_client, UserFactory(tenant=acme, status=status)).status_code == 401

    def test_super_admins_sign_in_on_the_platform_only(self, acme_client, root):
        assert sign_in(acme_client, root).status_code == 401
        assert sign_in(APIClient(HTTP_HOST="localhost"), root).status_code == 200

    def test_takes_a_hash_made_by_nodes_bcrypt_and_upgrades_it(self, acme_client, acme, real_password_hashers):
        import bcrypt

        user = UserFactory(tenant=acme, email="node@acme.com")
        raw = bcrypt.hashpw(b"correct horse", bcrypt.gensalt(4, prefix=b"2b")).decode()
        with tenant_scope(acme):
            User.objects.filter(pk=user.pk).unpublished("as Node wrote it").update(password=raw)
        assert sign_in(acme_client, user, "correct horse").status_code == 200
        with tenant_scope(acme):
            assert User.objects.get(pk=user.pk).password.startswith("argon2$")

    @pytest.mark.parametrize("changes", [{"password": "changed"}, {"role": "guest"}, {"status": "suspended"}])
    def test_begins_no_session_for_who_was_changed_while_the_password_was_checked(
        self, acme_client, member, monkeypatch, changes
    ):
        def checked_slowly(*args, **kwargs):
            user = authenticate(*args, **kwargs)
            with tenant_scope(member.tenant):
                person = User.objects.get(pk=member.pk)
                for name, value in changes.items():
                    setattr(person, name, value)
                person.save()
            return user

        monkeypatch.setattr(signin, "authenticate", checked_slowly)
        answer = sign_in(acme_client, member)
        assert (answer.status_code, answer.json()["code"]) == (401, "account_closed")
        with tenant_scope(member.tenant):
            assert not RefreshToken.objects.exists()
            assert not AuditEvent.objects.filter(action="signed_in").exists()

    def test_upgrading_a_hash_never_undoes_a_change_of_the_password(
        self, acme_client, acme, real_password_hashers, monkeypatch
    ):
        import bcrypt

        node = bcrypt.hashpw(b"correct horse", bcrypt.gensalt(4, prefix=b"2b")).decode()
        user = UserFactory(tenant=acme, email="node@acme.com", password=node)

        def made_slowly(password):
            with tenant_scope(acme):
                User.objects.filter(pk=user.pk).unpublished("test").update(password="!changed")
            return make_password(password)

        monkeypatch.setattr(people, "make_password", made_slowly)
        assert sign_in(acme_client, user, "correct horse").status_code == 401
        with tenant_scope(acme):
            assert User.objects.get(pk=user.pk).password == "!changed"

    def test_the_seeds_placeholder_hash_is_a_wrong_password_not_an_error(self, acme_client, acme):
        user = UserFactory(tenant=acme, password="$2b$10$...")
        assert sign_in(acme_client, user).status_code == 401

    def test_a_very_long_password_is_no_error(self, acme_client, acme):
        import bcrypt

        user = UserFactory(tenant=acme, password=bcrypt.hashpw(b"y" * 72, bcrypt.gensalt(4)).decode())
        assert sign_in(acme_client, user, "z" * 500).status_code == 401
        # Node's bcrypt looks at 72 bytes, so whoever signed in there with more still does here.
        assert sign_in(acme_client, user, "y" * 100).status_code == 200


@pytest.mark.django_db
class TestRefresh:
    def test_only_hashes_are_stored(self, acme_client, member, acme):
        tokens = sign_in(acme_client, member).json()
        with tenant_scope(acme):
            stored = RefreshToken.objects.get()
        assert stored.token == RefreshToken.digest(tokens["refresh"]) != tokens["refresh"]

    def test_a_replaced_token_lets_the_session_live_for_ten_seconds(self, acme_client, member):
        first = sign_in(acme_client, member).json()["refresh"]
        second = acme_client.post(REFRESH, {"refresh": first}).json()["refresh"]
        again = acme_client.post(REFRESH, {"refresh": first})
        assert (again.status_code, again.json()["code"]) == (401, "token_rotated")
        assert acme_client.post(REFRESH, {"refresh": second}).status_code == 200

    def test_a_replaced_token_ends_the_session_later_on(self, acme_client, member):
        first = sign_in(acme_client, member).json()["refresh"]
        second = acme_client.post(REFRESH, {"refresh": first}).json()["refresh"]
        with clock.frozen_at(clock.now() + timedelta(seconds=11)):
            again = acme_client.post(REFRESH, {"refresh": first})
        assert (again.status_code, again.json()["code"]) == (401, "session_ended")
        assert acme_client.post(REFRESH, {"refresh": second}).status_code == 401

    def test_a_token_older_than_the_last_change_ends_the_session_at_once(self, acme_client, member, acme):
        first = sign_in(acme_client, member).json()["refresh"]
        second = acme_client.post(REFRESH, {"refresh": first}).json()["refresh"]
        third = acme_client.post(REFRESH, {"refresh": second}).json()["refresh"]
        assert acme_client.post(REFRESH, {"refresh": first}).json()["code"] == "session_ended"
        assert acme_client.post(REFRESH, {"refresh": third}).json()["code"] == "session_ended"
        with tenant_scope(acme):
            assert not RefreshToken.objects.exists()

    def test_an_expired_session_is_over(self, acme_client, member):
        refresh = sign_in(acme_client, member).json()["refresh"]
        with clock.frozen_at(clock.now() + timedelta(days=15)):
            assert acme_client.post(REFRESH, {"refresh": refresh}).status_code == 401

    @pytest.mark.parametrize("change", [{"status": "suspended"}, {"role": "guest"}])
    def test_suspending_or_demoting_a_person_ends_their_sessions(self, acme_client, member, admin, client_for, change):
        refresh = sign_in(acme_client, member).json()["refresh"]
        assert client_for(admin).patch(f"/api/v1/users/{member.pk}/", change).status_code == 200
        assert acme_client.post(REFRESH, {"refresh": refresh}).json()["code"] == "session_ended"

    def test_the_new_access_token_carries_the_role_of_now(self, acme_client, member, acme):
        refresh = sign_in(acme_client, member).json()["refresh"]
        with tenant_scope(acme):
            User.objects.filter(pk=member.pk).unpublished("behind the service's back").update(role="manager")
        access = acme_client.post(REFRESH, {"refresh": refresh}).json()["access"]
        assert acme_client.get(ME, headers={"authorization": f"Bearer {access}"}).json()["role"] == "manager"

    def test_a_session_is_unknown_on_another_tenants_host(self, acme_client, member, globex):
        refresh = sign_in(acme_client, member).json()["refresh"]
        elsewhere = APIClient(HTTP_HOST="globex.localhost")
        assert elsewhere.post(REFRESH, {"refresh": refresh}).status_code == 401
        assert elsewhere.post(LOGOUT, {"refresh": refresh}).status_code == 401
        assert acme_client.post(REFRESH, {"refresh": refresh}).status_code == 200

    @pytest.mark.parametrize("text", ["", "x", "a.b.c", "é" * 50])
    def test_garbage_is_refused(self, acme_client, text):
        answer = acme_client.post(REFRESH, {"refresh": text})
        assert answer.status_code in (400, 401)
        assert answer["Content-Type"] == "application/problem+json"

    def test_an_access_token_is_no_refresh_token(self, acme_client, member):
        access = sign_in(acme_client, member).json()["access"]
        assert acme_client.post(REFRESH, {"refresh": access}).status_code == 401


@pytest.mark.django_db
class TestSignOut:
    def test_ends_this_session_only(self, acme_client, member):
        here, there = (sign_in(acme_client, member).json()["refresh"] for _ in range(2))
        assert acme_client.post(LOGOUT, {"refresh": here}).status_code == 204
        assert acme_client.post(REFRESH, {"refresh": here}).status_code == 401
        assert acme_client.post(REFRESH, {"refresh": there}).status_code == 200

    def test_everywhere_ends_all_of_ones_own(self, acme_client, member, colleague, client_for):
        for _ in range(2):
            sign_in(acme_client, member)
        others = sign_in(acme_client, colleague).json()["refresh"]
        assert client_for(member).post(LOGOUT_ALL).json() == {"ended": 3}
        assert acme_client.post(REFRESH, {"refresh": others}).status_code == 200


@pytest.mark.django_db
def test_expired_sessions_are_removed_at_night(acme, member):
    with tenant_scope(acme):
        sessions.open_session(user=member)
        assert sessions.delete_expired() == 0
    with clock.frozen_at(clock.now() + timedelta(days=15)), unscoped(reason="test of the nightly job"):
        assert sessions.delete_expired() == 1


@pytest.mark.django_db(transaction=True)
def test_of_eight_parallel_refreshes_one_wins_and_the_session_lives():
    acme = TenantFactory(subdomain="acme")
    member = UserFactory(tenant=acme)
    client = APIClient(HTTP_HOST="acme.localhost")
    first = sign_in(client, member).json()["refresh"]
    gate, answers = threading.Barrier(8), []

    def refresh():
        try:
            gate.wait()
            answers.append(APIClient(HTTP_HOST="acme.localhost").post(REFRESH, {"refresh": first}))
        finally:
            connections.close_all()

    threads = [threading.Thread(target=refresh) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answer.status_code for answer in answers) == [200] + [401] * 7
    assert {answer.json()["code"] for answer in answers if answer.status_code == 401} == {"token_rotated"}
    winner = next(answer for answer in answers if answer.status_code == 200)
    assert client.post(REFRESH, {"refresh": winner.json()["refresh"]}).status_code == 200
