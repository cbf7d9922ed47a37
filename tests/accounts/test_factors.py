"""The second factor, through the API: signing in with it and setting it up."""

import re
from urllib.parse import parse_qs, unquote, urlsplit

import pyotp
import pytest

from apps.accounts.models import SecondFactor
from apps.accounts.services import sealing
from nexora.kernel import clock
from nexora.kernel.scope import tenant_scope
from tests.accounts.factors import (
    CODES,
    CONFIRM,
    FACTOR,
    ME,
    REFRESH,
    REMOVE,
    STEP,
    TOKEN,
    actions,
    ask,
    code_of,
    enrol,
    outcome,
)
from tests.contracts.test_budgets import statements
from tests.factories import TOTP_SECRET, SecondFactorFactory, UserFactory

pytestmark = pytest.mark.django_db


class TestSignIn:
    def test_asks_for_the_code_once_the_password_is_right(self, api, enrolled):
        assert outcome(ask(api, TOKEN, enrolled)) == (401, "second_factor_required")
        assert outcome(ask(api, TOKEN, enrolled, "")) == (401, "second_factor_required")
        assert outcome(ask(api, TOKEN, enrolled, code_of())) == (200, None)

    @pytest.mark.parametrize("code", ["000000", "1", "x" * 40, "é", "٠٠٠٠٠٠", "0000-0000-0000-0000"])
    def test_refuses_a_wrong_code(self, api, enrolled, code):
        assert outcome(ask(api, TOKEN, enrolled, code)) == (401, "second_factor_invalid")

    def test_takes_a_code_with_a_space_as_apps_show_it(self, api, enrolled):
        code = code_of()
        assert ask(api, TOKEN, enrolled, f" {code[:3]} {code[3:]} ").status_code == 200

    def test_takes_the_codes_of_one_step_to_either_side_and_no_further(self, api, enrolled):
        with clock.frozen_at(clock.now()):
            for after, status in ((-2, 401), (2, 401), (-1, 200), (0, 200), (1, 200)):
                assert ask(api, TOKEN, enrolled, code_of(after=after)).status_code == status, after

    def test_takes_a_code_once(self, api, enrolled):
        now = clock.now()
        with clock.frozen_at(now):
            code = code_of()
            assert ask(api, TOKEN, enrolled, code).status_code == 200
            assert outcome(ask(api, TOKEN, enrolled, code)) == (401, "second_factor_invalid")
            assert ask(api, TOKEN, enrolled, code_of(after=-1)).status_code == 401, "older than the last one used"
        with clock.frozen_at(now + STEP):
            assert ask(api, TOKEN, enrolled, code).status_code == 401
            assert ask(api, TOKEN, enrolled, code_of()).status_code == 200

    def test_with_a_wrong_password_says_nothing_of_a_factor_and_leaves_the_code_unspent(
        self, api, enrolled, colleague, mallory
    ):
        with clock.frozen_at(clock.now()):
            said = {
                ask(api, address, person, code, password="wrong").content.replace(address.encode(), b"")
                for address in (TOKEN, FACTOR, CONFIRM, CODES, REMOVE)
                for person in (enrolled, colleague, mallory)
                for code in (code_of(), "000000")
            }
            assert len(said) == 2, "one sentence, until the account has to wait"
            assert {re.search(rb'"code":"(\w+)"', text)[1] for text in said} >= {b"invalid_credentials"}

    @pytest.mark.parametrize("address", [TOKEN, FACTOR, CONFIRM, CODES, REMOVE])
    def test_does_the_same_for_people_with_a_factor_without_and_unknown(self, api, acme, address):
        people = [UserFactory(tenant=acme), UserFactory(tenant=acme), UserFactory.build(tenant=acme)]
        SecondFactorFactory(user=people[0])
        costs = []
        for person in people:
            with statements() as found:
                assert ask(api, address, person, code_of(), password="wrong").status_code == 401
            costs.append([sql.split(" WHERE ")[0] for sql in found if "tenant_of_host" not in sql])
        assert costs[0] == costs[1] == costs[2]

    def test_a_secret_that_no_key_opens_is_a_wrong_code_and_recovery_codes_still_work(self, api, member, settings):
        _, codes = enrol(api, member)
        settings.SECRET_KEY = "another"
        assert outcome(ask(api, TOKEN, member, "123456")) == (401, "second_factor_invalid")
        assert ask(api, TOKEN, member, codes[0]).status_code == 200

    def test_seals_anew_with_the_key_of_now(self, api, enrolled, settings):
        settings.SECRET_KEY_FALLBACKS, settings.SECRET_KEY = [settings.SECRET_KEY], "another"
        assert ask(api, TOKEN, enrolled, code_of()).status_code == 200
        settings.SECRET_KEY_FALLBACKS = []
        with tenant_scope(enrolled.tenant):
            assert sealing.unseal(SecondFactor.objects.get().secret) == TOTP_SECRET


class TestGuessing:
    def test_with_the_right_password_meets_growing_waits(self, api, enrolled):
        with clock.frozen_at(clock.now()):
            answers = [outcome(ask(api, TOKEN, enrolled, f"{n:06}")) for n in range(7)]
            assert answers[:5] == [(401, "second_factor_invalid")] * 5
            assert answers[5:] == [(429, "too_many_attempts")] * 2
            assert ask(api, TOKEN, enrolled, code_of()).status_code == 429, "the right one waits, too"

    def test_is_not_forgiven_by_asking_without_a_code(self, api, enrolled):
        with clock.frozen_at(clock.now()):
            for _ in range(5):
                assert ask(api, TOKEN, enrolled).status_code == 401
            assert ask(api, TOKEN, enrolled, code_of()).status_code == 429

    @pytest.mark.parametrize("address", [FACTOR, CONFIRM, CODES, REMOVE])
    def test_waits_at_every_door(self, api, enrolled, address):
        with clock.frozen_at(clock.now()):
            codes = [outcome(ask(api, address, enrolled, f"{n:06}"))[0] for n in range(6)]
        assert codes[-1] == 429
        assert 200 not in codes

    def test_a_right_code_forgives(self, api, enrolled):
        with clock.frozen_at(clock.now()):
            for _ in range(4):
                ask(api, TOKEN, enrolled, "000000")
            assert ask(api, TOKEN, enrolled, code_of()).status_code == 200
            for _ in range(4):
                assert ask(api, TOKEN, enrolled, "000000").status_code == 401


class TestSettingUp:
    def test_answers_secret_address_and_qr_then_codes_and_a_session(self, api, member, acme):
        started = ask(api, FACTOR, member)
        secret, uri, qr = (started.json()[name] for name in ("secret", "uri", "qr"))
        parts = urlsplit(uri)
        assert (parts.scheme, parts.netloc, unquote(parts.path)) == ("otpauth", "totp", "/Acme Corp:user@acme.com")
        assert parse_qs(parts.query)["secret"] == [secret]
        assert qr.startswith("data:image/svg+xml")
        confirmed = ask(api, CONFIRM, member, code_of(secret))
        assert started["Cache-Control"] == confirmed["Cache-Control"] == "no-store"
        body = confirmed.json()
        assert len({*body["recovery_codes"]}) == 10
        assert all(re.fullmatch(r"([0-9a-hjkmnp-tv-z]{4}-){3}[0-9a-hjkmnp-tv-z]{4}", c) for c in body["recovery_codes"])
        me = api.get(ME, headers={"authorization": f"Bearer {body['access']}"}).json()
        assert (me["second_factor"], me["recovery_codes_left"]) == (True, 10)
        assert api.post(REFRESH, {"refresh": body["refresh"]}).status_code == 200

    def test_is_not_in_force_before_it_is_confirmed(self, api, member, client_for):
        ask(api, FACTOR, member)
        assert ask(api, TOKEN, member).status_code == 200
        assert client_for(member).get(ME).json()["second_factor"] is False

    def test_needs_a_code_of_the_new_secret(self, api, member):
        secret = ask(api, FACTOR, member).json()["secret"]
        for code in ("000000", code_of(pyotp.random_base32()), code_of(secret, after=3)):
            assert outcome(ask(api, CONFIRM, member, code)) == (401, "second_factor_invalid")
        assert ask(api, CONFIRM, member, code_of(secret)).status_code == 200

    def test_must_have_begun(self, api, member):
        assert outcome(ask(api, CONFIRM, member, "000000")) == (409, "second_factor_not_started")
        enrol(api, member)
        assert outcome(ask(api, CONFIRM, member, "000000")) == (409, "second_factor_not_started")

    def test_begins_with_a_new_secret_every_time(self, api, member):
        """Whoever else knows the password would know the first one."""
        first, second = (ask(api, FACTOR, member).json()["secret"] for _ in range(2))
        assert ask(api, CONFIRM, member, code_of(first)).status_code == 401
        assert ask(api, CONFIRM, member, code_of(second)).status_code == 200

    def test_the_code_that_confirmed_it_is_spent(self, api, member):
        with clock.frozen_at(clock.now()):
            secret, _ = enrol(api, member)
            assert ask(api, TOKEN, member, code_of(secret)).status_code == 401

    def test_a_new_phone_needs_a_code_of_the_old_one_which_stays_in_force_until_then(self, api, member):
        now = clock.now()
        with clock.frozen_at(now):
            old, _ = enrol(api, member)
            assert outcome(ask(api, FACTOR, member)) == (401, "second_factor_required")
            assert outcome(ask(api, FACTOR, member, "000000")) == (401, "second_factor_invalid")
        with clock.frozen_at(now + 2 * STEP):
            new = ask(api, FACTOR, member, code_of(old)).json()["secret"]
            assert ask(api, TOKEN, member, code_of(new)).status_code == 401
            assert ask(api, TOKEN, member, code_of(old, after=1)).status_code == 200
            assert ask(api, CONFIRM, member, code_of(new)).status_code == 200
        with clock.frozen_at(now + 6 * STEP):
            assert ask(api, TOKEN, member, code_of(old)).status_code == 401
            assert ask(api, TOKEN, member, code_of(new)).status_code == 200
        assert "second_factor_replaced" in actions(member.tenant)

    def test_leaves_the_sessions_there_are(self, api, member):
        refresh = ask(api, TOKEN, member).json()["refresh"]
        enrol(api, member)
        assert api.post(REFRESH, {"refresh": refresh}).status_code == 200
