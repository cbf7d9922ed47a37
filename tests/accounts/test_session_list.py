"""Sessions in the API: one's own, to an admin everybody's; and the password, which is changed in one of them."""

from datetime import timedelta
from uuid import uuid4

import pytest
from rest_framework.test import APIClient

from apps.accounts.models import AuditEvent, RefreshToken, User
from nexora.kernel import clock
from nexora.kernel.scope import tenant_scope, unscoped
from tests.factories import PASSWORD, RefreshTokenFactory, UserFactory

pytestmark = pytest.mark.django_db

SESSIONS, ME, CHANGE = "/api/v1/sessions/", "/api/v1/auth/me/", "/api/v1/auth/password/"
TOKEN, REFRESH, LOGOUT_ALL = "/api/v1/auth/token/", "/api/v1/auth/token/refresh/", "/api/v1/auth/token/logout-all/"
STRONG = "correct-horse-battery"


@pytest.fixture
def signed_in():
    """`signed_in(user)`: an API client with the access token of a new session, which is `.session`."""

    def make(user, host="acme.localhost", **extra):
        client = APIClient(HTTP_HOST=host, HTTP_USER_AGENT="curl/8.5.0", **extra)
        answer = client.post(TOKEN, {"email": user.email, "password": PASSWORD})
        client.refresh = answer.json()["refresh"]
        client.credentials(HTTP_AUTHORIZATION=f"Bearer {answer.json()['access']}")
        client.session_id = client.get(ME).json()["session"]
        return client

    return make


def ids(answer):
    assert answer.status_code == 200, answer.content
    return {row["id"] for row in answer.json()["results"]}


def trail(tenant_id, **filters):
    with tenant_scope(tenant_id):
        return list(AuditEvent.objects.filter(**filters).order_by("created_at"))


def refresh(client):
    return APIClient(HTTP_HOST="acme.localhost").post(REFRESH, {"refresh": client.refresh}).status_code


def test_a_session_says_where_it_is_and_shows_no_token(member, signed_in):
    client = signed_in(member, REMOTE_ADDR="192.0.2.7")
    (row,) = client.get(SESSIONS).json()["results"]
    assert row.keys() == {
        "id", "user", "kind", "device", "user_agent", "ip_address", "created_at", "last_used_at", "expires_at",
    }  # fmt: skip
    assert (row["id"], row["user"], row["kind"]) == (client.session_id, str(member.pk), "api")
    assert (row["device"], row["user_agent"], row["ip_address"]) == ("curl", "curl/8.5.0", "192.0.2.7")
    assert row == client.get(f"{SESSIONS}{row['id']}/").json()


def test_each_refresh_is_a_use(member, signed_in):
    client = signed_in(member)
    later = clock.now() + timedelta(hours=1)
    elsewhere = APIClient(HTTP_HOST="acme.localhost", HTTP_USER_AGENT="Wget/1.2", REMOTE_ADDR="192.0.2.9")
    with clock.frozen_at(later):
        assert elsewhere.post(REFRESH, {"refresh": client.refresh}).status_code == 200
    with tenant_scope(member.tenant_id):
        row = RefreshToken.objects.get()
    assert (row.last_used_at, row.ip_address, row.user_agent) == (later, "192.0.2.9", "Wget/1.2")
    assert row.device == "curl", "as it was at the sign-in"


def test_people_see_their_own_and_admins_everybodys(cast, colleague, mallory, client_for):
    people = [cast[role] for role in ("guest", "user", "manager", "admin")] + [colleague]
    clients = {person.pk: client_for(person) for person in people}
    rows = {key: client.session_id for key, client in clients.items()}
    foreign = str(RefreshTokenFactory(user=mallory).pk)
    for person in people:
        seen = ids(clients[person.pk].get(SESSIONS))
        assert seen == (set(rows.values()) if person.role == "admin" else {rows[person.pk]})
        assert clients[person.pk].get(f"{SESSIONS}{foreign}/").status_code == 404
    of_colleague = clients[cast["admin"].pk].get(SESSIONS, {"user": str(colleague.pk)})
    assert ids(of_colleague) == {rows[colleague.pk]}
    assert ids(clients[cast["user"].pk].get(SESSIONS, {"user": str(colleague.pk)})) == set()


def test_filters(admin, member, client_for):
    now = clock.now()
    old = RefreshTokenFactory(
        user=member, last_used_at=now - timedelta(days=9), expires_at=now + timedelta(days=1), kind="browser"
    )
    new = RefreshTokenFactory(user=member, last_used_at=now)
    client = client_for(admin)
    day = (now - timedelta(days=2)).isoformat()
    for query, found in (
        ({"kind": "browser"}, old),
        ({"kind": "api"}, new),
        ({"last_used_at__lt": day}, old),
        ({"last_used_at__gte": day}, new),
        ({"expires_at__lt": (now + timedelta(days=2)).isoformat()}, old),
        ({"created_at__gte": day, "kind": "api"}, new),
    ):
        assert ids(client.get(SESSIONS, query | {"user": str(member.pk)})) == {str(found.pk)}, query


def test_ending_one_stops_its_refresh_at_once_and_the_others_live(member, signed_in):
    here, there = signed_in(member), signed_in(member)
    assert here.delete(f"{SESSIONS}{there.session_id}/").status_code == 204
    assert refresh(there) == 401
    assert refresh(here) == 200
    (event,) = trail(member.tenant_id, resource="accounts.refreshtoken")
    assert (event.action, event.actor_id, event.record_label) == ("ended", member.pk, "curl session of Member")
    assert event.changes["user"] == [str(member.pk), None]
    assert "token" not in event.changes


def test_an_admin_ends_anybodys_and_nobody_else_does(admin, member, colleague, client_for):
    row = RefreshTokenFactory(user=colleague)
    assert client_for(member).delete(f"{SESSIONS}{row.pk}/").status_code == 404
    assert client_for(admin).delete(f"{SESSIONS}{row.pk}/").status_code == 204
    assert trail(admin.tenant_id, action="ended")[0].actor_id == admin.pk


def test_an_unknown_id_and_another_tenants_are_one_answer(admin, mallory, client_for):
    client, row = client_for(admin), RefreshTokenFactory(user=mallory)
    for method in (client.get, client.delete):
        theirs, nobodys = method(f"{SESSIONS}{row.pk}/"), method(f"{SESSIONS}{uuid4()}/")
        assert theirs.status_code == nobodys.status_code == 404
        assert theirs.json()["detail"] == nobodys.json()["detail"]
    with unscoped(reason="look"):
        assert RefreshToken.objects.filter(pk=row.pk).exists()


def test_sessions_are_opened_by_signing_in_and_changed_by_nobody(admin, client_for):
    client, row = client_for(admin), RefreshTokenFactory(user=admin)
    assert client.post(SESSIONS, {}).status_code == 405
    assert client.patch(f"{SESSIONS}{row.pk}/", {"user": str(admin.pk)}).status_code == 405


def test_a_super_admin_sees_and_ends_those_of_all_organisations(root, member, mallory, client_for):
    rows = [RefreshTokenFactory(user=person) for person in (member, mallory)]
    client = client_for(root)
    assert {str(row.pk) for row in rows} <= ids(client.get(SESSIONS))
    assert client.delete(f"{SESSIONS}{rows[0].pk}/").status_code == 204
    (event,) = trail(member.tenant_id, action="ended")
    assert event.actor_label == "Root"


def test_nobody_ends_a_session_of_somebody_above_them(platform, root, admin_client_for):
    below = UserFactory(tenant=platform, role="admin")
    row = RefreshTokenFactory(user=root)
    client = admin_client_for(below)
    page = "/admin/accounts/refreshtoken/"
    client.post(f"{page}{row.pk}/delete/", {"post": "yes"})
    client.post(page, {"action": "sign_out", "_selected_action": str(row.pk)})
    client.post(f"/admin/accounts/user/{root.pk}/sign-out/", {"post": "yes"})
    with tenant_scope(platform):
        assert RefreshToken.objects.filter(pk=row.pk).exists()


def test_signing_out_everywhere_takes_browsers_along(member, signed_in, admin_client_for):
    client, browser = signed_in(member), admin_client_for(member)
    assert client.post(LOGOUT_ALL).json() == {"ended": 2}
    assert browser.get("/admin/").status_code == 302
    assert refresh(client) == 401
    assert trail(member.tenant_id, action="sessions_ended")[0].changes == {"sessions": [2, 0]}


# -- The password


class TestOnesOwnPassword:
    @pytest.fixture(params=["auth", "users"])
    def change(self, request, member):
        """`change(client, old, new)`, by each of the two addresses."""

        def ask(client, old, new=STRONG):
            if request.param == "auth":
                return client.post(CHANGE, {"current_password": old, "new_password": new})
            return client.patch(f"/api/v1/users/{member.pk}/", {"current_password": old, "password": new})

        return ask

    def test_ends_the_other_sessions_and_keeps_this_one(self, change, member, signed_in, admin_client_for):
        here, there, browser = signed_in(member), signed_in(member), admin_client_for(member)
        assert change(here, PASSWORD).status_code in (200, 204)
        assert (refresh(here), refresh(there)) == (200, 401)
        assert browser.get("/admin/").status_code == 302
        with tenant_scope(member.tenant_id):
            assert User.objects.get(pk=member.pk).check_password(STRONG)

    @pytest.mark.usefixtures("real_password_hashers")
    @pytest.mark.parametrize("present", [1, True, ["x"], {"x": 1}, None])
    def test_is_no_number_and_no_list(self, change, member, client_for, present):
        answer = change(client_for(member), present)
        assert (answer.status_code, answer.json()["errors"].keys()) == (400, {"current_password"})

    def test_cannot_be_guessed_with_a_stolen_access_token(self, change, member, client_for):
        client = client_for(member)
        for _ in range(5):
            answer = change(client, "guess")
            assert (answer.status_code, answer.json()["errors"].keys()) == (400, {"current_password"})
        answer = change(client, PASSWORD)
        assert (answer.status_code, answer.json()["code"]) == (429, "too_many_attempts")
        assert int(answer.headers["Retry-After"]) >= 1
        # It is one count with that of the sign-in.
        signed = APIClient(HTTP_HOST="acme.localhost").post(TOKEN, {"email": member.email, "password": PASSWORD})
        assert signed.status_code == 429
        assert len(trail(member.tenant_id, action="password_refused")) == 5

    def test_a_right_one_is_forgiven(self, change, member, client_for):
        client = client_for(member)
        for _ in range(4):
            change(client, "guess")
        assert change(client, PASSWORD).status_code in (200, 204)
        assert change(client, "guess").status_code == 400

    @pytest.mark.parametrize("weak", ["short", "password123", "1234567890123", "user@acme.com"])
    def test_must_be_a_strong_one(self, change, member, client_for, weak):
        assert change(client_for(member), PASSWORD, weak).status_code == 400
        with tenant_scope(member.tenant_id):
            assert User.objects.get(pk=member.pk).check_password(PASSWORD)

    def test_is_in_the_trail_without_a_word_of_it(self, change, member, client_for):
        change(client_for(member), PASSWORD)
        (event,) = trail(member.tenant_id, action="updated")
        assert event.changes == {"password": ["[redacted]", "[redacted]"]}

    def test_of_a_closed_account_is_changed_by_nobody(self, change, member, client_for):
        client = client_for(member)
        with tenant_scope(member.tenant_id):
            User.objects.filter(pk=member.pk).unpublished("test").update(status="suspended")
        answer = change(client, PASSWORD)
        assert (answer.status_code, answer.json()["code"]) == (401, "account_closed")


def test_somebody_elses_new_password_ends_all_their_sessions(admin, member, signed_in):
    theirs, client = signed_in(member), signed_in(admin)
    assert client.patch(f"/api/v1/users/{member.pk}/", {"password": STRONG}).status_code == 200
    assert (refresh(theirs), refresh(client)) == (401, 200)


def test_ones_own_role_ends_even_this_session(admin, acme, signed_in):
    UserFactory(tenant=acme, role="admin")
    client = signed_in(admin)
    body = {"role": "manager", "password": STRONG, "current_password": PASSWORD}
    assert client.patch(f"/api/v1/users/{admin.pk}/", body).status_code == 200
    assert refresh(client) == 401
