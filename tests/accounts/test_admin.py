"""Accounts and sessions in the admin."""

import pytest
from django.contrib.messages import get_messages
from django.test import Client
from django.urls import reverse

from apps.accounts.models import RefreshToken, User
from nexora.kernel.permissions import ROLES, rank
from nexora.kernel.scope import tenant_scope, unscoped
from tests.admin_pages import said
from tests.factories import RefreshTokenFactory, UserFactory

USERS = "/admin/accounts/user/"
STRONG = "correct horse battery"


def address(user, kind="change"):
    return reverse(f"admin:accounts_user_{kind}", args=[user.pk])


def body(user, **values):
    names = ("name", "email", "role", "status")
    return {
        **{name: getattr(user, name) for name in names},
        "email_verified": "on",
        "avatar": user.avatar or "",
        **values,
    }


def errors(answer):
    return answer.context["adminform"].form.errors


def fresh(user):
    with unscoped(reason="look"):
        return User.objects.get(pk=user.pk)


@pytest.mark.parametrize("role", [role for role in ROLES if role != "super_admin"])
def test_an_admin_adds_people_who_can_then_sign_in(role, admin, acme, admin_client_for):
    new = {"name": "New", "email": " New@Acme.com ", "role": role, "status": "active"}
    answer = admin_client_for(admin).post(f"{USERS}add/", {**new, "password1": STRONG, "password2": STRONG})
    assert answer.status_code == 302
    with tenant_scope(acme):
        user = User.objects.get(email="new@acme.com")
    assert user.check_password(STRONG)
    signed_in = Client(HTTP_HOST="acme.localhost").post(
        "/admin/login/", {"username": "new@acme.com", "password": STRONG}
    )
    assert (signed_in.status_code == 302) == (role != "guest")


@pytest.mark.parametrize(
    ("first", "second", "at"),
    [(STRONG, "another one", "password2"), ("12345", "12345", "password1"), ("", "", "password1")],
)
def test_a_bad_password_is_refused_beside_its_field(admin, admin_client_for, first, second, at):
    new = {"name": "New", "email": "new@acme.com", "role": "user", "status": "active"}
    answer = admin_client_for(admin).post(f"{USERS}add/", {**new, "password1": first, "password2": second})
    assert answer.status_code == 200
    assert at in errors(answer)


def test_nobody_is_offered_or_granted_a_role_above_their_own(admin, member, admin_client_for):
    client = admin_client_for(admin)
    form = client.get(address(member)).context["adminform"].form
    assert "super_admin" not in dict(form.fields["role"].choices)
    answer = client.post(address(member), body(member, role="super_admin"))
    assert "role" in errors(answer)
    assert fresh(member).role == "user"


def test_super_admins_are_made_on_the_platform_only(root, member, platform, admin_client_for):
    client = admin_client_for(root)
    answer = client.post(address(member), body(member, role="super_admin"))
    assert "Only the platform has super admins." in str(errors(answer))
    colleague = UserFactory(tenant=platform, role="user")
    assert client.post(address(colleague), body(colleague, role="super_admin")).status_code == 302
    assert fresh(colleague).role == "super_admin"


@pytest.mark.parametrize("values", [{"role": "manager"}, {"status": "suspended"}])
def test_the_last_admin_stays_one(admin, admin_client_for, values):
    answer = admin_client_for(admin).post(address(admin), body(admin, **values))
    assert answer.status_code == 200
    assert "last active admin" in str(errors(answer))
    assert (fresh(admin).role, fresh(admin).status) == ("admin", "active")


def test_the_last_admin_is_not_deleted(admin, admin_client_for):
    answer = admin_client_for(admin).post(address(admin, "delete"), {"post": "yes"})
    assert "last active admin" in " ".join(str(message) for message in get_messages(answer.wsgi_request))
    assert fresh(admin)


@pytest.mark.parametrize("person", ["member", "manager"])
def test_people_edit_their_name_and_nothing_else_of_their_account(person, request, admin_client_for):
    user = request.getfixturevalue(person)
    client = admin_client_for(user)
    assert client.post(address(user), body(user, name="Me", role="admin", email="x@y.example")).status_code == 302
    now = fresh(user)
    assert (now.name, now.role, now.email) == ("Me", user.role, user.email)


def test_people_do_not_edit_each_other(member, colleague, admin_client_for):
    client = admin_client_for(member)
    assert client.post(address(colleague), body(colleague, name="Fool")).status_code == 403
    assert client.get(reverse("admin:accounts_user_set_password", args=[colleague.pk])).status_code == 403
    assert "set-password" not in client.get(address(colleague)).content.decode()


def test_a_new_password_ends_the_sessions_of_its_owner(admin, member, admin_client_for):
    RefreshTokenFactory(tenant=member.tenant, user=member)
    theirs = admin_client_for(member)
    client = admin_client_for(admin)
    where = reverse("admin:accounts_user_set_password", args=[member.pk])
    assert client.get(where).status_code == 200
    assert client.post(where, {"password1": "short", "password2": "short"}).status_code == 200
    assert client.post(where, {"password1": STRONG, "password2": STRONG}).status_code == 302
    assert fresh(member).check_password(STRONG)
    with unscoped(reason="look"):
        assert not RefreshToken.objects.filter(user=member).exists()
    assert theirs.get("/admin/").status_code == 302


def test_ones_own_password_is_changed_by_who_knows_the_old_one(admin, admin_client_for):
    answer = admin_client_for(admin).get(reverse("admin:accounts_user_set_password", args=[admin.pk]))
    assert answer.headers["Location"] == reverse("admin:password_change")


def test_no_page_shows_a_password_or_a_token(admin, member, admin_client_for):
    session = RefreshTokenFactory(tenant=member.tenant, user=member)
    client = admin_client_for(admin)
    session_page = reverse("admin:accounts_refreshtoken_change", args=[session.pk])
    for page in (USERS, address(member), "/admin/accounts/refreshtoken/", session_page):
        content = client.get(page).content.decode()
        assert session.token not in content
        assert member.password not in content


def test_deleting_a_session_ends_it(admin, member, admin_client_for):
    session = RefreshTokenFactory(tenant=member.tenant, user=member)
    answer = admin_client_for(admin).post(
        reverse("admin:accounts_refreshtoken_delete", args=[session.pk]), {"post": "yes"}
    )
    assert answer.headers["Location"] == reverse("admin:accounts_refreshtoken_changelist")
    assert said(answer).endswith("has ended.")
    with unscoped(reason="look"):
        assert not RefreshToken.objects.filter(user=member).exists()


def test_keys_are_linked_to_for_who_may_list_them(admin, member, colleague, admin_client_for):
    link = "Keys of programs"
    assert link in admin_client_for(admin).get(address(member)).content.decode()
    assert link in admin_client_for(member).get(address(member)).content.decode()
    assert link not in admin_client_for(member).get(address(colleague)).content.decode()


def test_the_highest_role_is_the_platforms():
    assert max(ROLES, key=rank) == "super_admin"
