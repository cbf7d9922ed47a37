"""Naming an address for a person oneself tells whether somebody has it: slowly, and not unseen."""

import threading
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connections
from procrastinate.contrib.django.models import ProcrastinateJob as Job

from apps.accounts.models import Attempt, AuditEvent, User
from apps.accounts.services.attempts import ADDRESS
from nexora.kernel import clock
from nexora.kernel.scope import tenant_scope, unscoped
from tests.admin_pages import change, errors, posted
from tests.factories import TenantFactory, UserFactory

USERS, ADD = "/api/v1/users/", "/admin/accounts/user/add/"
PASSWORD = "correct-horse-battery"
NOON = datetime(2026, 11, 26, 12, tzinfo=UTC)
REFUSED = "This address cannot be used."


def name(client, email, **values):
    return client.post(USERS, {"email": email, "name": "New Person", "password": PASSWORD, **values})


def add(browser, email, **values):
    body = {"name": "New Person", "email": email, "role": "user", "status": "active"}
    return browser.post(ADD, body | {"password1": PASSWORD, "password2": PASSWORD} | values)


def rename(client, person, email):
    return client.patch(f"{USERS}{person.pk}/", {"email": email})


def exhaust(client, taken):
    """All free refusals."""
    answers = [name(client, taken.email) for _ in range(ADDRESS.free)]
    assert [answer.status_code for answer in answers] == [409] * ADDRESS.free


def assert_must_wait(answer):
    assert (answer.status_code, answer.json()["code"]) == (429, "too_many_attempts")
    assert int(answer["Retry-After"]) > 0


def refusals(tenant):
    with tenant_scope(tenant):
        return list(AuditEvent.objects.filter(action="address_refused"))


@pytest.fixture
def client(admin, client_for):
    return client_for(admin)


@pytest.fixture
def browser(admin, admin_client_for):
    return admin_client_for(admin)


@pytest.fixture
def at_noon():
    with clock.frozen_at(NOON):
        yield


@pytest.mark.django_db
class TestARefusal:
    def test_is_the_same_wherever_the_address_is_taken(self, client, admin, member, mallory):
        for ask in (lambda email: name(client, email), lambda email: rename(client, admin, email)):
            here, elsewhere = ask(member.email), ask(mallory.email)
            assert here.status_code == elsewhere.status_code == 409
            assert here.content == elsewhere.content
            assert here.headers.keys() == elsewhere.headers.keys()

    def test_is_the_same_in_the_back_office_wherever_the_address_is_taken(self, browser, member, colleague, mallory):
        page = browser.get(change(member))

        def edit(email):
            return browser.post(change(member), posted(page, email=email))

        for ask in (lambda email: add(browser, email), edit):
            here, elsewhere = ask(colleague.email), ask(mallory.email)
            assert here.status_code == elsewhere.status_code == 200
            assert errors(here) == errors(elsewhere) == {"email": [REFUSED]}

    def test_tells_nothing_more_beside_another_mistake(self, browser, member, mallory):
        here, elsewhere = (add(browser, person.email, password2="another") for person in (member, mallory))
        assert errors(here) == errors(elsewhere) == {"password2": ["The two entries differ."]}
        assert refusals(member.tenant) == []

    def test_sends_no_mail(self, client, admin, member, mallory):
        for taken in (member, mallory):
            name(client, taken.email)
            rename(client, admin, taken.email)
        assert not Job.objects.exists()

    def test_stands_in_the_trail_without_the_address(self, client, browser, admin, acme, mallory):
        assert name(client, mallory.email, name="Nobody").status_code == 409
        assert rename(client, admin, mallory.email).status_code == 409
        assert add(browser, mallory.email).status_code == 200
        rows = refusals(acme)
        assert [(row.actor_id, row.record_id, row.record_label) for row in rows] == [(admin.pk, admin.pk, "Admin")] * 3
        assert all(row.changes == {} and row.ip_address == "127.0.0.1" for row in rows)
        with unscoped(reason="look"):
            assert not AuditEvent.objects.filter(action="created", resource="accounts.user").exists()
            assert User.objects.filter(email=mallory.email).count() == 1

    def test_of_anything_else_is_not_counted(self, client, browser, admin, acme):
        for _ in range(ADDRESS.free + 1):
            assert name(client, "free@acme.com", password="short").status_code == 400
            assert rename(client, admin, "no address").status_code == 400
            assert add(browser, "no address").status_code == 200
            leaving = client.patch(f"{USERS}{admin.pk}/", {"status": "inactive", "email": "another@acme.com"})
            assert leaving.json()["code"] == "last_admin"
        assert refusals(acme) == []
        assert name(client, "free@acme.com").status_code == 201


@pytest.mark.django_db
class TestAfterTheFreeRefusals:
    def test_a_free_and_a_taken_address_are_answered_alike(self, at_noon, client, admin, member, mallory, acme):
        exhaust(client, mallory)
        answers = [name(client, email) for email in (mallory.email, member.email, "free@acme.com")]
        answers += [rename(client, member, email) for email in (mallory.email, admin.email, "free@acme.com")]
        for answer in answers:
            assert_must_wait(answer)
            assert answer["Retry-After"] == answers[0]["Retry-After"]
            assert answer.json() | {"instance": None} == answers[0].json() | {"instance": None}
        assert len(refusals(acme)) == ADDRESS.free
        with tenant_scope(acme):
            assert not User.objects.filter(email="free@acme.com").exists()

    def test_the_back_office_answers_alike_as_well(self, at_noon, client, browser, member, colleague, mallory):
        exhaust(client, mallory)
        page = browser.get(change(member))
        answers = [add(browser, email) for email in (mallory.email, colleague.email, "free@acme.com")]
        answers += [
            browser.post(change(member), posted(page, email=email)) for email in (mallory.email, "free@acme.com")
        ]
        for answer in answers:
            assert (answer.status_code, answer["Retry-After"]) == (429, "2")
            assert errors(answer) == {"__all__": ["There were too many attempts. Try again in 2 seconds."]}

    def test_the_waits_grow(self, client, mallory):
        now, waits = NOON, []
        for _ in range(9):
            with clock.frozen_at(now):
                assert name(client, mallory.email).status_code == 409
                again = name(client, mallory.email)
                if again.status_code == 409:
                    continue
                assert_must_wait(again)
                waits.append(int(again["Retry-After"]))
                now += timedelta(seconds=waits[-1])
        assert waits == [2, 4, 8, 16, 32, 64, 128]

    def test_an_address_that_was_free_forgives_nothing(self, client, mallory):
        with clock.frozen_at(NOON):
            for number in range(ADDRESS.free):
                assert name(client, mallory.email).status_code == 409
                if number < ADDRESS.free - 1:
                    assert name(client, f"free{number}@acme.com").status_code == 201
            assert_must_wait(name(client, "free@acme.com"))
        with clock.frozen_at(NOON + timedelta(seconds=2)):
            assert name(client, "free@acme.com").status_code == 201
            assert name(client, mallory.email).status_code == 409
            assert int(name(client, mallory.email)["Retry-After"]) == 4

    def test_it_is_forgotten_after_a_day(self, client, mallory, acme):
        with clock.frozen_at(NOON):
            exhaust(client, mallory)
        with clock.frozen_at(NOON + timedelta(hours=23)):
            name(client, "free@acme.com")  # does not make the memory any longer
        with clock.frozen_at(NOON + timedelta(hours=25)):
            exhaust(client, mallory)
            assert_must_wait(name(client, mallory.email))

    def test_another_admin_of_the_organisation_has_no_more(self, client, client_for, acme, mallory):
        second = UserFactory(tenant=acme, role="admin")
        exhaust(client, mallory)
        assert_must_wait(name(client_for(second), "free@acme.com"))

    def test_another_organisation_is_not_affected(self, client, client_for, member, mallory):
        exhaust(client, mallory)
        assert name(client_for(mallory), "free@globex.com").status_code == 201
        assert name(client_for(mallory), member.email).status_code == 409

    def test_what_names_no_other_address_goes_on(self, client, browser, member, mallory):
        exhaust(client, mallory)
        address = f"{USERS}{member.pk}/"
        assert client.patch(address, {"name": "Renamed"}).status_code == 200
        assert client.patch(address, {"name": "Again", "email": member.email.upper()}).status_code == 200
        page = browser.get(change(member))
        assert browser.post(change(member), posted(page, status="suspended")).status_code == 302

    def test_invitations_go_on_and_tell_nothing(self, client, mallory):
        exhaust(client, mallory)
        answers = [client.post("/api/v1/invitations/", {"email": e}) for e in (mallory.email, "free@acme.com")]
        assert [answer.status_code for answer in answers] == [202, 202]

    def test_an_idempotency_key_opens_no_door(self, client, mallory):
        for _ in range(ADDRESS.free):
            assert name(client, mallory.email).status_code == 409
        body = {"email": "free@acme.com", "name": "New Person", "password": PASSWORD}
        assert_must_wait(client.post(USERS, body, HTTP_IDEMPOTENCY_KEY="a"))

    def test_a_super_admin_on_the_platform_goes_on(self, admin_client_for, root, acme, mallory):
        browser = admin_client_for(root)
        for _ in range(ADDRESS.free + 1):
            assert errors(add(browser, mallory.email, tenant=acme.pk)) == {"email": [REFUSED]}
        assert add(browser, "free@acme.com", tenant=acme.pk).status_code == 302
        with unscoped(reason="look"):
            assert not Attempt.objects.exists()


@pytest.mark.django_db
@pytest.mark.parametrize("values", [{"status": "suspended"}, {"role": "user"}], ids=["suspended", "demoted"])
def test_whose_account_has_changed_names_no_address(client, admin, acme, values):
    with tenant_scope(acme):
        User.objects.filter(pk=admin.pk).unpublished("test").update(**values)
    answer = name(client, "free@acme.com")
    assert (answer.status_code, answer.json()["code"]) == (401, "account_closed")


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("is_known", [False, True], ids=["nothing-counted", "one-counted"])
@pytest.mark.parametrize(("door", "told"), [("api", 409), ("admin", 200)], ids=["api", "admin"])
def test_of_twelve_at_once_only_the_free_ones_are_told(client_for, admin_client_for, door, told, is_known):
    acme = TenantFactory()
    admins = UserFactory.create_batch(2, tenant=acme, role="admin")
    taken = UserFactory(tenant=TenantFactory())
    free = ADDRESS.free
    if is_known:
        assert name(client_for(admins[0]), taken.email).status_code == 409
        free -= 1
    signed_in, ask = (client_for, name) if door == "api" else (admin_client_for, add)
    gate, outcomes = threading.Barrier(12), []

    def attempt(client):
        try:
            gate.wait()
            outcomes.append(ask(client, taken.email).status_code)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=attempt, args=[signed_in(admins[n % 2])]) for n in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == [told] * free + [429] * (12 - free)
    assert len(refusals(acme)) == ADDRESS.free
