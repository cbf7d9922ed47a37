"""Somebody leaves: the account is closed, and what is open goes to a colleague, or neither."""

import threading
from uuid import uuid4

import pytest
from django.db import connections
from django.urls import reverse
from rest_framework.test import APIClient

from apps.accounts.models import AuditEvent, RefreshToken, User
from apps.accounts.services.handover import deactivate_person, hand_over
from apps.accounts.services.sessions import access_token
from apps.crm.models import Activity, Customer, Deal
from nexora.kernel import events, handover
from nexora.kernel.errors import Conflict, Forbidden
from nexora.kernel.scope import tenant_scope
from tests.admin_pages import change, posted, said
from tests.factories import (
    ActivityFactory,
    CustomerFactory,
    DealFactory,
    RefreshTokenFactory,
    TenantFactory,
    UserFactory,
)

NOTHING = {"deals": 0, "activities": 0, "workflows": 0}


def address(user, verb):
    return f"/api/v1/users/{user.pk}/{verb}/"


@pytest.fixture
def left_behind(acme, member):
    """What member holds: 2 open deals, a won one, an activity to do, one of unknown state, and one that is done."""
    customer = CustomerFactory(tenant=acme, created_by=member)
    DealFactory.create_batch(2, customer=customer, assigned_to=member)
    DealFactory(customer=customer, assigned_to=member, stage=Deal.Stage.CLOSED_WON)
    for completed in (False, None, True):
        ActivityFactory(customer=customer, assigned_to=member, completed=completed)
    return customer


def held(model, user):
    with tenant_scope(user.tenant_id):
        return model.objects.filter(assigned_to=user).count()


def fresh(user):
    with tenant_scope(user.tenant_id):
        return User.objects.get(pk=user.pk)


def trail(acme, **filters):
    with tenant_scope(acme):
        return list(AuditEvent.objects.filter(**filters))


@pytest.mark.django_db
class TestInTheApi:
    def test_what_is_open_is_counted(self, left_behind, admin, member, colleague, client_for):
        client = client_for(admin)
        assert client.get(address(member, "open-records")).json() == {"deals": 2, "activities": 2, "workflows": 0}
        assert client.get(address(colleague, "open-records")).json() == NOTHING

    def test_what_is_open_goes_over_and_what_is_done_stays(self, left_behind, admin, member, colleague, client_for):
        answer = client_for(admin).post(address(member, "hand-over"), {"to": str(colleague.pk)})
        assert answer.json() == {"moved": {"deals": 2, "activities": 2, "workflows": 0}, "open": NOTHING}
        assert (held(Deal, colleague), held(Activity, colleague)) == (2, 2)
        assert (held(Deal, member), held(Activity, member)) == (1, 1)
        assert fresh(member).is_active
        with tenant_scope(member.tenant_id):
            # Who made a record made it, whoever is here now.
            assert Customer.objects.get().created_by_id == member.pk

    def test_each_record_and_the_whole_are_in_the_trail(self, left_behind, acme, admin, member, colleague, client_for):
        client_for(admin).post(address(member, "hand-over"), {"to": str(colleague.pk)})
        moved = trail(acme, action="updated")
        assert sorted(event.resource for event in moved) == ["crm.activity"] * 2 + ["crm.deal"] * 2
        assert {tuple(event.changes["assigned_to"]) for event in moved} == {(str(member.pk), str(colleague.pk))}
        assert {event.actor_id for event in moved} == {admin.pk}
        (whole,) = trail(acme, action="handed_over")
        assert whole.record_id == member.pk
        assert whole.changes == {"deals": [2, 0], "activities": [2, 0], "to": [None, str(colleague.pk)]}

    def test_deactivating_closes_the_account_and_hands_over(self, left_behind, admin, member, colleague, client_for):
        RefreshTokenFactory(user=member)
        answer = client_for(admin).post(address(member, "deactivate"), {"hand_over_to": str(colleague.pk)})
        assert answer.json() == {"moved": {"deals": 2, "activities": 2, "workflows": 0}, "open": NOTHING}
        assert fresh(member).status == "inactive"
        with tenant_scope(member.tenant_id):
            assert not RefreshToken.objects.filter(user=member).exists()

    @pytest.mark.parametrize("body", [{}, {"hand_over_to": None}])
    def test_without_a_successor_it_says_what_stays(self, left_behind, admin, member, client_for, body):
        answer = client_for(admin).post(address(member, "deactivate"), body)
        assert answer.json() == {"moved": {}, "open": {"deals": 2, "activities": 2, "workflows": 0}}
        assert fresh(member).status == "inactive"
        # What stayed can be handed over later.
        later = client_for(admin).post(address(member, "hand-over"), {"to": str(admin.pk)})
        assert later.json()["moved"] == {"deals": 2, "activities": 2, "workflows": 0}

    @pytest.mark.parametrize("verb", ["hand-over", "deactivate"])
    def test_is_for_admins(self, left_behind, cast, member, colleague, client_for, verb):
        for role in ("guest", "user", "manager"):
            # One's own account as well.
            for person in (member, cast[role]):
                answer = client_for(cast[role]).post(address(person, verb), {"to": str(colleague.pk)})
                assert (answer.status_code, answer.json()["code"]) == (403, "permission_denied")
        assert fresh(member).is_active
        assert held(Deal, member) == 3

    @pytest.mark.parametrize("verb", ["hand-over", "deactivate"])
    def test_goes_to_an_active_colleague_who_may_edit(
        self, left_behind, acme, admin, member, guest, mallory, client_for, verb
    ):
        field = {"hand-over": "to", "deactivate": "hand_over_to"}[verb]
        client = client_for(admin)
        inactive, suspended = (UserFactory(tenant=acme, status=status) for status in ("inactive", "suspended"))
        for person in (member, guest, inactive, suspended):
            answer = client.post(address(member, verb), {field: str(person.pk)})
            assert (answer.status_code, answer.json()["code"]) == (409, "no_successor")
            assert client.get(answer.json()["type"]).json()["code"] == "no_successor"
        theirs, nobodys = (client.post(address(member, verb), {field: str(pk)}) for pk in (mallory.pk, uuid4()))
        assert (theirs.status_code, theirs.json()) == (400, nobodys.json())
        assert theirs.json()["errors"].keys() == {field}
        assert client.post(address(member, verb), {field: "x"}).json()["errors"].keys() == {field}
        assert fresh(member).is_active
        assert held(Deal, member) == 3

    def test_another_tenants_person_is_nobody(self, admin, mallory, client_for):
        client = client_for(admin)
        for verb, method in (("open-records", client.get), ("hand-over", client.post), ("deactivate", client.post)):
            assert method(address(mallory, verb)).status_code == 404

    def test_the_last_admin_stays_and_keeps_what_is_open(self, acme, admin, member, client_for):
        DealFactory(tenant=acme, assigned_to=admin)
        answer = client_for(admin).post(address(admin, "deactivate"), {"hand_over_to": str(member.pk)})
        assert (answer.status_code, answer.json()["code"]) == (409, "last_admin")
        assert held(Deal, admin) == 1
        assert trail(acme) == []

    def test_a_suspended_admins_token_closes_no_account(self, acme, admin, member, client_for):
        client = client_for(UserFactory(tenant=acme, role="admin", status="suspended"))
        assert client.post(address(member, "deactivate"), {}).json()["code"] == "account_closed"


@pytest.mark.django_db
class TestTheService:
    def test_thousands_are_moved_a_few_hundred_at_a_time(self, acme, member, colleague, monkeypatch):
        monkeypatch.setattr(handover, "AT_ONCE", 10)
        customer = CustomerFactory(tenant=acme)
        ActivityFactory.create_batch(25, customer=customer, assigned_to=member)
        seen = []
        monkeypatch.setattr(events, "_readers", [lambda changes: seen.append(len(changes))])
        with tenant_scope(acme), events.batch():
            hand_over(person=member, successor=colleague)
        assert seen == [10, 10, 5, 1]
        assert held(Activity, colleague) == 25

    def test_whoever_may_not_edit_what_is_moved_moves_nothing(self, member, manager):
        handover.ensure_may_move(manager)
        with pytest.raises(Forbidden, match="may not hand over deals"):
            handover.ensure_may_move(member)

    def test_in_words(self):
        assert handover.in_words({"deals": 3, "activities": 1}) == "3 deals and 1 activity"
        assert handover.in_words({"deals": 0, "activities": 1200}) == "1,200 activities"
        assert handover.in_words({"deals": 0, "activities": 0}) == handover.in_words({}) == ""


def at_once(*works):
    """Each in a thread of its own, started together; what they answered."""
    gate, outcomes = threading.Barrier(len(works)), []

    def run(work):
        try:
            gate.wait()
            outcomes.append(work())
        except Conflict as refusal:
            outcomes.append(refusal.code)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=[work]) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return outcomes


@pytest.mark.django_db(transaction=True)
class TestAtTheSameTime:
    def test_of_the_last_two_admins_one_is_deactivated(self):
        acme = TenantFactory(subdomain="acme")
        admins = [UserFactory(tenant=acme, role="admin") for _ in range(2)]

        def deactivate(admin):
            with tenant_scope(acme):
                deactivate_person(person=admin)
            return "done"

        outcomes = at_once(*(lambda admin=admin: deactivate(admin) for admin in admins))
        assert sorted(outcomes) == ["done", "last_admin"]

    def test_nor_by_the_api(self):
        acme = TenantFactory(subdomain="acme")
        admins = [UserFactory(tenant=acme, role="admin") for _ in range(2)]

        def deactivate(admin):
            session = RefreshTokenFactory(user=admin, tenant=acme)
            with tenant_scope(acme):
                token = access_token(admin, session.pk)
            client = APIClient(HTTP_HOST="acme.localhost", HTTP_AUTHORIZATION=f"Bearer {token}")
            return client.post(address(admin, "deactivate"), {}).status_code

        outcomes = at_once(*(lambda admin=admin: deactivate(admin) for admin in admins))
        assert sorted(outcomes) == [200, 409]
        with tenant_scope(acme):
            assert User.objects.active().filter(role="admin").count() == 1

    def test_two_who_hand_over_to_each_other_do_not_wait_for_each_other(self):
        acme = TenantFactory(subdomain="acme")
        admins = [UserFactory(tenant=acme, role="admin") for _ in range(2)]
        sessions = [RefreshTokenFactory(user=admin, tenant=acme) for admin in admins]
        with tenant_scope(acme):
            tokens = [access_token(*pair) for pair in zip(admins, (s.pk for s in sessions), strict=True)]

        def hand_over_to(successor, person, token):
            client = APIClient(HTTP_HOST="acme.localhost", HTTP_AUTHORIZATION=f"Bearer {token}")
            return client.post(address(person, "hand-over"), {"to": str(successor.pk)}).status_code

        works = [
            lambda a=a, b=b, t=t: hand_over_to(a, b, t) for a, b, t in zip(admins, admins[::-1], tokens, strict=True)
        ]
        for _ in range(10):
            assert at_once(*works, *works) == [200] * 4

    def test_nothing_goes_to_somebody_who_leaves_meanwhile(self):
        acme = TenantFactory(subdomain="acme")
        leaving, other = UserFactory.create_batch(2, tenant=acme)
        for person in (leaving, other):
            DealFactory(tenant=acme, assigned_to=person)

        def leave(person, successor):
            with tenant_scope(acme):
                deactivate_person(person=person, successor=successor)
            return "done"

        outcomes = at_once(lambda: leave(leaving, other), lambda: leave(other, leaving))
        assert sorted(outcomes) == ["done", "no_successor"]
        with tenant_scope(acme):
            (stays,) = User.objects.active()
            assert Deal.objects.filter(assigned_to=stays).count() == 2


@pytest.mark.django_db
class TestInTheAdmin:
    def page(self, user, kind="deactivate"):
        return reverse(f"admin:accounts_user_{kind}", args=[user.pk])

    def test_the_page_says_what_is_open_and_does_both(self, left_behind, admin, member, colleague, admin_client_for):
        client = admin_client_for(admin)
        shown = client.get(self.page(member))
        assert "2 deals and 2 activities open" in " ".join(shown.content.decode().split())
        answer = client.post(self.page(member), {"successor": str(colleague.pk)})
        assert said(answer) == "Member is deactivated and signed out. Colleague now has 2 deals and 2 activities."
        assert fresh(member).status == "inactive"
        assert (held(Deal, colleague), held(Activity, colleague)) == (2, 2)

    def test_a_successor_is_optional_and_can_be_named_later(
        self, left_behind, admin, member, colleague, admin_client_for
    ):
        client = admin_client_for(admin)
        assert said(client.post(self.page(member), {})) == "Member is deactivated and signed out."
        assert held(Deal, member) == 3
        assert "Hand over from Member" in client.get(self.page(member)).content.decode()
        answer = client.post(self.page(member), {"successor": str(colleague.pk)})
        assert said(answer) == "Colleague now has 2 deals and 2 activities."

    def test_a_wrong_successor_is_refused_beside_the_field(
        self, left_behind, admin, member, guest, mallory, admin_client_for
    ):
        client = admin_client_for(admin)
        for person in (member, guest, mallory):
            answer = client.post(self.page(member), {"successor": str(person.pk)})
            assert answer.status_code == 200
            assert "successor" in answer.context["form"].errors
        assert fresh(member).is_active

    def test_the_last_admin_stays(self, admin, admin_client_for):
        answer = admin_client_for(admin).post(self.page(admin), {})
        assert "last active admin" in str(answer.context["form"].errors)
        assert fresh(admin).is_active

    @pytest.mark.parametrize("status", ["inactive", "suspended"])
    def test_whoever_closes_an_account_by_its_form_is_told_what_is_open(
        self, left_behind, admin, member, admin_client_for, status
    ):
        client = admin_client_for(admin)
        answer = client.post(change(member), posted(client.get(change(member)), status=status))
        assert "Member still has 2 deals and 2 activities open." in said(answer)
        assert self.page(member) in said(answer)

    def test_who_holds_nothing_gets_no_such_word(self, admin, colleague, admin_client_for):
        client = admin_client_for(admin)
        answer = client.post(change(colleague), posted(client.get(change(colleague)), status="inactive"))
        assert "open" not in said(answer)

    def test_only_admins_see_it(self, cast, member, colleague, admin_client_for):
        for role in ("user", "manager"):
            client = admin_client_for(cast[role])
            for person in (colleague, cast[role]):
                assert client.get(self.page(person)).status_code == 403
                assert client.post(self.page(person), {}).status_code == 403
                assert self.page(person) not in client.get(change(person)).content.decode()
        assert self.page(member) in admin_client_for(cast["admin"]).get(change(member)).content.decode()

    def test_the_platform_does_it_for_any_organisation(self, left_behind, root, member, colleague, admin_client_for):
        client = admin_client_for(root)
        assert client.get(self.page(member)).status_code == 200
        client.post(self.page(member), {"successor": str(colleague.pk)})
        assert fresh(member).status == "inactive"
        assert held(Deal, colleague) == 2
