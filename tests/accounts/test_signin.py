"""The way in tells nobody which addresses exist, and the trail who came and who did not."""

import re
import statistics
import time
from datetime import UTC, datetime

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from apps.accounts.models import AuditEvent
from apps.tenants import hosts
from nexora.kernel import clock
from nexora.kernel.scope import tenant_scope
from tests.conftest import host_of
from tests.factories import PASSWORD, UserFactory

NOON = datetime(2026, 11, 26, 12, tzinfo=UTC)
TOKEN = "/api/v1/auth/token/"
# A hash that Node's bcrypt made, of "from-node".
NODE = "$2b$10$lQBWmFYu2CbeHYxJQ.VTDeFMwMLbnrxGhq3sxqcpKGd3wh0MBW9dW"

pytestmark = pytest.mark.django_db


@pytest.fixture
def unlucky(acme):
    """{kind of account: an address that nobody gets in with}"""
    return {
        "known": UserFactory(tenant=acme).email,
        "unknown": "nobody@acme.com",
        "suspended": UserFactory(tenant=acme, status="suspended").email,
        "inactive": UserFactory(tenant=acme, status="inactive").email,
        "without a password": UserFactory(tenant=acme, password="!").email,
        "of Node": UserFactory(tenant=acme, password=NODE).email,
    }


def fail(client, email, password="wrong-password"):  # noqa: S107
    return client.post(TOKEN, {"email": email, "password": password})


def test_every_address_is_refused_in_the_same_words(unlucky, acme, client_for):
    client = client_for(None, tenant=acme)
    with clock.frozen_at(NOON):  # the headers say how long the minute still is
        answers = [fail(client, email) for email in unlucky.values()]
    assert {answer.status_code for answer in answers} == {401}
    assert len({answer.content for answer in answers}) == 1
    assert len({str(sorted(answer.headers.items())) for answer in answers}) == 1


def test_a_suspended_person_with_the_right_password_too(unlucky, acme, client_for):
    client = client_for(None, tenant=acme)
    assert fail(client, unlucky["suspended"], PASSWORD).content == fail(client, unlucky["unknown"], PASSWORD).content


def test_the_same_statements_are_sent_for_every_address(unlucky, acme, client_for, monkeypatch):
    monkeypatch.setattr(hosts, "LIFETIME_SECONDS", 3600)
    client = client_for(None, tenant=acme)
    fail(client, "first@acme.com")  # the host is known from here on
    sent = {}
    for kind, email in unlucky.items():
        with CaptureQueriesContext(connection) as found:
            fail(client, email)
        sent[kind] = [verb_and_table(query["sql"]) for query in found]
    for kind, statements in sent.items():
        assert statements == sent["known"], kind


def verb_and_table(sql):
    return sql.split()[0], re.findall(r'(?:FROM|INTO|UPDATE) "(\w+)"', sql)


def test_one_hash_of_each_kind_is_made_for_every_address(unlucky, acme, client_for, monkeypatch, real_password_hashers):
    from django.contrib.auth.hashers import Argon2PasswordHasher

    from apps.accounts.hashers import NodeBCryptPasswordHasher

    made, inside = [], []

    def counted(hasher, name):
        original = getattr(hasher, name)

        def call(self, *args, **kwargs):
            # Verifying bcrypt calls encode: one hash all the same.
            made.extend([] if inside else [hasher.__name__])
            inside.append(name)
            try:
                return original(self, *args, **kwargs)
            finally:
                inside.pop()

        return call

    for hasher in (Argon2PasswordHasher, NodeBCryptPasswordHasher):
        for name in ("encode", "verify"):
            monkeypatch.setattr(hasher, name, counted(hasher, name))
    client = client_for(None, tenant=acme)
    for kind, email in unlucky.items():
        made.clear()
        fail(client, email)
        assert sorted(made) == ["Argon2PasswordHasher", "NodeBCryptPasswordHasher"], kind


@pytest.mark.slow
def test_known_and_unknown_addresses_take_the_same_time(acme, client_for, real_password_hashers):
    client = client_for(None, tenant=acme)
    known = [UserFactory(tenant=acme, password=real_hash()).email for _ in range(4)]
    unknown = [f"nobody{n}@acme.com" for n in range(4)]
    taken = {"known": [], "unknown": []}
    fail(client, "warm@acme.com")
    for _ in range(4):
        for pair in zip(known, unknown, strict=True):
            for kind, email in zip(taken, pair, strict=True):
                started = time.thread_time()
                assert fail(client, email).status_code == 401
                taken[kind].append(time.thread_time() - started)
    medians = {kind: statistics.median(times) for kind, times in taken.items()}
    assert 0.8 < medians["known"] / medians["unknown"] < 1.25, medians


def real_hash():
    from django.contrib.auth.hashers import Argon2PasswordHasher

    hasher = Argon2PasswordHasher()
    return hasher.encode(PASSWORD, hasher.salt())


class TestTheTrail:
    def rows(self, acme):
        with tenant_scope(acme):
            return list(AuditEvent.objects.order_by("created_at"))

    def test_shows_who_came_in_and_by_which_door(self, member, acme, client_for, client):
        fields = {"email": member.email, "password": PASSWORD}
        client_for(None, tenant=acme).post(TOKEN, fields, REMOTE_ADDR="192.0.2.7")
        client.post(reverse("admin:login"), {"username": member.email, "password": PASSWORD}, HTTP_HOST=host_of(acme))
        api, browser = self.rows(acme)
        assert (api.action, api.actor_id, api.record_id, api.ip_address) == (
            "signed_in",
            member.pk,
            member.pk,
            "192.0.2.7",
        )
        assert (api.changes, browser.changes) == ({"by": [None, "API"]}, {"by": [None, "back office"]})

    def test_shows_who_did_not(self, member, acme, client_for):
        client = client_for(None, tenant=acme)
        fail(client, member.email)
        fail(client, "my-own-password")
        known, unknown = self.rows(acme)
        assert {row.action for row in (known, unknown)} == {"sign_in_failed"}
        assert (known.record_id, known.record_label, known.actor_id) == (member.pk, "Member", None)
        assert (unknown.record_id, unknown.record_label) == (None, "an unknown address")
        assert "my-own-password" not in str([vars(row) for row in (known, unknown)])

    def test_is_another_tenants_never(self, member, globex, acme, client_for):
        fail(client_for(None, tenant=globex), member.email)
        assert self.rows(acme) == []
        (row,) = self.rows(globex)
        assert (row.record_id, row.record_label) == (None, "an unknown address")

    def test_is_shown_in_the_back_office(self, member, admin, acme, client_for, admin_client_for):
        fail(client_for(None, tenant=acme), member.email)
        fail(client_for(None, tenant=acme), "nobody@acme.com")
        page = admin_client_for(admin).get(reverse("admin:accounts_auditevent_changelist"))
        assert "an unknown address" in page.content.decode()
