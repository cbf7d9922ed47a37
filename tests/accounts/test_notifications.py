"""What people are told, and by themselves read, marked and deleted."""

from datetime import timedelta
from uuid import uuid4

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, connection, transaction
from django.db.utils import ProgrammingError
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from apps.accounts import jobs
from apps.accounts.models import AuditEvent, Notification, User
from apps.accounts.services.notifications import mark_read, notify
from nexora.kernel import clock
from nexora.kernel.errors import ScopeRequired
from nexora.kernel.scope import tenant_scope, unscoped
from tests.accounts.test_keys import assert_problem, program
from tests.admin_pages import change, said
from tests.factories import (
    APIKeyFactory,
    AuditEventFactory,
    CustomerFactory,
    DealFactory,
    NotificationFactory,
    UserFactory,
)

pytestmark = pytest.mark.django_db

API, LIST, OVERVIEW = "/api/v1/notifications/", "/admin/accounts/notification/", "/admin/"


def ids(answer):
    assert answer.status_code == 200, answer.content
    return [row["id"] for row in answer.json()["results"]]


def stored():
    with unscoped(reason="look"):
        return {row.pk: row for row in Notification.objects.all()}


class TestTelling:
    def test_one_statement_tells_all(self, admin, member, guest, in_acme):
        deal = DealFactory(tenant=in_acme)
        with CaptureQueriesContext(connection) as queries:
            told = notify(users=[admin, member, guest], text=" A deal is late. ", record=deal, level="warning")
        assert len([query for query in queries if query["sql"].startswith("INSERT")]) == 1
        assert {row.user_id for row in told} == {admin.pk, member.pk, guest.pk}
        for row in Notification.objects.all():
            assert (row.text, row.resource, row.record_id) == ("A deal is late.", "crm.deal", deal.pk)
            assert (row.level, row.read_at, row.tenant_id) == ("warning", None, in_acme.pk)
            assert row.created_at is not None

    def test_each_is_told_once(self, member, in_acme):
        assert len(notify(users=[member, member, User.objects.get(pk=member.pk)], text="Hello")) == 1
        assert notify(users=User.objects.filter(pk=member.pk), text="Hello")[0].user_id == member.pk
        assert notify(users=[], text="Hello") == []

    @pytest.mark.parametrize("status", ["inactive", "suspended"])
    def test_who_is_not_active_is_told_nothing(self, status, member, in_acme):
        gone = UserFactory(tenant=in_acme, status=status)
        assert [row.user_id for row in notify(users=[gone, member], text="Hello")] == [member.pk]

    def test_people_of_other_organisations_are_told_nothing(self, member, mallory, root, in_acme):
        assert [row.user_id for row in notify(users=[mallory, root, member], text="Hello")] == [member.pk]

    def test_over_all_tenants_it_is_nobodys_to_tell(self, member):
        with unscoped(reason="test"), pytest.raises(ScopeRequired):
            notify(users=[member], text="Hello")

    @pytest.mark.parametrize("text", ["", " \n", "x" * 2_001, "a\x00b", "a\ud800b"])
    def test_a_text_that_cannot_be_is_refused(self, text, member, in_acme):
        with pytest.raises(ValidationError) as refused:
            notify(users=[member], text=text)
        assert refused.value.error_dict.keys() == {"text"}
        assert not Notification.objects.exists()

    def test_an_unknown_level_is_refused(self, member, in_acme):
        with pytest.raises(ValidationError) as refused:
            notify(users=[], text="Hello", level="loud")
        assert refused.value.error_dict.keys() == {"level"}

    def test_2000_characters_are_few_enough(self, member, in_acme):
        assert len(notify(users=[member], text="é" * 2_000)[0].text) == 2_000

    @pytest.mark.parametrize("values", [{"text": ""}, {"text": "é" * 2_001}, {"level": "loud"}])
    def test_the_database_refuses_it_too(self, values, member):
        with pytest.raises(IntegrityError), transaction.atomic():
            NotificationFactory(user=member, **values)

    def test_nobody_alters_what_was_said(self, member, in_acme):
        row = NotificationFactory(user=member)
        with pytest.raises(ProgrammingError, match="permission denied"), transaction.atomic():
            Notification.objects.filter(pk=row.pk).unpublished("test").update(text="Never mind")

    def test_nothing_of_it_is_in_the_trail(self, member, in_acme, client_for):
        kept, gone = notify(users=[member], text="One") + notify(users=[member], text="Two")
        client = client_for(member)
        assert client.post(f"{API}{kept.pk}/read/").status_code == 200
        assert client.delete(f"{API}{gone.pk}/").status_code == 204
        assert not AuditEvent.objects.exists()

    def test_they_go_with_the_person(self, admin, member, colleague, client_for):
        kept = NotificationFactory(user=colleague)
        NotificationFactory(user=member)
        assert client_for(admin).delete(f"/api/v1/users/{member.pk}/").status_code == 204
        assert set(stored()) == {kept.pk}


class TestTheAPI:
    @pytest.mark.parametrize("role", ["guest", "user", "manager", "admin", "super_admin"])
    def test_shows_ones_own_newest_first(self, role, cast, colleague, client_for):
        person, now = cast[role], clock.now()
        NotificationFactory(user=colleague)
        made = [NotificationFactory(user=person, created_at=now - timedelta(minutes=n)) for n in (2, 0, 1)]
        assert ids(client_for(person).get(API)) == [str(made[n].pk) for n in (1, 2, 0)]

    def test_a_row_says_what_happened_to_which_record(self, member, in_acme, client_for):
        deal = DealFactory(tenant=in_acme)
        (told,) = notify(users=[member], text="A deal is late.", record=deal, level="danger")
        client = client_for(member)
        (row,) = client.get(API).json()["results"]
        assert row == client.get(f"{API}{told.pk}/").json()
        assert row.keys() == {"id", "text", "level", "resource", "record_id", "created_at", "read_at"}
        assert (row["text"], row["level"], row["read_at"]) == ("A deal is late.", "danger", None)
        assert (row["resource"], row["record_id"]) == ("crm.deal", str(deal.pk))

    @pytest.mark.parametrize("role", ["guest", "manager", "admin", "super_admin"])
    def test_a_colleagues_is_like_one_that_never_was(self, role, cast, colleague, client_for):
        theirs, client = NotificationFactory(user=colleague), client_for(cast[role])
        for key in (theirs.pk, uuid4()):
            assert_problem(client.get(f"{API}{key}/"), 404, "not_found")
            assert_problem(client.delete(f"{API}{key}/"), 404, "not_found")
            assert_problem(client.post(f"{API}{key}/read/"), 404, "not_found")
        assert stored()[theirs.pk].read_at is None

    def test_filters(self, member, client_for):
        now, deal = clock.now(), uuid4()
        old = NotificationFactory(user=member, level="danger", created_at=now - timedelta(days=9), read_at=now)
        new = NotificationFactory(user=member, resource="crm.deal", record_id=deal)
        client, day = client_for(member), (now - timedelta(days=2)).isoformat()
        for query, found in (
            ({"read": "true"}, old),
            ({"read": "false"}, new),
            ({"level": "danger"}, old),
            ({"level__in": "info,success"}, new),
            ({"resource": "crm.deal"}, new),
            ({"record_id": str(deal)}, new),
            ({"created_at__lt": day}, old),
            ({"created_at__gte": day, "read": "false"}, new),
        ):
            assert ids(client.get(API, query)) == [str(found.pk)], query
        assert client.get(API, {"read": "false", "count": "true"}).json()["count"] == 1

    def test_marking_as_read_again_changes_nothing(self, member, client_for):
        row, client, now = NotificationFactory(user=member), client_for(member), clock.now()
        with clock.frozen_at(now):
            first = client.post(f"{API}{row.pk}/read/")
        with clock.frozen_at(now + timedelta(minutes=1)):
            again = client.post(f"{API}{row.pk}/read/")
        assert first.status_code == again.status_code == 200
        assert first.json() == again.json() == client.get(f"{API}{row.pk}/").json()
        assert stored()[row.pk].read_at == now

    def test_all_of_ones_own_are_marked_at_once(self, member, colleague, client_for):
        mine = NotificationFactory.create_batch(3, user=member)
        theirs = NotificationFactory(user=colleague)
        client = client_for(member)
        assert client.post(f"{API}{mine[0].pk}/read/").status_code == 200
        assert [client.post(f"{API}read-all/").json() for _ in range(2)] == [{"read": 2}, {"read": 0}]
        assert [pk for pk, row in stored().items() if row.read_at is None] == [theirs.pk]

    def test_nobody_writes_any(self, admin, client_for):
        row, client = NotificationFactory(user=admin), client_for(admin)
        assert client.post(API, {"text": "Hello"}).status_code == 405
        for method in (client.patch, client.put):
            assert method(f"{API}{row.pk}/", {"text": "Hello"}).status_code == 405

    def test_a_program_reads_its_persons_and_changes_none(self, member, colleague):
        mine = NotificationFactory(user=member)
        NotificationFactory(user=colleague)
        client = program(APIKeyFactory(user=member, scopes=["accounts.notification:read", "*:write"]).text)
        assert ids(client.get(API)) == [str(mine.pk)]
        for answer in (
            client.post(f"{API}{mine.pk}/read/"),
            client.post(f"{API}read-all/"),
            client.delete(f"{API}{mine.pk}/"),
        ):
            assert_problem(answer, 403, "people_only")

    def test_a_super_admin_has_and_marks_their_own_alone(self, root, member, client_for):
        mine, theirs = NotificationFactory(user=root), NotificationFactory(user=member)
        client = client_for(root)
        assert ids(client.get(API)) == [str(mine.pk)]
        assert client.post(f"{API}read-all/").json() == {"read": 1}
        assert stored()[theirs.pk].read_at is None
        assert client.delete(f"{API}{mine.pk}/").status_code == 204
        assert set(stored()) == {theirs.pk}


class TestMarking:
    def test_of_the_named_only_ones_own(self, member, colleague, in_acme):
        mine, more = NotificationFactory.create_batch(2, user=member)
        theirs = NotificationFactory(user=colleague)
        assert mark_read(actor=member, ids=[mine.pk, theirs.pk, uuid4()]) == 1
        assert mark_read(actor=member, ids=[]) == 0
        assert {pk for pk, row in stored().items() if row.read_at is None} == {more.pk, theirs.pk}


def test_old_ones_are_removed_at_night(member, mallory):
    now = clock.now()

    def told(days, *, read=None, user=member):
        read_at = None if read is None else now - timedelta(days=read)
        return NotificationFactory(user=user, created_at=now - timedelta(days=days), read_at=read_at).pk

    kept = {told(364), told(364, read=89), told(1), told(91, read=1)}
    for old in (told(366), told(366, read=1), told(100, read=91), told(366, user=mallory)):
        assert old in stored()
    jobs.delete_old_notifications()
    assert set(stored()) == kept


# -- The admin


def panel(answer):
    assert answer.status_code == 200
    return next((made for made in answer.context["panels"] if getattr(made, "title", "") == "Notifications"), None)


def listed(answer):
    assert answer.status_code == 200
    return [row.pk for row in answer.context["cl"].result_list]


class TestTheFirstPage:
    @pytest.mark.parametrize("role", ["user", "manager", "admin", "super_admin"])
    def test_shows_the_latest_six_that_one_has_not_read(self, role, cast, colleague, admin_client_for):
        person, now = cast[role], clock.now()
        NotificationFactory(user=colleague)
        NotificationFactory(user=person, text="Seen", read_at=now)
        for number in range(7):
            NotificationFactory(user=person, text=f"News {number}", created_at=now - timedelta(minutes=number))
        shown = panel(admin_client_for(person).get(OVERVIEW))
        assert [entry.title for entry in shown.entries] == [f"News {number}" for number in range(6)]
        assert shown.link == LIST

    def test_says_so_when_there_is_none(self, member, admin_client_for):
        assert "Nothing unread." in admin_client_for(member).get(OVERVIEW).content.decode()

    def test_leads_to_what_one_may_see(self, member, acme, globex, admin_client_for):
        deal = DealFactory(tenant=acme)
        told = {
            "Deal": ("crm.deal", deal.pk, change(deal)),
            "Gone": ("crm.deal", uuid4(), None),
            "Not of theirs": ("crm.customer", CustomerFactory(tenant=globex).pk, None),
            "Not for them": ("accounts.auditevent", AuditEventFactory(tenant=acme).pk, None),
            "No such thing": ("crm.unicorn", uuid4(), None),
            "Nor this": ("nonsense", uuid4(), None),
            "Of nothing": (None, None, None),
        }
        client = admin_client_for(member)
        for text, (resource, record_id, link) in told.items():
            about = {"resource": resource, "record_id": record_id}
            row = NotificationFactory(user=member, text=text, created_at=clock.now(), **about)
            entry = panel(client.get(OVERVIEW)).entries[0]
            assert (entry.title, entry.link) == (text, link or change(row))
            page = client.get(change(row)).content.decode()
            assert (f'href="{link}"' in page) == bool(link)

    def test_on_the_platform_leads_to_the_records_of_all(self, root, acme, admin_client_for):
        deal = DealFactory(tenant=acme)
        NotificationFactory(user=root, resource="crm.deal", record_id=deal.pk)
        assert [entry.link for entry in panel(admin_client_for(root).get(OVERVIEW)).entries] == [change(deal)]

    def test_inside_a_tenant_shows_nothing_of_the_platforms(self, root, acme, admin_client_for):
        NotificationFactory(user=root, text="Of the platform")
        client = admin_client_for(root)
        client.post(reverse("admin:tenants_tenant_enter", args=[acme.pk]), {"reason": "A ticket about imports"})
        assert panel(client.get(OVERVIEW)) is None
        assert listed(client.get(LIST)) == []

    def test_asks_once_for_each_kind_of_record(self, member, acme, admin_client_for):
        client = admin_client_for(member)
        for deal in DealFactory.create_batch(6, tenant=acme):
            NotificationFactory(user=member, resource="crm.deal", record_id=deal.pk)
        for address in (OVERVIEW, LIST):
            with CaptureQueriesContext(connection) as queries:
                assert client.get(address).status_code == 200
            named = [query for query in queries if "id" in query["sql"] and str(deal.pk.hex) in query["sql"]]
            assert len(named) == 1


class TestTheList:
    @pytest.mark.parametrize("role", ["user", "manager", "admin", "super_admin"])
    def test_holds_ones_own(self, role, cast, colleague, admin_client_for):
        theirs, mine = NotificationFactory(user=colleague), NotificationFactory(user=cast[role])
        client = admin_client_for(cast[role])
        assert listed(client.get(LIST)) == [mine.pk]
        assert client.get(change(mine)).status_code == 200
        assert client.get(change(theirs)).status_code == 302

    def test_is_narrowed_to_the_read_or_the_unread(self, member, admin_client_for):
        read, unread = NotificationFactory(user=member, read_at=clock.now()), NotificationFactory(user=member)
        client = admin_client_for(member)
        assert listed(client.get(LIST, {"read": "yes"})) == [read.pk]
        assert listed(client.get(LIST, {"read": "no"})) == [unread.pk]
        assert set(listed(client.get(LIST))) == {read.pk, unread.pk}

    def test_leads_to_the_records(self, member, acme, admin_client_for):
        deal = DealFactory(tenant=acme)
        NotificationFactory(user=member, resource="crm.deal", record_id=deal.pk)
        assert f'href="{change(deal)}"' in admin_client_for(member).get(LIST).content.decode()

    @pytest.mark.parametrize("who", ["member", "root"])
    def test_selected_ones_are_marked_as_read(self, who, request, colleague, admin_client_for):
        person = request.getfixturevalue(who)
        rows = NotificationFactory.create_batch(3, user=person)
        theirs = NotificationFactory(user=colleague)
        selected = [str(row.pk) for row in (*rows[:2], theirs)]
        client = admin_client_for(person)
        answer = client.post(LIST, {"action": "mark_selected_as_read", "_selected_action": selected})
        assert said(answer) == "Marked 2 notifications as read."
        assert {pk for pk, row in stored().items() if row.read_at is None} == {rows[2].pk, theirs.pk}

    def test_a_page_has_nothing_to_save_and_no_history(self, admin, admin_client_for):
        row = NotificationFactory(user=admin)
        client = admin_client_for(admin)
        page = client.get(change(row)).content.decode()
        assert row.text in page and "_save" not in page and change(row, "history") not in page
        assert client.post(change(row), {"text": "Never mind"}).status_code == 403
        assert client.post(change(row, "delete"), {"post": "yes"}).headers["Location"] == LIST
        assert stored() == {}

    def test_long_texts_are_cut_in_lists_and_whole_on_their_page(self, member, admin_client_for):
        row, client = NotificationFactory(user=member, text="long " * 100), admin_client_for(member)
        assert row.text.strip() not in client.get(LIST).content.decode()
        assert row.text.strip() in client.get(change(row)).content.decode()


def test_what_hangs_on_a_person_is_counted_and_not_shown(admin, member, admin_client_for):
    NotificationFactory(user=member, text="Between us")
    page = admin_client_for(admin).get(change(member, "delete")).content.decode()
    assert "1 notification" in page and "Between us" not in page


def test_a_row_of_another_tenants_person_cannot_be(acme, mallory):
    with pytest.raises(IntegrityError), transaction.atomic(), tenant_scope(acme):
        Notification.objects.unpublished("test").bulk_create([Notification(tenant=acme, user_id=mallory.pk, text="Hi")])
        connection.check_constraints()
