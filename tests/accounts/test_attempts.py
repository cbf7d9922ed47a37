"""How often somebody may try: see apps.accounts.services.attempts."""

import threading
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connections
from django.urls import reverse

from apps.accounts.models import Attempt
from apps.accounts.services import attempts
from apps.accounts.services.attempts import SIGN_IN, TooManyAttempts
from nexora.kernel import clock
from nexora.kernel.scope import tenant_scope, unscoped
from tests.conftest import host_of
from tests.factories import PASSWORD, SecondFactorFactory, TenantFactory, UserFactory

TOKEN = "/api/v1/auth/token/"
NOON = datetime(2026, 11, 26, 12, tzinfo=UTC)


def sign_in(client, email, password=PASSWORD, **extra):
    return client.post(TOKEN, {"email": email, "password": password}, **extra)


@pytest.fixture
def acme_client(client_for, acme):
    return client_for(None, tenant=acme)


@pytest.mark.django_db
class TestAnAccount:
    @pytest.mark.parametrize("email", ["user@acme.com", "nobody@acme.com"])
    def test_waits_longer_and_longer_whether_it_exists_or_not(self, acme_client, member, email):
        now, waits = NOON, []
        for _ in range(9):
            with clock.frozen_at(now):
                assert sign_in(acme_client, email, "wrong-password").json()["code"] == "invalid_credentials"
                again = sign_in(acme_client, email, "wrong-password")
                if again.status_code == 401:
                    continue
                assert (again.status_code, again.json()["code"]) == (429, "too_many_attempts")
                waits.append(int(again["Retry-After"]))
                now += timedelta(seconds=waits[-1])
        assert waits == [2, 4, 8, 16, 32, 64, 128]

    def test_must_wait_with_the_right_password_too(self, acme_client, member):
        with clock.frozen_at(NOON):
            for _ in range(5):
                sign_in(acme_client, member.email, "wrong-password")
            assert sign_in(acme_client, member.email).status_code == 429
        with clock.frozen_at(NOON + timedelta(seconds=2)):
            assert sign_in(acme_client, member.email).status_code == 200

    def test_starts_anew_after_it_was_let_in(self, acme_client, member):
        for _ in range(3):
            for _ in range(4):
                assert sign_in(acme_client, member.email, "wrong-password").status_code == 401
            assert sign_in(acme_client, member.email).status_code == 200

    def test_is_forgotten_after_a_day(self, acme_client, member, acme):
        for day in range(3):
            with clock.frozen_at(NOON + day * timedelta(hours=25)):
                for _ in range(4):
                    assert sign_in(acme_client, member.email, "wrong-password").status_code == 401
        with clock.frozen_at(NOON + timedelta(days=30)), unscoped(reason="test of the nightly job"):
            assert attempts.delete_old() == 2
            assert not Attempt.objects.exists()

    def test_is_counted_in_any_spelling(self, acme_client, member):
        for email in ("user@acme.com", "USER@acme.com", " user@acme.com", "User@Acme.com", "user@acme.com "):
            sign_in(acme_client, email, "wrong-password")
        assert sign_in(acme_client, member.email).status_code == 429

    def test_waits_in_the_back_office_for_what_was_tried_in_the_api(self, acme_client, member, client, acme):
        for _ in range(5):
            sign_in(acme_client, member.email, "wrong-password")
        body = {"username": member.email, "password": PASSWORD}
        answer = client.post(reverse("admin:login"), body, HTTP_HOST=host_of(acme))
        assert answer.status_code == 200
        assert "too many attempts. Try again in" in answer.content.decode()
        assert "_auth_user_id" not in client.session

    def test_of_another_tenant_is_another(self, acme_client, member, globex, client_for):
        for _ in range(6):
            sign_in(client_for(None, tenant=globex), member.email, "wrong-password")
        assert sign_in(acme_client, member.email).status_code == 200


@pytest.mark.django_db
class TestAnAddress:
    def fail(self, client, number, address):
        return sign_in(client, f"somebody{number}@acme.com", "wrong-password", REMOTE_ADDR=address).status_code

    def test_waits_after_many_accounts(self, acme_client, member):
        with clock.frozen_at(NOON):
            assert [self.fail(acme_client, n, "192.0.2.7") for n in range(51)] == [401] * 50 + [429]
            assert sign_in(acme_client, member.email, REMOTE_ADDR="192.0.2.7").status_code == 429
            assert sign_in(acme_client, member.email, REMOTE_ADDR="192.0.2.8").status_code == 200

    def test_is_a_network_of_ipv6(self, acme_client):
        with clock.frozen_at(NOON):
            for n in range(50):
                self.fail(acme_client, n, f"2001:db8:1:2::{n:x}")
            assert self.fail(acme_client, 50, "2001:db8:1:2:ffff::1") == 429
            assert self.fail(acme_client, 50, "2001:db8:1:3::1") == 401

    def test_that_lets_many_people_in_is_no_attacker(self, acme, client_for):
        people = UserFactory.create_batch(60, tenant=acme)
        client = client_for(None, tenant=acme)
        assert {sign_in(client, person.email).status_code for person in people} == {200}

    def test_where_people_sign_in_in_two_steps_is_none_either(self, acme, acme_client, client):
        for person in UserFactory.create_batch(3, tenant=acme):
            SecondFactorFactory(user=person)
            assert sign_in(acme_client, person.email).json()["code"] == "second_factor_required"
            body = {"username": person.email, "password": PASSWORD}
            assert client.post(reverse("admin:login"), body, HTTP_HOST=host_of(acme)).status_code == 302
        with tenant_scope(acme):
            counts = sorted(Attempt.objects.values_list("count", flat=True))
        assert counts == [0, 2, 2, 2], "codes are still guessed as slowly as passwords"

    def test_does_not_add_up_typing_errors_of_many_days(self, acme):
        with tenant_scope(acme):
            for day in range(4):
                with clock.frozen_at(NOON + timedelta(hours=23) * day):
                    for _ in range(30):
                        attempts.begin(SIGN_IN, address="192.0.2.7")
            with clock.frozen_at(NOON + timedelta(hours=23) * day + timedelta(minutes=20)):
                for _ in range(20):
                    attempts.begin(SIGN_IN, address="192.0.2.7")
                with pytest.raises(TooManyAttempts):
                    attempts.begin(SIGN_IN, address="192.0.2.7")


@pytest.mark.django_db
def test_only_hashes_of_what_is_counted_are_kept(acme_client, member, acme):
    sign_in(acme_client, member.email, "wrong-password", REMOTE_ADDR="192.0.2.7")
    with tenant_scope(acme):
        rows = list(Attempt.objects.values_list("subject", flat=True))
    assert len(rows) == 2
    assert all(len(row) == 64 and int(row, 16) for row in rows)


@pytest.mark.django_db(transaction=True)
def test_of_twelve_parallel_attempts_no_more_than_the_free_ones_are_carried_out():
    acme = TenantFactory()
    gate, outcomes = threading.Barrier(12), []

    def attempt():
        try:
            with tenant_scope(acme):
                gate.wait()
                attempts.begin(SIGN_IN, account="user@acme.com", address="192.0.2.7")
                outcomes.append("let through")
        except TooManyAttempts:
            outcomes.append("refused")
        finally:
            connections.close_all()

    threads = [threading.Thread(target=attempt) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["let through"] * SIGN_IN.free + ["refused"] * (12 - SIGN_IN.free)


def test_the_wait_grows_to_a_quarter_of_an_hour():
    assert attempts.wait_after(4, 5) is None
    waits = [attempts.wait_after(count, 5) for count in (5, 6, 13, 14, 1000)]
    assert [wait.total_seconds() for wait in waits] == [2, 4, 512, 900, 900]


@pytest.mark.django_db
class TestOtherDoors:
    def test_links_by_mail_to_one_address_are_not_asked_for_without_end(self, acme_client, member):
        with clock.frozen_at(NOON):
            for email in (member.email, "nobody@acme.com"):
                answers = [acme_client.post("/api/v1/auth/password-reset/", {"email": email}) for _ in range(4)]
                assert [answer.status_code for answer in answers] == [202, 202, 202, 429]

    @pytest.mark.parametrize(
        ("path", "body"),
        [
            ("password-reset/confirm", {"token": "x", "password": "correct-horse-9"}),
            ("invitations/accept", {"token": "x", "name": "X", "password": "correct-horse-9"}),
        ],
    )
    def test_tokens_are_not_guessed_fast(self, acme_client, path, body):
        with clock.frozen_at(NOON):
            answers = [acme_client.post(f"/api/v1/auth/{path}/", body).status_code for _ in range(21)]
        assert answers == [400] * 20 + [429]
