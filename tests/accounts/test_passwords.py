"""Forgotten passwords: a link by mail, for an hour and for once; no answer tells who has an account."""

import logging
import threading
from datetime import timedelta

import pytest
from django.core import mail as outbox
from django.db import connections
from procrastinate.contrib.django.models import ProcrastinateJob as Job
from rest_framework.test import APIClient

from apps.accounts.models import AuditEvent, RefreshToken, User
from apps.accounts.services import passwords
from nexora.kernel import clock
from nexora.kernel.scope import tenant_scope, unscoped
from tests.contracts.test_budgets import statements
from tests.factories import PASSWORD, RefreshTokenFactory, TenantFactory, UserFactory
from tests.mailbox import deliver, link_to

RESET, CONFIRM, TOKEN = "/api/v1/auth/password-reset/", "/api/v1/auth/password-reset/confirm/", "/api/v1/auth/token/"
NEW = "correct-horse-battery"


@pytest.fixture
def acme_client(acme):
    return APIClient(HTTP_HOST="acme.localhost")


@pytest.fixture
def asked(acme_client, member):
    """`asked()`: the token of the link that member is mailed."""

    def ask(user=None):
        assert acme_client.post(RESET, {"email": (user or member).email}).status_code == 202
        (message,) = deliver()
        return link_to(message, "/password-reset/confirm")[1]

    return ask


def confirm(client, token, password=NEW):
    return client.post(CONFIRM, {"token": token, "password": password})


def assert_not_valid(answer):
    assert (answer.status_code, answer.json()["code"]) == (400, "reset_link_not_valid")


def fresh(user):
    with unscoped(reason="look"):
        return User.objects.get(pk=user.pk)


@pytest.mark.django_db
class TestAsking:
    def test_is_answered_alike_for_everybody_with_the_same_work(self, acme_client, acme, member, mallory, caplog):
        caplog.set_level(logging.INFO)
        suspended = UserFactory(tenant=acme, status="suspended")
        inactive = UserFactory(tenant=acme, status="inactive")
        seen = []
        acme_client.post(RESET, {"email": "the host is known from here on"})
        for email in (member.email, "nobody@acme.com", mallory.email, suspended.email, inactive.email):
            caplog.clear()
            with statements() as executed:
                answer = acme_client.post(RESET, {"email": email})
            logged = [record.getMessage() for record in caplog.records]
            seen.append((answer.status_code, answer.content, sorted(answer.headers.items()), executed, logged))
            assert set(Job.objects.latest("id").args) == {"user_id", "tenant_id"}
        for one in seen:
            assert one == seen[0]
        assert seen[0][:2] == (202, b"")
        assert [message.to for message in deliver()] == [[member.email]]

    def test_ignores_the_case_of_the_address(self, acme_client, member):
        acme_client.post(RESET, {"email": " USER@acme.com"})
        assert len(deliver()) == 1

    def test_mails_nobody_who_was_suspended_meanwhile(self, acme_client, member):
        acme_client.post(RESET, {"email": member.email})
        with tenant_scope(member.tenant_id):
            User.objects.filter(pk=member.pk).unpublished("test").update(status="suspended")
        assert deliver() == []

    def test_stores_nothing_but_the_persons_id(self, acme_client, member, asked, caplog):
        caplog.set_level(logging.DEBUG)
        token = asked()
        (job,) = Job.objects.filter(task_name="apps.accounts.jobs.send_password_reset")
        assert job.args == {"user_id": str(member.pk), "tenant_id": str(member.tenant_id)}
        assert token not in caplog.text

    def test_sends_a_mail_in_the_tenants_brand(self, acme_client, member):
        acme_client.post(RESET, {"email": member.email})
        (message,) = deliver()
        assert message.subject == "A new password for Acme Corp"
        assert "Acme Corp <" in message.message()["from"]
        assert link_to(message, "/password-reset/confirm")[0].startswith("http://acme.localhost/")
        assert "60 minutes" in message.body

    @pytest.mark.parametrize("body", [{}, {"email": ""}, {"email": None}, {"email": "a\x00b"}])
    def test_needs_an_address(self, acme_client, body):
        answer = acme_client.post(RESET, body)
        assert (answer.status_code, set(answer.json()["errors"])) == (400, {"email"})


@pytest.mark.django_db
class TestConfirming:
    def test_sets_the_password_and_ends_every_session(self, acme_client, member, asked, admin_client_for):
        RefreshTokenFactory(tenant=member.tenant, user=member)
        browser = admin_client_for(member)
        assert confirm(acme_client, asked()).status_code == 204
        assert acme_client.post(TOKEN, {"email": member.email, "password": PASSWORD}).status_code == 401
        with unscoped(reason="look"):
            assert not RefreshToken.objects.exists()
        assert browser.get("/admin/").status_code == 302
        assert acme_client.post(TOKEN, {"email": member.email, "password": NEW}).status_code == 200

    def test_shows_that_the_address_is_theirs(self, acme_client, acme, asked):
        person = UserFactory(tenant=acme, email_verified=False)
        confirm(acme_client, asked(person))
        assert fresh(person).email_verified is True

    def test_is_told_to_the_owner_and_the_trail(self, acme_client, member, acme, asked):
        token = asked()
        confirm(acme_client, token)
        (message,) = deliver()
        assert message.to == [member.email]
        assert message.subject == "Your password for Acme Corp was changed"
        assert NEW not in str(message.message())
        with tenant_scope(acme):
            (event,) = AuditEvent.objects.filter(resource="accounts.user", action="updated")
        assert event.changes["password"] == ["[redacted]", "[redacted]"]
        assert (event.actor_id, event.ip_address) == (member.pk, "127.0.0.1")

    def test_works_once(self, acme_client, asked):
        token = asked()
        assert confirm(acme_client, token).status_code == 204
        assert_not_valid(confirm(acme_client, token, "another-horse-battery"))

    def test_ends_the_other_links_too(self, acme_client, asked):
        first, second = asked(), asked()
        assert confirm(acme_client, first).status_code == 204
        assert_not_valid(confirm(acme_client, second))

    def test_works_for_an_hour(self, acme_client, asked):
        token = asked()
        with clock.frozen_at(clock.now() + timedelta(hours=1, seconds=1)):
            assert_not_valid(confirm(acme_client, token))
        with clock.frozen_at(clock.now() + timedelta(minutes=59)):
            assert confirm(acme_client, token).status_code == 204

    def test_is_over_once_the_person_has_signed_in(self, acme_client, member, asked):
        token = asked()
        with clock.frozen_at(clock.now() + timedelta(seconds=2)):
            acme_client.post(TOKEN, {"email": member.email, "password": PASSWORD})
        assert_not_valid(confirm(acme_client, token))

    @pytest.mark.parametrize("status", ["suspended", "inactive"])
    def test_is_refused_to_who_is_not_active(self, status, acme_client, member, asked):
        token = asked()
        with tenant_scope(member.tenant_id):
            User.objects.filter(pk=member.pk).unpublished("test").update(status=status)
        assert_not_valid(confirm(acme_client, token))

    def test_of_another_tenant_is_refused_on_this_host(self, acme_client, globex, asked):
        token = asked()
        assert_not_valid(confirm(APIClient(HTTP_HOST="globex.localhost"), token))
        assert confirm(acme_client, token).status_code == 204

    def test_every_bad_token_has_one_answer(self, acme_client, member, colleague, asked):
        token = asked()
        name, _, signature = token.partition(".")
        other = passwords.make_reset_token(colleague).partition(".")[0]
        bad = [
            f"{other}.{signature}",
            f"{name}.{signature[:-1]}x",
            name,
            f"{name}.",
            "x",
            ".",
            "é.é",
            f"!!!.{signature}",
        ]
        answers = [confirm(acme_client, text) for text in bad]
        for answer in answers:
            assert_not_valid(answer)
        assert len({answer.content for answer in answers}) == 1

    @pytest.mark.parametrize("password", ["short", "password123", "1234567890123", "user@acme.com"])
    def test_a_weak_password_is_refused_and_the_link_lives(self, password, acme_client, asked):
        token = asked()
        answer = confirm(acme_client, token, password)
        assert (answer.status_code, set(answer.json()["errors"])) == (400, {"password"})
        assert confirm(acme_client, token).status_code == 204

    def test_a_link_is_no_other_kind_of_token(self, acme_client, member):
        from django.contrib.auth.tokens import default_token_generator

        name = passwords.make_reset_token(member).partition(".")[0]
        assert_not_valid(confirm(acme_client, f"{name}.{default_token_generator.make_token(member)}"))


@pytest.mark.django_db(transaction=True)
def test_of_two_confirmations_at_once_one_wins():
    tenant = TenantFactory(subdomain="acme")
    member = UserFactory(tenant=tenant)
    with tenant_scope(tenant):
        token = passwords.make_reset_token(User.objects.get(pk=member.pk))
    gate, answers = threading.Barrier(4), {}

    def go(number):
        try:
            gate.wait()
            password = f"correct-horse-battery-{number}"
            answers[password] = confirm(APIClient(HTTP_HOST="acme.localhost"), token, password).status_code
        finally:
            connections.close_all()

    threads = [threading.Thread(target=go, args=[number]) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answers.values()) == [204, 400, 400, 400]
    (winner,) = [password for password, status in answers.items() if status == 204]
    assert fresh(member).check_password(winner)
    assert len(outbox.outbox) == 0, "a mail waits for the worker"
