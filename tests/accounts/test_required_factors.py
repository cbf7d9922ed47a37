"""Who may be without a second factor: removal, reset by an admin, and organisations that require one."""

import pytest
from rest_framework.test import APIClient

from apps.accounts.models import RecoveryCode, SecondFactor
from apps.accounts.services import factors
from apps.tenants.models import Tenant
from nexora.kernel.scope import tenant_scope, unscoped
from tests.accounts.factors import FACTOR, REFRESH, REMOVE, TOKEN, actions, ask, code_of, enrol, outcome, require, trail
from tests.factories import SecondFactorFactory

pytestmark = pytest.mark.django_db


class TestRemoval:
    def test_needs_a_code_and_leaves_nothing(self, api, member):
        _, codes = enrol(api, member)
        assert outcome(ask(api, REMOVE, member, "000000")) == (401, "second_factor_invalid")
        assert ask(api, REMOVE, member, codes[0]).status_code == 204
        assert ask(api, TOKEN, member).status_code == 200
        with tenant_scope(member.tenant):
            assert not SecondFactor.objects.exists()
            assert not RecoveryCode.objects.exists()
        assert "second_factor_removed" in actions(member.tenant)

    def test_is_refused_where_the_organisation_requires_one(self, api, enrolled, strict):
        assert outcome(ask(api, REMOVE, enrolled, code_of())) == (409, "second_factor_mandatory")
        assert ask(api, TOKEN, enrolled, code_of()).status_code == 200, "the code is unspent"


class TestReset:
    @staticmethod
    def address(user):
        return f"/api/v1/users/{user.pk}/reset-second-factor/"

    def test_by_an_admin_takes_it_away_and_ends_the_sessions(self, api, enrolled, admin, client_for):
        refresh = ask(api, TOKEN, enrolled, code_of()).json()["refresh"]
        assert client_for(admin).post(self.address(enrolled)).status_code == 204
        assert outcome(api.post(REFRESH, {"refresh": refresh})) == (401, "session_ended")
        assert ask(api, TOKEN, enrolled).status_code == 200
        (event,) = [event for event in trail(enrolled.tenant) if event.action == "second_factor_reset"]
        assert (event.actor_id, event.record_id, event.changes) == (admin.pk, enrolled.pk, {})

    def test_of_nothing_is_no_event_and_ends_no_session(self, api, member, admin, client_for):
        refresh = ask(api, TOKEN, member).json()["refresh"]
        assert client_for(admin).post(self.address(member)).status_code == 204
        assert api.post(REFRESH, {"refresh": refresh}).status_code == 200
        assert "second_factor_reset" not in actions(member.tenant)

    @pytest.mark.parametrize("role", ["guest", "user", "manager", "admin"])
    def test_is_nobodys_of_their_own(self, role, cast, client_for):
        SecondFactorFactory(user=cast[role])
        assert outcome(client_for(cast[role]).post(self.address(cast[role]))) == (403, "permission_denied")
        with unscoped(reason="look"):
            assert SecondFactor.objects.count() == 1


class TestWhereTheOrganisationRequiresOne:
    def test_a_person_without_one_is_led_to_it(self, api, member, strict):
        answer = ask(api, TOKEN, member)
        assert outcome(answer) == (401, "second_factor_enrolment_required")
        assert FACTOR in answer.json()["detail"]
        enrol(api, member)
        assert outcome(ask(api, TOKEN, member)) == (401, "second_factor_required")

    def test_a_wrong_password_does_not_tell(self, api, member, strict):
        assert outcome(ask(api, TOKEN, member, password="wrong")) == (401, "invalid_credentials")

    def test_a_session_of_before_ends_at_its_next_refresh(self, api, member, enrolled, colleague, acme):
        mine = ask(api, TOKEN, colleague).json()["refresh"]
        other = ask(api, TOKEN, enrolled, code_of()).json()["refresh"]
        require(acme)
        assert outcome(api.post(REFRESH, {"refresh": mine})) == (401, "second_factor_enrolment_required")
        assert outcome(api.post(REFRESH, {"refresh": mine})) == (401, "session_ended")
        assert api.post(REFRESH, {"refresh": other}).status_code == 200

    def test_one_that_is_being_set_up_is_none(self, api, member, acme):
        refresh = ask(api, TOKEN, member).json()["refresh"]
        ask(api, FACTOR, member)
        require(acme)
        assert ask(api, TOKEN, member).status_code == 401
        assert api.post(REFRESH, {"refresh": refresh}).status_code == 401

    @pytest.mark.parametrize("settings", [None, {}, [], {"require_second_factor": False}, {"other": True}])
    def test_other_settings_require_none(self, api, member, acme, settings):
        with unscoped(reason="test data"):
            Tenant.objects.filter(pk=acme.pk).unpublished("test data").update(settings=settings)
        tokens = ask(api, TOKEN, member)
        assert tokens.status_code == 200
        assert api.post(REFRESH, {"refresh": tokens.json()["refresh"]}).status_code == 200

    def test_its_admins_say_so_in_the_api(self, api, admin, acme, client_for):
        address = f"/api/v1/tenants/{acme.pk}/"
        assert client_for(admin).patch(address, {"settings": {"require_second_factor": True}}).status_code == 200
        assert ask(api, TOKEN, admin).status_code == 401
        for wrong in ("yes", 1, None, []):
            answer = client_for(admin).patch(address, {"settings": {"require_second_factor": wrong}})
            assert answer.status_code == 400, wrong
            assert answer.json()["errors"].keys() == {"settings"}

    def test_the_platform_may_require_one_of_its_own_people(self, root, platform, client_for):
        address = f"/api/v1/tenants/{platform.pk}/"
        assert client_for(root).patch(address, {"settings": {"require_second_factor": True}}).status_code == 200
        api = APIClient(HTTP_HOST="localhost")
        assert ask(api, TOKEN, root).status_code == 401
        enrol(api, root)
        require(platform, value=False)

    def test_who_opens_a_session_elsewhere_asks_the_same(self, member, strict):
        with tenant_scope(strict), pytest.raises(factors.SecondFactorEnrolmentRequired):
            factors.ensure_second_factor(user=member)
