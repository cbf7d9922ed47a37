"""Keys of programs at work: who acts, what is noted, and what stops them."""

import threading
from datetime import timedelta

import pytest
from django.db import connection, connections

from apps.accounts.models import APIKey, AuditEvent
from apps.accounts.services.keys import revoke_key
from apps.crm.models import Customer
from nexora.kernel import clock
from nexora.kernel.scope import tenant_scope, unscoped
from tests.accounts.test_keys import CUSTOMERS, KEYS, ME, assert_problem, assert_useless, program
from tests.contracts.test_budgets import statements
from tests.factories import APIKeyFactory, CustomerFactory, RefreshTokenFactory, UserFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def stored():
    def get(key_id):
        with unscoped(reason="look"):
            return APIKey.objects.get(pk=key_id)

    return get


class TestUse:
    def test_it_says_who_acts_and_within_which_scopes(self, manager):
        key = APIKeyFactory(user=manager, scopes=["crm.deal:write", "crm.customer:read"])
        me = program(key.text).get(ME).json()
        assert (me["id"], me["scopes"]) == (str(manager.pk), ["crm.customer:read", "crm.deal:write"])
        assert me["permissions"] == {
            "crm.customer": {"view": "all"},
            "crm.deal": {"view": "all", "create": "all", "update": "all", "delete": "all"},
        }

    def test_a_person_has_no_scopes(self, manager, client_for):
        assert client_for(manager).get(ME).json()["scopes"] is None

    def test_the_trail_names_person_and_key(self, manager, acme):
        key = APIKeyFactory(user=manager, name="Importer", scopes=["crm.customer:write"])
        made = program(key.text).post(CUSTOMERS, {"name": "Ada"})
        assert made.json()["created_by"] == str(manager.pk)
        with tenant_scope(acme):
            event = AuditEvent.objects.get()
        assert (event.actor_id, event.actor_label) == (manager.pk, "Manager (key Importer)")
        assert event.ip_address == "127.0.0.1"

    def test_of_long_names_the_keys_is_not_cut_off(self, acme):
        person = UserFactory(tenant=acme, role="manager", name="x" * 255)
        key = APIKeyFactory(user=person, name="y" * 100, scopes=["crm.customer:write"])
        assert program(key.text).post(CUSTOMERS, {"name": "Ada"}).status_code == 201
        with tenant_scope(acme):
            assert AuditEvent.objects.get().actor_label.endswith(f"(key {'y' * 100})")

    def test_a_request_costs_one_statement_more_than_a_persons(self, manager, client_for):
        key = APIKeyFactory(user=manager, scopes=["*:write"])
        customers = [CustomerFactory(tenant=manager.tenant) for _ in range(3)]
        costs = {}
        for client in (client_for(manager), program(key.text)):
            client.get(CUSTOMERS)  # the host and the token are known from here on, the use is noted
            goes = customers.pop()
            for verb, address in (
                ("get", CUSTOMERS),
                ("get", f"{CUSTOMERS}{customers[0].pk}/"),
                ("post", CUSTOMERS),
                ("delete", f"{CUSTOMERS}{goes.pk}/"),
            ):
                with statements() as found:
                    answer = getattr(client, verb)(address, {"name": "Ada"} if verb == "post" else None)
                assert answer.status_code < 300
                costs.setdefault((verb, address == CUSTOMERS), []).append(len(found))
        assert all(program == person + 1 for person, program in costs.values()), costs

    def test_the_last_use_is_written_at_most_once_a_minute(self, manager, stored):
        key = APIKeyFactory(user=manager)
        client, start = program(key.text), clock.now()
        for seconds, noted in ((0, 0), (59, 0), (60, 60), (61, 60), (119, 60), (3600, 3600)):
            with clock.frozen_at(start + timedelta(seconds=seconds)):
                client.get(CUSTOMERS)
            assert stored(key.pk).last_used_at == start + timedelta(seconds=noted)
        assert stored(key.pk).last_used_ip == "127.0.0.1"
        with unscoped(reason="look"):
            assert not AuditEvent.objects.exists(), "a use is no edit"

    def test_a_use_that_another_process_has_just_noted_is_not_noted_again(self, manager, acme, stored):
        from apps.accounts.services.keys import find_holder, note_use

        key, start = APIKeyFactory(user=manager), clock.now()
        with tenant_scope(acme):
            both = [find_holder(text=key.text) for _ in range(2)]
            with clock.frozen_at(start):
                note_use(holder=both[0], address="192.0.2.1")
            with clock.frozen_at(start + timedelta(seconds=5)):
                note_use(holder=both[1], address="192.0.2.2")
        assert (stored(key.pk).last_used_at, stored(key.pk).last_used_ip) == (start, "192.0.2.1")

    def test_a_refused_use_is_a_use_and_a_useless_one_is_none(self, manager, stored):
        key = APIKeyFactory(user=manager)
        program(key.text).post(CUSTOMERS, {"name": "Ada"})
        assert stored(key.pk).last_used_at
        gone = APIKeyFactory(user=manager, revoked_at=clock.now())
        assert_useless(gone.text)
        assert stored(gone.pk).last_used_at is None


class TestWhatDoesNotWork:
    def test_says_the_same_whatever_the_reason(self, acme, mallory, member):
        now = clock.now()
        suspended, inactive = (UserFactory(tenant=acme, status=status) for status in ("suspended", "inactive"))
        said = {
            assert_useless(text)
            for text in (
                "nxk_" + "x" * 43,
                "nxk_",
                "nxk_é",
                "nxk_\x00",
                "nxk_" + "x" * 10_000,
                APIKeyFactory(user=member, revoked_at=now).text,
                APIKeyFactory(user=member, expires_at=now).text,
                APIKeyFactory(user=suspended).text,
                APIKeyFactory(user=inactive).text,
                APIKeyFactory(user=mallory).text,
            )
        }
        assert len(said) == 1

    def test_on_another_tenants_host(self, member, globex):
        key = APIKeyFactory(user=member)
        assert program(key.text).get(ME).status_code == 200
        assert_useless(key.text, host="globex.localhost")
        assert_useless(key.text, host="localhost")

    def test_the_hash_of_a_key_is_no_key(self, member, stored):
        key = APIKeyFactory(user=member)
        assert program(stored(key.pk).token).get(ME).json()["code"] == "token_not_valid"
        assert_useless(f"nxk_{stored(key.pk).token}")

    def test_it_expires_to_the_second(self, member):
        key = APIKeyFactory(user=member, expires_at=clock.now() + timedelta(days=1))
        with clock.frozen_at(key.expires_at - timedelta(seconds=1)):
            assert program(key.text).get(ME).status_code == 200
        with clock.frozen_at(key.expires_at):
            assert_useless(key.text)

    def test_it_stops_when_it_is_revoked_and_stays_listed(self, member, client_for, acme):
        key, client = APIKeyFactory(user=member), client_for(member)
        assert program(key.text).get(ME).status_code == 200
        for _ in range(2):
            assert client.delete(f"{KEYS}{key.pk}/").status_code == 204
        assert_useless(key.text)
        (row,) = client.get(KEYS).json()["results"]
        assert row["revoked_at"]
        with tenant_scope(acme):
            (event,) = AuditEvent.objects.all()
        assert event.changes.keys() == {"revoked_at"}

    def test_it_stops_with_its_person_and_comes_back_with_them(self, admin, member, client_for):
        key, address, client = APIKeyFactory(user=member), f"/api/v1/users/{member.pk}/", client_for(admin)
        assert client.patch(address, {"status": "suspended"}).status_code == 200
        assert_useless(key.text)
        assert client.patch(address, {"status": "active"}).status_code == 200
        assert program(key.text).get(ME).status_code == 200

    def test_it_goes_with_its_person(self, admin, member, client_for, acme):
        key = APIKeyFactory(user=member)
        assert client_for(admin).delete(f"/api/v1/users/{member.pk}/").status_code == 204
        assert_useless(key.text)
        with tenant_scope(acme):
            assert not APIKey.objects.exists()
            assert AuditEvent.objects.get(action="deleted").children["api_keys"] == 1

    def test_it_has_the_new_role_of_its_person_at_once(self, admin, manager, acme, client_for):
        key = APIKeyFactory(user=manager, scopes=["crm.customer:write"])
        ada = CustomerFactory(tenant=acme)
        client, address = program(key.text), f"{CUSTOMERS}{ada.pk}/"
        assert client.patch(address, {"name": "Bob"}).status_code == 200
        for role, status in (("user", 403), ("guest", 403), ("admin", 200)):
            assert client_for(admin).patch(f"/api/v1/users/{manager.pk}/", {"role": role}).status_code == 200
            assert client.patch(address, {"name": role}).status_code == status
            assert client.get(address).status_code == 200


class TestPeopleOnly:
    def test_a_program_does_not_sign_its_person_out(self, member, acme):
        RefreshTokenFactory(user=member)
        answer = program(APIKeyFactory(user=member, scopes=["*:write"]).text).post("/api/v1/auth/token/logout-all/")
        assert_problem(answer, 403, "people_only")
        with tenant_scope(acme):
            assert member.refresh_tokens.count() == 1

    def test_every_view_that_knows_its_caller_says_whether_programs_may(self):
        """Of what is no record's viewset: those have the policy."""
        from django.urls import get_resolver
        from rest_framework.views import APIView

        from apps.accounts.views.base import IsPerson
        from nexora.kernel.api.viewsets import TenantRecords

        open_to_programs = {"MeView"}
        found = {}

        def walk(patterns):
            for pattern in patterns:
                if hasattr(pattern, "url_patterns"):
                    walk(pattern.url_patterns)
                view = getattr(pattern.callback, "cls", None) if hasattr(pattern, "callback") else None
                if view and issubclass(view, APIView) and not issubclass(view, TenantRecords):
                    found[view.__name__] = view

        walk(get_resolver().url_patterns)
        asks = {name for name, view in found.items() if view.authentication_classes}
        assert "LogoutAllView" in asks
        assert {name for name in asks if IsPerson not in found[name].permission_classes} == open_to_programs

    def test_nobody_works_across_organisations_by_key(self, root):
        key = APIKeyFactory(user=root, scopes=["*:write"])
        assert program(key.text, host="localhost").get(ME).status_code == 200
        answer = program(key.text, host="localhost").get("/api/v1/tenants/")
        assert_problem(answer, 403, "people_only")


@pytest.mark.django_db(transaction=True)
def test_a_key_that_is_revoked_while_it_is_used_works_no_more_once_that_is_committed():
    person = UserFactory(role="manager")
    key = APIKeyFactory(user=person, scopes=["crm.customer:write"])
    host = f"{person.tenant.subdomain}.localhost"
    started, revoked, after = threading.Event(), threading.Event(), []

    def use():
        try:
            while True:
                was_revoked = revoked.is_set()
                status = program(key.text, host=host).post(CUSTOMERS, {"name": "Ada"}).status_code
                started.set()
                if was_revoked:
                    after.append(status)
                    return
                assert status in (201, 401)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=use) for _ in range(4)]
    [thread.start() for thread in threads]
    assert started.wait(30)
    with tenant_scope(person.tenant_id):
        revoke_key(key=key)
        revoked.set()
    [thread.join() for thread in threads]
    assert after == [401] * 4
    with tenant_scope(person.tenant_id):
        made = Customer.objects.count()
        assert AuditEvent.objects.filter(resource="crm.customer").count() == made > 0


@pytest.mark.django_db(transaction=True)
def test_of_uses_at_once_one_is_noted():
    person = UserFactory(role="manager")
    key, host = APIKeyFactory(user=person), f"{person.tenant.subdomain}.localhost"
    barrier, written, statuses = threading.Barrier(6), [], []

    def use():
        def watch(execute, sql, params, many, context):
            result = execute(sql, params, many, context)
            if sql.startswith("UPDATE"):
                written.append(context["cursor"].rowcount)
            return result

        try:
            with connection.execute_wrapper(watch):
                barrier.wait()
                statuses.append(program(key.text, host=host).get(CUSTOMERS).status_code)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=use) for _ in range(6)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert statuses == [200] * 6
    assert sum(written) == 1


def test_revoking_twice_keeps_the_first_moment(member, acme):
    key = APIKeyFactory(user=member)
    with tenant_scope(acme):
        first = revoke_key(key=key).revoked_at
        with clock.frozen_at(clock.now() + timedelta(hours=1)):
            assert revoke_key(key=key).revoked_at == first
