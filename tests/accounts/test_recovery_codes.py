"""Recovery codes, what is stored of any secret, and what happens at once."""

import threading

import pytest
from django.db import connection, connections
from rest_framework.test import APIClient

from apps.accounts.models import RecoveryCode, SecondFactor
from apps.accounts.services import attempts, factors, sealing
from nexora.kernel.scope import tenant_scope, unscoped
from tests.accounts.factors import CODES, FACTOR, ME, TOKEN, actions, ask, code_of, enrol, outcome, trail
from tests.factories import SecondFactorFactory, TenantFactory, UserFactory

pytestmark = pytest.mark.django_db


class TestRecoveryCodes:
    @pytest.mark.parametrize(
        "typed",
        [str.upper, lambda code: code.replace("-", ""), lambda code: f" {code.replace('-', ' ')} ",
         lambda code: code.replace("0", "O").replace("1", "l")],
    )  # fmt: skip
    def test_work_once_however_they_are_typed(self, api, member, typed):
        _, codes = enrol(api, member)
        for code in codes:
            assert ask(api, TOKEN, member, typed(code)).status_code == 200
            assert outcome(ask(api, TOKEN, member, code)) == (401, "second_factor_invalid")
        used = [event for event in trail(member.tenant) if event.action == "recovery_code_used"]
        assert [event.changes for event in used] == [{"left": [None, left]} for left in range(9, -1, -1)]
        assert {event.actor_id for event in used} == {member.pk}

    def test_made_anew_void_the_old_ones(self, api, member, client_for):
        _, old = enrol(api, member)
        ask(api, TOKEN, member, old[0])
        assert client_for(member).get(ME).json()["recovery_codes_left"] == 9
        answer = ask(api, CODES, member, old[1])
        new = answer.json()["recovery_codes"]
        assert answer["Cache-Control"] == "no-store"
        assert len(new) == 10
        assert not {*old} & {*new}
        assert ask(api, TOKEN, member, old[2]).status_code == 401
        assert ask(api, TOKEN, member, new[0]).status_code == 200
        assert "recovery_codes_renewed" in actions(member.tenant)

    def test_are_of_one_person(self, api, member, colleague):
        _, codes = enrol(api, member)
        enrol(api, colleague)
        assert ask(api, TOKEN, colleague, codes[0]).status_code == 401

    def test_need_a_factor(self, api, member):
        assert outcome(ask(api, CODES, member, "000000")) == (409, "no_second_factor")


def test_no_secret_stands_anywhere_in_clear(api, member, admin, client_for, caplog):
    """In no row of any table, no log line, no event and no repr."""
    caplog.set_level("DEBUG")
    secret, codes = enrol(api, member)
    used = code_of(secret, after=1)
    assert ask(api, TOKEN, member, used).status_code == 200
    renewed = ask(api, CODES, member, codes[0]).json()["recovery_codes"]
    pending = ask(api, FACTOR, member, renewed[0]).json()["secret"]
    with unscoped(reason="look"):
        rows = list(all_rows())
        factor = SecondFactor.objects.get()
    rows += [
        caplog.text,
        repr(factor),
        str(factor),
        repr(RecoveryCode()),
        repr(factors.Enrolment("s3cret", "s3cret", "")),
    ]
    text = "\n".join(rows).lower()
    assert str(member.pk) in text
    for clear in (secret, pending, "s3cret", *codes, *renewed, *(code.replace("-", "") for code in codes + renewed)):
        assert clear.lower() not in text
    assert sealing.unseal(factor.pending_secret) == pending


def all_rows():
    """Every row, as text, of every table that web and worker can read."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT oid::regclass::text FROM pg_class WHERE relkind IN ('r', 'p') AND NOT relispartition "
            "AND relnamespace = 'public'::regnamespace AND has_table_privilege(oid, 'SELECT')"
        )
        for (table,) in cursor.fetchall():
            cursor.execute(f"SELECT t::text FROM {table} t")
            yield from (row for (row,) in cursor.fetchall())


def test_a_person_who_goes_takes_factor_and_codes_along(api, member, admin, client_for):
    enrol(api, member)
    assert client_for(admin).delete(f"/api/v1/users/{member.pk}/").status_code == 204
    with unscoped(reason="look"):
        assert not SecondFactor.objects.exists()
        assert not RecoveryCode.objects.exists()


def at_once(count, act):
    gate, outcomes = threading.Barrier(count), []

    def run(number):
        try:
            gate.wait()
            outcomes.append(act(number))
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=[number]) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sorted(outcomes)


@pytest.fixture
def committed():
    """(tenant, person) with a second factor, seen by other connections."""
    acme = TenantFactory(subdomain="acme")
    member = UserFactory(tenant=acme)
    SecondFactorFactory(user=member)
    return acme, member


@pytest.mark.django_db(transaction=True)
def test_of_two_uses_of_a_recovery_code_at_once_one_wins(committed):
    acme, member = committed
    with tenant_scope(acme):
        codes = factors._new_recovery_codes(member)
    for code in codes[:5]:
        answers = at_once(
            2, lambda _, code=code: ask(APIClient(HTTP_HOST="acme.localhost"), TOKEN, member, code).status_code
        )
        assert answers == [200, 401]


@pytest.mark.django_db(transaction=True)
def test_of_four_uses_of_a_time_code_at_once_one_wins(committed):
    _, member = committed
    code = code_of()
    answers = at_once(4, lambda _: ask(APIClient(HTTP_HOST="acme.localhost"), TOKEN, member, code).status_code)
    assert answers == [200, 401, 401, 401]


@pytest.mark.django_db(transaction=True)
def test_of_many_guesses_at_once_no_more_get_through_than_one_after_another(committed):
    acme, member = committed
    with tenant_scope(acme):
        for _ in range(attempts.SIGN_IN.free - 1):
            attempts.begin(attempts.SIGN_IN, account=member.email)
    answers = at_once(8, lambda n: ask(APIClient(HTTP_HOST="acme.localhost"), TOKEN, member, f"{n:06}").status_code)
    assert answers == [401] + [429] * 7
