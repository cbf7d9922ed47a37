"""Browsers' sessions are rows like those of the API: seen, and ended, in one list."""

from datetime import timedelta

import pytest
from django.test import Client

from apps.accounts.models import AuditEvent, RefreshToken, User
from apps.accounts.services import sessions
from apps.accounts.services.devices import device_of
from nexora.kernel import clock
from nexora.kernel.scope import tenant_scope
from tests.admin_pages import said
from tests.factories import PASSWORD

pytestmark = pytest.mark.django_db

SIGN_IN, OVERVIEW = "/admin/login/", "/admin/"
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:133.0) Gecko/20100101 Firefox/133.0"


@pytest.fixture
def browser_of():
    """`browser_of(user)`: a browser that signed in by the form, with the password."""

    def make(user, user_agent=FIREFOX):
        host = "acme.localhost" if user.role != "super_admin" else "localhost"
        client = Client(HTTP_HOST=host, HTTP_USER_AGENT=user_agent, REMOTE_ADDR="192.0.2.7")
        assert client.post(SIGN_IN, {"username": user.email, "password": PASSWORD}).status_code == 302
        return client

    return make


def rows(user):
    with tenant_scope(user.tenant_id):
        return list(RefreshToken.objects.filter(user=user).order_by("created_at"))


def is_in(client):
    answer = client.get(OVERVIEW)
    assert answer.status_code == 200 or answer.headers["Location"].startswith(SIGN_IN)
    return answer.status_code == 200


def change_person(user, **values):
    with tenant_scope(user.tenant_id):
        person = User.objects.get(pk=user.pk)
        for name, value in values.items():
            setattr(person, name, value)
        person.save()


def test_a_sign_in_opens_one_that_says_where(member, browser_of):
    client = browser_of(member)
    (row,) = rows(member)
    assert (row.kind, row.device, row.user_agent, row.ip_address) == (
        "browser",
        "Firefox on Linux",
        FIREFOX,
        "192.0.2.7",
    )
    assert client.session["session_id"] == str(row.pk)
    assert abs(row.last_used_at - clock.now()) < timedelta(seconds=30)
    assert timedelta(days=13) < row.expires_at - clock.now() <= timedelta(days=14)
    assert is_in(client)


def test_of_two_browsers_the_one_that_is_ended_is_out_at_its_next_click(member, browser_of, client_for):
    here, there = browser_of(member), browser_of(member)
    api = client_for(member)
    assert api.delete(f"/api/v1/sessions/{there.session['session_id']}/").status_code == 204
    assert is_in(here)
    answer = there.get("/admin/crm/customer/")
    assert answer.headers["Location"] == f"{SIGN_IN}?next=/admin/crm/customer/"
    assert said(answer) == "This session has ended. Sign in again."
    assert not is_in(there)
    assert is_in(here)


def test_signing_out_removes_the_row(member, root, acme, browser_of):
    client = browser_of(member)
    client.post("/admin/logout/")
    assert rows(member) == []
    client = browser_of(root)
    client.post(f"/admin/tenants/tenant/{acme.pk}/enter/", {"reason": "A ticket about imports"})
    client.post("/admin/logout/")
    assert rows(root) == []


def test_signing_in_again_replaces_the_row(member, colleague, browser_of):
    client = browser_of(member)
    for person in (member, colleague):
        client.post(SIGN_IN, {"username": person.email, "password": PASSWORD})
    assert (len(rows(member)), len(rows(colleague))) == (0, 1)
    assert is_in(client)


def test_a_browser_without_a_row_is_out(member, admin_client_for):
    """As those are that signed in before there were rows."""
    client = admin_client_for(member)
    session = client.session
    del session["session_id"]
    session.save()
    assert not is_in(client)


def test_a_row_of_somebody_else_or_of_the_api_is_none(member, colleague, admin_client_for):
    theirs = admin_client_for(colleague).session["session_id"]
    with tenant_scope(member.tenant_id):
        sessions.open_session(user=member)
    (of_api,) = rows(member)
    for other in (theirs, str(of_api.pk), "nonsense"):
        client = admin_client_for(member)
        session = client.session
        session["session_id"] = other
        session.save()
        assert not is_in(client)


def test_it_ends_a_fixed_time_after_the_sign_in_however_much_it_is_used(member, browser_of):
    client = browser_of(member)
    start = clock.now()
    for days, expected in ((7, True), (13, True), (15, False)):
        with clock.frozen_at(start + timedelta(days=days)):
            # Django's own session would have ended as well.
            assert is_in(client) == expected


def test_its_use_is_noted_once_a_minute(member, browser_of, django_assert_num_queries):
    client = browser_of(member)
    opened = rows(member)[0].last_used_at
    for seconds, noted in ((30, False), (70, True), (100, False)):
        with clock.frozen_at(opened + timedelta(seconds=seconds)):
            client.get(OVERVIEW, headers={"user-agent": "curl/8"}, REMOTE_ADDR="192.0.2.8")
            assert (rows(member)[0].last_used_at == clock.now()) == noted
    (row,) = rows(member)
    assert (row.ip_address, row.user_agent, row.device) == ("192.0.2.8", "curl/8", "Firefox on Linux")


def test_a_super_admin_inside_a_tenant_keeps_the_session(root, acme, browser_of):
    client = browser_of(root)
    client.post(f"/admin/tenants/tenant/{acme.pk}/enter/", {"reason": "A ticket about imports"})
    assert is_in(client)
    with tenant_scope(root.tenant_id):
        RefreshToken.objects.get().delete()
    assert not is_in(client)


@pytest.mark.parametrize(
    "change", [{"status": "suspended"}, {"status": "inactive"}, {"role": "guest"}, {"role": "manager"}]
)
def test_whoever_is_suspended_demoted_or_deactivated_is_out_of_both_doors(member, browser_of, change):
    client = browser_of(member)
    with tenant_scope(member.tenant_id):
        refresh = sessions.open_session(user=member)["refresh"]
    change_person(member, **change)
    assert rows(member) == []
    assert not is_in(client)
    answer = client.post("/api/v1/auth/token/refresh/", {"refresh": refresh}, content_type="application/json")
    assert (answer.status_code, answer.json()["code"]) == (401, "session_ended")


def test_so_is_whoever_is_deleted(member, browser_of):
    client = browser_of(member)
    with tenant_scope(member.tenant_id):
        refresh = sessions.open_session(user=member)["refresh"]
        User.objects.get(pk=member.pk).delete()
    assert not is_in(client)
    answer = client.post("/api/v1/auth/token/refresh/", {"refresh": refresh}, content_type="application/json")
    assert answer.json()["code"] == "session_ended"


def test_a_new_name_ends_nothing(member, browser_of):
    client = browser_of(member)
    change_person(member, name="Renamed")
    assert is_in(client)


def test_whoever_changes_their_password_in_a_browser_stays_in_there_only(member, browser_of):
    here, there = browser_of(member), browser_of(member)
    with tenant_scope(member.tenant_id):
        sessions.open_session(user=member)
    new = {"old_password": PASSWORD, "new_password1": "correct-horse-9", "new_password2": "correct-horse-9"}
    assert here.post("/admin/password_change/", new).status_code == 302
    assert [str(row.pk) for row in rows(member)] == [here.session["session_id"]]
    assert is_in(here)
    assert not is_in(there)


def test_an_open_browser_does_not_let_guess_the_password(member, browser_of):
    client = browser_of(member)
    new = {"old_password": "guess", "new_password1": "correct-horse-9", "new_password2": "correct-horse-9"}
    for _ in range(5):
        answer = client.post("/admin/password_change/", new)
        assert "incorrectly" in str(answer.context["form"].errors["old_password"])
    answer = client.post("/admin/password_change/", new | {"old_password": PASSWORD})
    assert "too many attempts" in str(answer.context["form"].errors["old_password"])
    with tenant_scope(member.tenant_id):
        assert AuditEvent.objects.filter(action="password_refused", record_id=member.pk).count() == 5


@pytest.mark.parametrize(
    ("user_agent", "words"),
    [
        (FIREFOX, "Firefox on Linux"),
        (
            "Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
            "Version/17.0 Mobile/15E148 Safari/604.1",
            "Mobile Safari on iOS",
        ),
        ("curl/8.5.0", "curl"),
        ("python-requests/2.31", "Python Requests"),
        ("python-httpx/0.27", "python-httpx"),
        ("<script>alert(1)</script>", None),
        ("Mozilla/5.0", "Browser"),
        ("", None),
        (None, None),
    ],
)
def test_a_device_in_words(user_agent, words):
    assert device_of(user_agent) == words


def test_a_device_is_never_long():
    assert len(device_of("x" * 5000) or "") <= 100
