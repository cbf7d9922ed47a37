"""Keys of programs: made, kept and changed. What they reach is in tests/contracts/test_scopes.py."""

import logging
from datetime import timedelta

import pytest
from django.db import connection
from django.db.utils import ProgrammingError
from rest_framework.test import APIClient

from apps.accounts.models import APIKey, IdempotencyKey, User
from nexora.kernel import clock
from nexora.kernel.scope import tenant_scope, unscoped
from tests.factories import APIKeyFactory

pytestmark = pytest.mark.django_db

KEYS, CUSTOMERS, ME = "/api/v1/api-keys/", "/api/v1/customers/", "/api/v1/auth/me/"
READS = {"name": "Nightly export", "scopes": ["crm.customer:read"]}


def program(text, host="acme.localhost"):
    """The client of a program that has this key."""
    client = APIClient(HTTP_HOST=host)
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {text}")
    return client


def assert_problem(answer, status, code):
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.content


def assert_useless(text, **where):
    answer = program(text, **where).get(ME)
    assert_problem(answer, 401, "key_not_valid")
    assert answer.headers["WWW-Authenticate"] == 'Bearer realm="api"'
    return answer.content


@pytest.fixture
def make(client_for):
    """`make(user)`: the answer to the creation of a key."""
    return lambda user, /, **values: client_for(user).post(KEYS, READS | values)


@pytest.fixture
def stored():
    def get(key_id):
        with unscoped(reason="look"):
            return APIKey.objects.get(pk=key_id)

    return get


class TestMaking:
    @pytest.mark.parametrize("role", ["user", "manager", "admin"])
    def test_a_key_is_ones_own_and_works(self, role, cast, make):
        answer = make(cast[role])
        assert answer.status_code == 201, answer.content
        assert answer.json()["user"] == answer.json()["created_by"] == str(cast[role].pk)
        assert answer.json()["prefix"] == answer.json()["key"][:12]
        assert program(answer.json()["key"]).get(CUSTOMERS).status_code == 200

    def test_guests_have_none(self, guest, make):
        assert_problem(make(guest), 403, "permission_denied")

    def test_its_text_is_long_random_and_marked_for_scanners(self, admin, make):
        texts = {make(admin).json()["key"] for _ in range(3)}
        assert len(texts) == 3
        assert all(text.startswith("nxk_") and len(text) == 4 + 43 for text in texts)

    def test_its_text_is_shown_once(self, admin, make, client_for):
        made = make(admin)
        text, address = made.json()["key"], made.headers["Location"]
        assert made.headers["Cache-Control"] == "no-store"
        assert "ETag" not in made.headers
        client = client_for(admin)
        for answer in (client.get(address), client.get(KEYS), client.patch(address, {"name": "Other"})):
            assert answer.status_code == 200
            assert text not in answer.content.decode() and '"key"' not in answer.content.decode()
        assert_problem(client.get(KEYS, {"fields": "key"}), 400, "invalid")

    def test_its_text_is_stored_logged_and_repeated_nowhere(self, admin, make, acme, caplog, stored):
        with caplog.at_level(logging.DEBUG):
            made = make(admin).json()
            program(made["key"]).post(CUSTOMERS, {"name": "Ada"})
            program(made["key"]).get(CUSTOMERS)
        key = stored(made["id"])
        assert key.token == APIKey.digest(made["key"])
        secrets = (made["key"], made["key"][12:], key.token)
        with unscoped(reason="look"), connection.cursor() as cursor:
            cursor.execute("SELECT row_to_json(api_keys)::text FROM api_keys")
            row = cursor.fetchone()[0]
            cursor.execute("SELECT row_to_json(audit_events)::text FROM audit_events")
            trail = "".join(text for (text,) in cursor.fetchall())
        assert made["key"][12:] not in row
        assert "[redacted]" in trail
        for text in (trail, caplog.text, repr(key), str(key)):
            assert not any(secret in text for secret in secrets)

    def test_an_answer_that_holds_a_key_is_not_kept_to_be_repeated(self, admin, client_for, acme):
        answer = client_for(admin).post(KEYS, READS, headers={"Idempotency-Key": "a"})
        assert_problem(answer, 400, "invalid")
        assert answer.json()["errors"].keys() == {"Idempotency-Key"}
        with tenant_scope(acme):
            assert APIKey.objects.count() == IdempotencyKey.objects.count() == 0

    @pytest.mark.parametrize(
        ("values", "field", "said"),
        [
            ({"scopes": []}, "scopes", "empty"),
            ({"scopes": ["crm.unicorn:read"]}, "scopes", "'crm.unicorn:read' is no scope"),
            ({"scopes": ["crm.customer:fly"]}, "scopes", "'crm.customer:fly' is no scope"),
            ({"scopes": ["crm.customer"]}, "scopes", "'crm.customer' is no scope"),
            ({"scopes": ["crm.customer:read"] * 2}, "scopes", "'crm.customer:read' is named twice"),
            ({"scopes": ["accounts.user:write"]}, "scopes", "no key writes accounts.user"),
            ({"scopes": ["accounts.apikey:write"]}, "scopes", "no key writes accounts.apikey"),
            ({"scopes": ["accounts.refreshtoken:write"]}, "scopes", "no key writes accounts.refreshtoken"),
            ({"scopes": ["tenants.tenant:write"]}, "scopes", "no key writes tenants.tenant"),
            ({"scopes": "crm.customer:read"}, "scopes", "list"),
            ({"name": ""}, "name", "blank"),
            ({"expires_at": "2020-01-01T00:00:00Z"}, "expires_at", "past"),
            ({"user": "00000000-0000-4000-8000-000000000001"}, "user", "Read-only"),
            ({"token": "0" * 64}, "token", "Unknown field"),
        ],
    )
    def test_what_is_wrong_is_refused_by_name(self, admin, make, values, field, said):
        answer = make(admin, **values)
        assert_problem(answer, 400, "invalid")
        errors = answer.json()["errors"]
        assert any(name.split(".")[0] == field and said in str(errors[name]) for name in errors), errors

    @pytest.mark.parametrize("change", [{"status": "suspended"}, {"role": "user"}])
    def test_a_token_that_outlived_its_rights_makes_none(self, manager, client_for, acme, change):
        held = client_for(manager)
        with tenant_scope(acme):
            User.objects.filter(pk=manager.pk).unpublished("behind the service's back").update(**change)
        assert_problem(held.post(KEYS, READS), 401, "account_closed")

    def test_nor_does_one_whose_session_was_ended(self, manager, client_for, acme):
        held = client_for(manager)
        with tenant_scope(acme):
            person = User.objects.get(pk=manager.pk)
            person.set_password("another-password-now")
            person.save()
        assert_problem(held.post(KEYS, READS), 401, "account_closed")


class TestChanging:
    def test_a_name_is_all_that_changes(self, admin, make, client_for):
        address = make(admin).headers["Location"]
        client = client_for(admin)
        assert client.patch(address, {"name": "Weekly"}).json()["name"] == "Weekly"
        for values in ({"scopes": ["*:write"]}, {"expires_at": None}, {"expires_at": "2099-01-01T00:00:00Z"}):
            answer = client.patch(address, values)
            assert answer.status_code in (200, 400)
        now = client.get(address).json()
        assert (now["scopes"], now["expires_at"]) == (["crm.customer:read"], None)

    @pytest.mark.parametrize("column", ["scopes", "expires_at", "user_id", "token"])
    def test_the_database_widens_no_key(self, acme, column):
        key = APIKeyFactory(tenant=acme)
        with tenant_scope(acme), pytest.raises(ProgrammingError, match="permission denied"):
            APIKey.objects.filter(pk=key.pk).unpublished("test").update(**{column: None})

    def test_an_admin_sees_and_revokes_everybodys(self, admin, member, acme, client_for):
        key = APIKeyFactory(user=member)
        client = client_for(admin)
        assert [row["id"] for row in client.get(KEYS).json()["results"]] == [str(key.pk)]
        assert client.delete(f"{KEYS}{key.pk}/").status_code == 204
        assert_useless(key.text)

    def test_others_see_their_own(self, member, colleague, client_for):
        APIKeyFactory(user=colleague)
        mine = APIKeyFactory(user=member)
        assert [row["id"] for row in client_for(member).get(KEYS).json()["results"]] == [str(mine.pk)]

    def test_filters(self, admin, member, client_for, acme):
        soon = clock.now() + timedelta(days=1)
        revoked = APIKeyFactory(user=member, revoked_at=clock.now(), last_used_at=clock.now())
        ending = APIKeyFactory(user=admin, expires_at=soon)
        client = client_for(admin)
        for query, key in (
            ({"revoked": "true"}, revoked),
            ({"revoked": "false"}, ending),
            ({"user": str(member.pk)}, revoked),
            ({"prefix": ending.prefix}, ending),
            ({"expires_at__lte": (soon + timedelta(days=1)).isoformat()}, ending),
            ({"last_used_at__isnull": "false"}, revoked),
        ):
            assert [row["id"] for row in client.get(KEYS, query).json()["results"]] == [str(key.pk)], query
