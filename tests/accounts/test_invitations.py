"""An admin names an address, its owner makes the account; nobody else learns whether the address has one."""

import logging
import re
from datetime import timedelta

import pytest
from django.core import mail as outbox
from django.db import IntegrityError, transaction
from procrastinate.contrib.django.models import ProcrastinateJob as Job

from apps.accounts import jobs
from apps.accounts.models import AuditEvent, Invitation, RefreshToken, User
from apps.accounts.services import attempts, invitations
from nexora.kernel import clock
from nexora.kernel.scope import tenant_scope, unscoped
from tests.accounts.joining import ADDRESS, INVITATIONS, accept, assert_not_valid, fresh, suspend
from tests.contracts.test_budgets import statements
from tests.factories import InvitationFactory, TenantFactory, UserFactory
from tests.mailbox import deliver, link_to, links


def trail(tenant):
    with tenant_scope(tenant):
        events = AuditEvent.objects.filter(resource="accounts.invitation").order_by("created_at")
        return [(event.action, event.changes) for event in events]


@pytest.mark.django_db
class TestInviting:
    def test_is_always_put_off_and_answers_the_invitation(self, invite, admin):
        document = invite("New@Acme.com ", role="manager")
        assert {name: document[name] for name in ("email", "role", "status", "sent_at")} == {
            "email": ADDRESS, "role": "manager", "status": "pending", "sent_at": None,
        }  # fmt: skip
        assert document["invited_by"] == str(admin.pk)
        assert "token" not in document

    def test_lasts_three_days(self, invite):
        before = clock.now()
        document = invite()
        left = clock.now().fromisoformat(document["expires_at"]) - before
        assert timedelta(hours=72) <= left < timedelta(hours=72, minutes=1)

    @pytest.mark.parametrize("role", ["guest", "user", "manager"])
    def test_is_for_admins(self, cast, client_for, role):
        client = client_for(cast[role])
        assert client.post(INVITATIONS, {"email": ADDRESS}).status_code == 403
        assert client.get(INVITATIONS).status_code == 403

    def test_is_not_for_a_token_whose_session_was_ended(self, admin, client_for, acme):
        held = client_for(admin)
        with tenant_scope(acme):
            RefreshToken.objects.filter(user=admin).unpublished("test").delete()
        answer = held.post(INVITATIONS, {"email": ADDRESS, "role": "admin"})
        assert (answer.status_code, answer.json()["code"]) == (401, "account_closed")
        with tenant_scope(acme):
            assert not Invitation.objects.exists()

    @pytest.mark.parametrize("role", ["super_admin", "owner"])
    def test_to_a_role_above_ones_own_is_refused(self, admin, client_for, role):
        answer = client_for(admin).post(INVITATIONS, {"email": ADDRESS, "role": role})
        assert answer.status_code in (400, 403)
        assert "role" in answer.json()["errors"]
        with tenant_scope(admin.tenant_id):
            assert not Invitation.objects.exists()

    @pytest.mark.parametrize("field", ["token", "status", "expires_at", "tenant", "invited_by"])
    def test_sets_nothing_else(self, admin, client_for, field):
        answer = client_for(admin).post(INVITATIONS, {"email": ADDRESS, field: "x"})
        assert (answer.status_code, set(answer.json()["errors"])) == (400, {field})

    def test_an_address_again_renews_its_open_invitation(self, invite, invited, acme_client):
        first, token = invited(role="guest")
        with clock.frozen_at(clock.now() + timedelta(hours=5)):
            again = invite(role="manager")
        assert again["id"] == first["id"]
        assert again["role"] == "manager"
        assert again["expires_at"] > first["expires_at"]
        assert_not_valid(accept(acme_client, token))
        (message,) = deliver()
        assert accept(acme_client, link_to(message, "/join")[1]).status_code == 201

    def test_an_address_whose_invitation_is_over_renews_it(self, invite, acme):
        over = InvitationFactory(tenant=acme, email=ADDRESS, expires_at=clock.now() - timedelta(days=1))
        assert invite()["id"] == str(over.pk)
        assert fresh(over).is_open

    def test_an_address_anew_after_its_invitation_was_revoked(self, invite, admin, client_for):
        first = invite()
        client_for(admin).delete(f"{INVITATIONS}{first['id']}/")
        assert invite()["id"] != first["id"]

    def test_the_database_has_one_open_invitation_of_an_address(self, acme):
        closed = {"status": "revoked", "revoked_at": clock.now()}
        InvitationFactory(tenant=acme, email=ADDRESS, **closed)
        InvitationFactory(tenant=acme, email=ADDRESS)
        InvitationFactory(tenant=TenantFactory(), email=ADDRESS)
        with pytest.raises(IntegrityError, match=invitations.ONE_OPEN), transaction.atomic():
            InvitationFactory(tenant=acme, email=ADDRESS)

    def test_filters_the_list(self, invite, admin, acme, client_for):
        InvitationFactory(tenant=acme, status="revoked", revoked_at=clock.now(), role="guest")
        invite(role="manager")
        client = client_for(admin)
        for query in ("status=pending", f"email={ADDRESS}", "role=manager", "status__in=pending,accepted"):
            found = client.get(f"{INVITATIONS}?{query}").json()["results"]
            assert [row["email"] for row in found] == [ADDRESS], query


@pytest.mark.django_db
class TestWhetherTheAddressHasAnAccount:
    """Its owner reads it in the mail. Nobody reads it anywhere else."""

    @pytest.fixture(params=["free", "ours", "theirs", "suspended there"])
    def address(self, request, member, globex):
        elsewhere = "somebody@globex.com"
        if request.param == "ours":
            return member.email
        if request.param == "free":
            return ADDRESS
        UserFactory(tenant=globex, email=elsewhere, status="active" if request.param == "theirs" else "suspended")
        return elsewhere

    def test_is_told_by_no_answer_list_trail_or_statement(self, address, admin, acme, client_for, caplog):
        """Compared with what an address of the same length that is free leaves behind."""
        caplog.set_level(logging.INFO)
        client, seen = client_for(admin), []
        client.get(INVITATIONS)
        for email in (address, "f" * (len(address) - 9) + "@free.com"):
            caplog.clear()
            with statements() as executed:
                answer = client.post(INVITATIONS, {"email": email})
            shown = [answer.status_code, answer.json(), dict(answer.headers), len(executed)]
            deliver()
            with statements() as executed:
                found = client.get(f"{INVITATIONS}{answer.json()['id']}/")
            history = client.get("/api/v1/audit-events/", {"record_id": answer.json()["id"]}).json()["results"]
            shown += [found.status_code, found.json(), dict(found.headers).keys(), len(executed)]
            shown += [[(event["action"], event["changes"].keys(), event["actor_label"]) for event in history]]
            shown += [client.post(f"{INVITATIONS}{answer.json()['id']}/resend/").status_code]
            deliver()
            shown += [[record.getMessage() for record in caplog.records]]
            seen.append(neutral(shown, email, answer.json()["id"]))
        assert seen[0] == seen[1]

    def test_leaves_a_token_behind_that_nobody_has(self, address, invite):
        document = invite(address)
        deliver()
        with unscoped(reason="look"):
            stored = Invitation.objects.get(pk=document["id"])
        assert len(stored.token) == 64
        assert stored.sent_at

    def test_the_owner_of_a_free_address_is_sent_a_link(self, invite, acme):
        invite(role="manager")
        (message,) = deliver()
        assert message.to == [ADDRESS]
        assert message.subject == "You are invited to join Acme Corp"
        assert "Admin invites you to join Acme Corp as manager" in message.body
        assert link_to(message, "/join")[0].startswith("http://acme.localhost/join?token=")

    def test_somebody_who_is_here_already_is_told_to_sign_in(self, invite, member):
        invite(member.email)
        (message,) = deliver()
        assert "has an account there already" in message.body
        assert any(address.startswith("http://acme.localhost") and "/admin/" in address for address in links(message))
        assert "token" not in message.body

    def test_somebody_of_another_organisation_is_told_and_gets_no_link(self, invite, mallory):
        invite(mallory.email)
        (message,) = deliver()
        assert (
            "You have been invited to join Acme Corp, but this address already has an account at another organisation. "
            "Ask for an invitation to another address." in message.body
        )
        assert "token" not in message.body
        assert "Globex" not in str(message.message())

    def test_a_token_for_them_would_be_refused_all_the_same(self, invite, mallory, acme_client, monkeypatch):
        monkeypatch.setattr(invitations.secrets, "token_urlsafe", lambda size: "known")
        invite(mallory.email)
        deliver()
        assert_not_valid(accept(acme_client, "known"))
        with unscoped(reason="look"):
            assert User.objects.filter(email=mallory.email).count() == 1


def neutral(shown, email, record_id):
    """Without what differs between any two invitations: address, id, times, limit, ETag."""
    text = repr(shown).replace(email, "<email>").replace(record_id, "<id>")
    text = re.sub(r"\d{4}-\d\d-\d\d[T ][\d:.]+(Z|\+00:00)?", "<time>", text)
    text = re.sub(r'"plan";r=\d+;t=\d+', "<what is left of the minute>", text)
    return re.sub(r'"[0-9a-f]{16,}"', "<tag>", text)


@pytest.mark.django_db
class TestTheMail:
    def test_wears_the_tenants_brand(self, client_for):
        tenant = TenantFactory(subdomain="initech", white_label={"name": "Initech", "primary_color": "#0f766e"})
        UserFactory(tenant=tenant, role="admin")
        with unscoped(reason="look"):
            admin = User.objects.select_related("tenant").get(tenant=tenant)
        client_for(admin).post(INVITATIONS, {"email": ADDRESS})
        (message,) = deliver()
        ((html, _),) = message.alternatives
        assert "Initech <" in message.message()["from"]
        assert "#0f766e" in html
        assert "join <strong>Initech</strong>" in html

    def test_carries_the_only_copy_of_the_token(self, invited, caplog):
        caplog.set_level(logging.DEBUG)
        document, token = invited()
        with unscoped(reason="look"):
            stored = Invitation.objects.get(pk=document["id"])
            kept = [str(event.changes) for event in AuditEvent.objects.all()]
        assert stored.token == Invitation.digest(token) != token
        assert len(token) >= 43, "256 bits"
        assert token not in caplog.text + str(list(Job.objects.values_list("args", flat=True))) + "".join(kept)
        assert stored.token not in "".join(kept)

    def test_is_asked_for_by_the_invitations_id_alone(self, invite):
        document = invite()
        (job,) = Job.objects.filter(task_name="apps.accounts.jobs.send_invitation")
        assert job.args.keys() == {"invitation_id", "tenant_id"}
        assert job.lock == f"invitation {document['id']}"

    def test_sent_again_has_another_token(self, invited, acme, acme_client):
        document, first = invited()
        jobs.send_invitation.func(invitation_id=document["id"], tenant_id=str(acme.pk))
        second = link_to(outbox.outbox[-1], "/join")[1]
        assert_not_valid(accept(acme_client, first))
        assert accept(acme_client, second).status_code == 201

    @pytest.mark.parametrize("change", ["accepted", "revoked", "over", "gone", "suspended"])
    def test_is_not_sent_of_what_is_closed(self, change, invite, admin, acme):
        document = invite()
        with tenant_scope(acme):
            invitation = Invitation.objects.get()
            if change in ("accepted", "revoked"):
                setattr(invitation, f"{change}_at", clock.now())
                invitation.status = change
            if change == "over":
                invitation.expires_at = clock.now()
            invitation.save()
        if change == "gone":
            with unscoped(reason="test"):
                Invitation.objects.get(pk=document["id"]).delete()
        if change == "suspended":
            suspend(admin)
        assert deliver() == []


@pytest.mark.django_db
class TestResending:
    def test_sends_another_link_and_kills_the_one_before_at_once(self, invited, admin, client_for, acme_client):
        document, token = invited()
        with clock.frozen_at(clock.now() + timedelta(hours=71)):
            answer = client_for(admin).post(f"{INVITATIONS}{document['id']}/resend/")
        assert answer.status_code == 202
        assert answer.json()["expires_at"] > document["expires_at"]
        assert_not_valid(accept(acme_client, token))
        (message,) = deliver()
        assert accept(acme_client, link_to(message, "/join")[1]).status_code == 201

    def test_wakes_an_invitation_that_is_over(self, acme, admin, client_for):
        over = InvitationFactory(tenant=acme, expires_at=clock.now() - timedelta(days=9))
        assert client_for(admin).post(f"{INVITATIONS}{over.pk}/resend/").status_code == 202
        assert len(deliver()) == 1

    @pytest.mark.parametrize("status", ["accepted", "revoked"])
    def test_what_is_closed_is_a_conflict(self, status, acme, admin, client_for):
        closed = InvitationFactory(tenant=acme, status=status, **{f"{status}_at": clock.now()})
        answer = client_for(admin).post(f"{INVITATIONS}{closed.pk}/resend/")
        assert (answer.status_code, answer.json()["code"]) == (409, "invitation_closed")
        assert status in answer.json()["detail"]


@pytest.mark.django_db
class TestRevoking:
    def test_kills_the_link_and_keeps_the_row(self, invited, admin, client_for, acme_client):
        document, token = invited()
        client = client_for(admin)
        assert client.delete(f"{INVITATIONS}{document['id']}/").status_code == 204
        assert_not_valid(accept(acme_client, token))
        shown = client.get(f"{INVITATIONS}{document['id']}/").json()
        assert shown["status"] == "revoked"
        assert shown["revoked_at"]

    def test_twice_changes_nothing(self, invite, admin, acme, client_for):
        address = f"{INVITATIONS}{invite()['id']}/"
        client = client_for(admin)
        client.delete(address)
        before = client.get(address).json()
        assert client.delete(address).status_code == 204
        assert client.get(address).json() == before

    def test_what_was_accepted_is_a_conflict(self, invited, admin, client_for, acme_client):
        document, token = invited()
        accept(acme_client, token)
        answer = client_for(admin).delete(f"{INVITATIONS}{document['id']}/")
        assert (answer.status_code, answer.json()["code"]) == (409, "invitation_closed")


@pytest.mark.django_db
def test_the_trail_shows_who_was_invited_sent_to_revoked_and_who_accepted(
    invited, invite, acme, admin, client_for, acme_client
):
    document, _ = invited(role="manager")
    client_for(admin).post(f"{INVITATIONS}{document['id']}/resend/")
    (message,) = deliver()
    accept(acme_client, link_to(message, "/join")[1])
    other = invite("other@acme.com")
    client_for(admin).delete(f"{INVITATIONS}{other['id']}/")
    happened = trail(acme)
    assert [action for action, _ in happened] == ["created", *["updated"] * 4, "created", "updated"]
    assert happened[0][1]["role"] == [None, "manager"]
    assert "sent_at" in happened[1][1]
    assert {"expires_at", "sent_at"} <= happened[2][1].keys()
    assert happened[4][1]["status"] == ["pending", "accepted"]
    assert happened[6][1]["status"] == ["pending", "revoked"]
    with tenant_scope(acme):
        joined = AuditEvent.objects.get(resource="accounts.user", action="created")
    assert joined.actor_label == "New Person"
    assert joined.ip_address == "127.0.0.1"


@pytest.mark.django_db
def test_too_many_mails_to_one_address_wait_in_the_queue_and_not_where_an_admin_could_see(invite, acme):
    document = invite()
    with tenant_scope(acme), clock.frozen_at(clock.now()):
        for _ in range(attempts.MAIL.free):
            invitations.send_invitation(invitation_id=document["id"], home=None)
        with pytest.raises(attempts.TooManyAttempts):
            invitations.send_invitation(invitation_id=document["id"], home=None)
    assert len(outbox.outbox) == attempts.MAIL.free
    assert invite()["status"] == "pending"
