"""Keys of programs in the admin."""

import pytest
from django.contrib.sessions.models import Session
from django.urls import reverse

from apps.accounts.models import APIKey, AuditEvent
from nexora.kernel import clock
from nexora.kernel.scope import tenant_scope, unscoped
from tests.accounts.test_keys import ME, assert_useless, program
from tests.admin_pages import change, errors, said
from tests.factories import APIKeyFactory, UserFactory

pytestmark = pytest.mark.django_db

LIST, ADD = "/admin/accounts/apikey/", "/admin/accounts/apikey/add/"
NEW = {"name": "Warehouse", "scopes": ["crm.customer:read", "crm.deal:write"], "expires_at_0": "", "expires_at_1": ""}


def the_key():
    with unscoped(reason="look"):
        return APIKey.objects.get()


@pytest.mark.parametrize("role", ["user", "manager", "admin"])
def test_a_new_key_is_shown_once_on_a_page_that_nobody_keeps(role, cast, admin_client_for):
    client = admin_client_for(cast[role])
    page = client.post(ADD, NEW)
    assert page.status_code == 200
    text = page.context["text"]
    assert page.content.decode().count(text) == 1
    assert "no-store" in page.headers["Cache-Control"]
    key = the_key()
    assert (key.user_id, key.created_by_id, key.scopes) == (cast[role].pk, cast[role].pk, NEW["scopes"])
    assert program(text).get(ME).json()["scopes"] == NEW["scopes"]
    for address in (LIST, change(key), change(key, "history"), "/admin/"):
        content = client.get(address).content.decode()
        assert text not in content and key.token not in content
    kept = "".join(str(session.get_decoded()) for session in Session.objects.all()) + str(client.cookies)
    assert text[12:] not in kept


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"scopes": []}, "scopes"),
        ({"scopes": ["accounts.user:write"]}, "scopes"),
        ({"scopes": ["crm.unicorn:read"]}, "scopes"),
        ({"scopes": ["crm.deal:read", "crm.deal:read"]}, "scopes"),
        ({"name": ""}, "name"),
        ({"expires_at_0": "2020-01-01", "expires_at_1": "00:00"}, "expires_at"),
    ],
)
def test_what_is_wrong_is_refused_beside_its_field(admin, admin_client_for, values, field):
    answer = admin_client_for(admin).post(ADD, NEW | values)
    assert field in errors(answer)
    with unscoped(reason="look"):
        assert not APIKey.objects.exists()


def test_a_key_is_renamed_and_nothing_else(admin, member, admin_client_for):
    key = APIKeyFactory(user=member)
    sent = {"name": "Other", "scopes": ["*:write"], "expires_at_0": "2099-01-01", "user": admin.pk}
    assert admin_client_for(admin).post(change(key), sent).status_code == 302
    now = the_key()
    assert (now.name, now.scopes, now.expires_at, now.user_id) == ("Other", key.scopes, None, member.pk)


@pytest.mark.parametrize("who", ["member", "admin", "root"])
def test_revoking_stops_it_and_keeps_it_listed(who, member, acme, request, admin_client_for):
    key, client = APIKeyFactory(user=member), admin_client_for(request.getfixturevalue(who))
    shown = client.get(change(key)).content.decode()
    revoke = reverse("admin:accounts_apikey_revoke", args=[key.pk])
    assert revoke in shown and change(key, "delete") not in shown
    assert client.get(revoke).headers["Location"] == change(key, "delete")
    assert f"Revoke {key}?" in client.get(change(key, "delete")).content.decode()
    assert program(key.text).get(ME).status_code == 200
    answer = client.post(change(key, "delete"), {"post": "yes"})
    assert answer.headers["Location"] == LIST
    assert "has stopped working" in said(answer)
    assert_useless(key.text)
    listed = client.get(LIST).content.decode()
    assert key.name in listed and "Revoked" in listed
    assert revoke not in client.get(change(key)).content.decode()
    with tenant_scope(acme):
        assert AuditEvent.objects.get(resource="accounts.apikey").changes.keys() == {"revoked_at"}


def test_several_are_revoked_at_once(admin, member, admin_client_for):
    keys = [APIKeyFactory(user=member) for _ in range(3)]
    sent = {"action": "revoke_selected", "_selected_action": [key.pk for key in keys[:2]]}
    assert "2 API keys are revoked" in said(admin_client_for(admin).post(LIST, sent))
    assert [program(key.text).get(ME).status_code for key in keys] == [401, 401, 200]


def test_nobody_revokes_what_they_do_not_see(member, colleague, admin_client_for):
    key, client = APIKeyFactory(user=colleague), admin_client_for(member)
    client.post(change(key, "delete"), {"post": "yes"})
    client.post(LIST, {"action": "revoke_selected", "_selected_action": [key.pk]})
    assert key.name not in client.get(LIST).content.decode()
    assert program(key.text).get(ME).status_code == 200


def test_nobody_touches_a_key_of_somebody_above(root, platform, admin_client_for):
    key = APIKeyFactory(user=root, name="Of root")
    client = admin_client_for(UserFactory(tenant=platform, role="admin"))
    assert client.post(change(key, "delete"), {"post": "yes"}).status_code == 403
    assert client.post(change(key), {"name": "Another"}).status_code == 403
    client.post(LIST, {"action": "revoke_selected", "_selected_action": [key.pk]})
    with tenant_scope(platform):
        kept = APIKey.objects.get()
    assert (kept.name, kept.revoked_at) == ("Of root", None)


def test_a_list_is_narrowed_by_status_and_person(admin, member, admin_client_for):
    now = clock.now()
    keys = {
        "active": APIKeyFactory(user=member),
        "expired": APIKeyFactory(user=admin, expires_at=now),
        "revoked": APIKeyFactory(user=admin, revoked_at=now, expires_at=now),
    }
    client = admin_client_for(admin)
    for status, key in keys.items():
        assert [found.pk for found in client.get(LIST, {"status": status}).context["cl"].result_list] == [key.pk]
        assert key.status == status
    (link,) = [part for part in client.get(change(member)).content.decode().split('"') if part.startswith(f"{LIST}?")]
    assert [found.pk for found in client.get(link).context["cl"].result_list] == [keys["active"].pk]


def test_a_key_is_offered_what_its_maker_may_do(admin, member, admin_client_for):
    def offered(person):
        page = admin_client_for(person).get("/admin/accounts/apikey/add/")
        return {scope for scope, _ in page.context["adminform"].form.fields["scopes"].choices}

    assert {"*:read", "*:write", "crm.customer:write", "accounts.auditevent:read"} <= offered(admin)
    assert "crm.customer:write" in offered(member)
    assert "accounts.auditevent:read" not in offered(member)
    assert "analytics.aiprediction:write" not in offered(admin)
