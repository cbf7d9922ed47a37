"""Sessions in the admin: whose, where, and out."""

import pytest
from django.urls import reverse

from apps.accounts.models import AuditEvent, RefreshToken
from nexora.kernel.scope import tenant_scope
from tests.admin_pages import change, said
from tests.factories import RefreshTokenFactory

pytestmark = pytest.mark.django_db

LIST = "/admin/accounts/refreshtoken/"


def shown(answer):
    assert answer.status_code == 200
    return {row.user_id for row in answer.context["cl"].result_list}


def left(user):
    with tenant_scope(user.tenant_id):
        return RefreshToken.objects.filter(user=user).count()


def test_most_see_their_own_and_admins_everybodys(admin, member, colleague, admin_client_for):
    for person in (member, colleague):
        RefreshTokenFactory(user=person)
    client = admin_client_for(member)
    answer = client.get(LIST)
    assert shown(answer) == {member.pk}
    assert "Firefox" not in answer.content.decode()
    assert "this session" in answer.content.decode()
    assert [spec.title for spec in answer.context["cl"].filter_specs if spec.title == "user"] == []
    assert shown(admin_client_for(admin).get(LIST)) == {admin.pk, member.pk, colleague.pk}


def test_everybodys_menu_leads_to_their_own(admin, member, admin_client_for):
    RefreshTokenFactory(user=member)
    for person in (admin, member):
        client = admin_client_for(person)
        link = f"{LIST}?user__id__exact={person.pk}" if person is admin else LIST
        assert {"title": "Your sessions", "link": link} in client.get("/admin/").context["account_links"]
        assert shown(client.get(link)) == {person.pk}


def test_selected_ones_are_signed_out(admin, member, admin_client_for):
    rows = [RefreshTokenFactory(user=member) for _ in range(3)]
    body = {"action": "sign_out", "_selected_action": [str(row.pk) for row in rows[:2]]}
    answer = admin_client_for(admin).post(LIST, body)
    assert said(answer) == "Ended 2 sessions."
    assert left(member) == 1
    with tenant_scope(admin.tenant_id):
        assert AuditEvent.objects.filter(action="ended", actor=admin).count() == 2


def test_nobody_signs_a_colleague_out(member, colleague, admin_client_for):
    row = RefreshTokenFactory(user=colleague)
    admin_client_for(member).post(LIST, {"action": "sign_out", "_selected_action": str(row.pk)})
    assert left(colleague) == 1


def test_a_persons_page_leads_to_their_sessions_and_signs_them_out(admin, member, admin_client_for):
    RefreshTokenFactory.create_batch(2, user=member)
    client = admin_client_for(admin)
    page = client.get(change(member)).content.decode()
    links = {kind: reverse(f"admin:accounts_user_{kind}", args=[member.pk]) for kind in ("sessions", "sign_out")}
    assert all(link in page for link in links.values())
    assert client.get(links["sessions"]).headers["Location"] == f"{LIST}?user__id__exact={member.pk}"
    assert "2 sessions" in client.get(links["sign_out"]).content.decode()
    assert left(member) == 2, "a look ends nothing"
    assert said(client.post(links["sign_out"])) == "Ended 2 sessions of Member."
    assert left(member) == 0


def test_a_manager_sees_no_sessions_of_others(manager, member, admin_client_for):
    client = admin_client_for(manager)
    for kind in ("sessions", "sign_out"):
        link = reverse(f"admin:accounts_user_{kind}", args=[member.pk])
        assert client.get(link).status_code == 403
        assert link not in client.get(change(member)).content.decode()
        assert client.get(reverse(f"admin:accounts_user_{kind}", args=[manager.pk])).status_code in (200, 302)
