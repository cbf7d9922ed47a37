"""The second factor in the back office: sign-in in two steps, one's own page, and the reset by an admin."""

import re
from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse

from apps.accounts.models import AuditEvent, RefreshToken, SecondFactor, User
from apps.accounts.services import factors
from apps.tenants.models import Tenant
from nexora.kernel import clock
from nexora.kernel.scope import tenant_scope, unscoped
from tests.accounts.factors import code_of, require
from tests.admin_pages import change, posted, said
from tests.factories import PASSWORD, RefreshTokenFactory, SecondFactorFactory, UserFactory

pytestmark = pytest.mark.django_db

LOGIN, CODE, SET_UP, OWN, INDEX = (
    "/admin/login/",
    "/admin/login/code/",
    "/admin/login/set-up/",
    "/admin/second-factor/",
    "/admin/",
)


@pytest.fixture
def browser(acme):
    return Client(HTTP_HOST="acme.localhost")


def first_step(browser, user, onwards="", password=PASSWORD):
    where = f"{LOGIN}?next={onwards}" if onwards else LOGIN
    return browser.post(where, {"username": user.email, "password": password})


def is_signed_in(browser):
    return "_auth_user_id" in browser.session


def shown_secret(page):
    """(secret, reference) of a page with a QR code."""
    text = page.content.decode()
    return re.search(r"nx-key[^>]*>([A-Z2-7]{32})<", text)[1], re.search(r'name="reference" value="([^"]+)"', text)[1]


def shown_codes(page):
    return re.findall(r"<li>((?:[0-9a-z]{4}-){3}[0-9a-z]{4})</li>", page.content.decode())


def actions(tenant):
    with tenant_scope(tenant):
        return list(AuditEvent.objects.order_by("created_at").values_list("action", flat=True))


class TestTwoSteps:
    def test_after_the_password_comes_the_code_and_nobody_is_signed_in_between(self, browser, enrolled):
        assert first_step(browser, enrolled, "/admin/crm/deal/").headers["Location"] == CODE
        assert browser.session["second_step"].keys() == {"user", "hash", "at", "next"}
        assert set(browser.session.keys()) == {"second_step"}
        assert browser.get(INDEX).status_code == 302
        page = browser.get(CODE)
        assert page.status_code == 200
        assert "no-store" in page.headers["Cache-Control"]
        before = browser.session.session_key
        answer = browser.post(CODE, {"code": code_of()})
        assert answer.headers["Location"] == "/admin/crm/deal/"
        assert browser.get(INDEX).status_code == 200
        assert browser.session.session_key != before
        assert "second_step" not in browser.session
        assert actions(enrolled.tenant) == ["signed_in"]

    def test_a_recovery_code_works_too_and_once(self, browser, enrolled):
        with tenant_scope(enrolled.tenant):
            codes = factors._new_recovery_codes(enrolled)
        first_step(browser, enrolled)
        assert browser.post(CODE, {"code": codes[0].upper()}).status_code == 302
        other = Client(HTTP_HOST="acme.localhost")
        first_step(other, enrolled)
        assert "was used before" in other.post(CODE, {"code": codes[0]}).content.decode()
        assert not is_signed_in(other)

    def test_a_wrong_code_is_said_and_counted(self, browser, enrolled):
        with clock.frozen_at(clock.now()):
            first_step(browser, enrolled)
            pages = [browser.post(CODE, {"code": f"{n:06}"}).content.decode() for n in range(5)]
            assert ["This code is wrong" in page for page in pages] == [True] * 4 + [False]
            assert "too many attempts" in pages[-1]
            assert "too many attempts" in browser.post(CODE, {"code": code_of()}).content.decode()
            assert not is_signed_in(browser)

    def test_a_wrong_password_leads_nowhere(self, browser, enrolled):
        assert "No active account" in first_step(browser, enrolled, password="wrong").content.decode()
        assert browser.get(CODE).headers["Location"] == LOGIN

    @pytest.mark.parametrize("page", [CODE, SET_UP])
    def test_the_second_step_alone_is_no_way_in(self, browser, enrolled, page):
        assert browser.get(page).headers["Location"] == LOGIN
        assert browser.post(page, {"code": code_of()}).headers["Location"] == LOGIN
        assert not is_signed_in(browser)

    def test_it_has_five_minutes(self, browser, enrolled):
        now = clock.now()
        first_step(browser, enrolled)
        with clock.frozen_at(now + timedelta(minutes=4, seconds=55)):
            assert browser.get(CODE).status_code == 200
        with clock.frozen_at(now + timedelta(minutes=5, seconds=5)):
            late = browser.post(CODE, {"code": code_of()})
            assert late.headers["Location"] == LOGIN
            assert "took too long" in said(late)
            assert not is_signed_in(browser)
        assert browser.get(CODE).status_code == 302

    @pytest.mark.parametrize("onwards", ["https://evil.example/", "//evil.example", "javascript:alert(1)", "\\\\evil"])
    def test_leads_to_no_other_host(self, browser, enrolled, onwards):
        first_step(browser, enrolled, onwards)
        assert browser.post(CODE, {"code": code_of()}).headers["Location"] == INDEX

    def test_whoever_was_signed_in_here_is_no_longer(self, browser, enrolled, admin):
        first_step(browser, admin)
        assert is_signed_in(browser)
        first_step(browser, enrolled)
        assert not is_signed_in(browser)

    def test_a_person_suspended_meanwhile_stays_outside(self, browser, enrolled):
        first_step(browser, enrolled)
        with tenant_scope(enrolled.tenant):
            User.objects.filter(pk=enrolled.pk).unpublished("test data").update(status="suspended")
        assert browser.post(CODE, {"code": code_of()}).headers["Location"] == LOGIN
        assert not is_signed_in(browser)

    def test_a_password_changed_meanwhile_ends_it(self, browser, enrolled):
        first_step(browser, enrolled)
        with tenant_scope(enrolled.tenant):
            person = User.objects.get(pk=enrolled.pk)
            person.set_password("another-password-now")
            person.save()
        assert browser.get(CODE).headers["Location"] == LOGIN
        assert browser.post(CODE, {"code": code_of()}).headers["Location"] == LOGIN
        assert not is_signed_in(browser)

    def test_the_step_is_of_one_organisations_host(self, browser, enrolled, globex):
        first_step(browser, enrolled)
        answer = browser.post(CODE, {"code": code_of()}, headers={"host": "globex.localhost"})
        assert answer.headers["Location"] == LOGIN

    def test_people_without_one_sign_in_in_one_step(self, browser, member):
        assert first_step(browser, member).headers["Location"] == INDEX
        assert is_signed_in(browser)

    def test_guests_are_told_the_same_with_and_without(self, browser, guest):
        SecondFactorFactory(user=guest)
        assert "Guests read through the API" in first_step(browser, guest).content.decode()
        assert "second_step" not in browser.session


class TestWhereTheOrganisationRequiresOne:
    @pytest.fixture(autouse=True)
    def strict(self, acme):
        require(acme)

    def test_signing_in_sets_it_up_and_shows_the_codes_once(self, browser, member):
        assert first_step(browser, member, "/admin/crm/deal/").headers["Location"] == SET_UP
        page = browser.get(SET_UP)
        secret, reference = shown_secret(page)
        assert 'src="data:image/svg+xml' in page.content.decode()
        assert not is_signed_in(browser)
        wrong = browser.post(SET_UP, {"code": "000000", "reference": reference})
        assert shown_secret(wrong) == (secret, reference), "a typing error is no reason to scan again"
        done = browser.post(SET_UP, {"code": code_of(secret), "reference": reference})
        assert len(shown_codes(done)) == 10
        assert "no-store" in done.headers["Cache-Control"]
        assert 'href="/admin/crm/deal/"' in done.content.decode()
        assert browser.get(INDEX).status_code == 200
        assert browser.get(SET_UP).headers["Location"] == LOGIN
        assert {"second_factor_added", "signed_in"} <= {*actions(member.tenant)}

    def test_nobody_sets_one_up_by_a_password_of_before(self, browser, member):
        first_step(browser, member)
        secret, reference = shown_secret(browser.get(SET_UP))
        with tenant_scope(member.tenant):
            person = User.objects.get(pk=member.pk)
            person.set_password("another-password-now")
            person.save()
        answer = browser.post(SET_UP, {"code": code_of(secret), "reference": reference})
        assert answer.headers["Location"] == LOGIN
        assert not is_signed_in(browser)
        assert actions(member.tenant) == ["updated"]

    def test_a_secret_that_somebody_else_began_is_never_shown(self, browser, member):
        first_step(browser, member)
        secret, reference = shown_secret(browser.get(SET_UP))
        with tenant_scope(member.tenant):
            theirs = factors.start_enrolment(user=member).secret
        again = browser.post(SET_UP, {"code": code_of(secret), "reference": reference})
        assert shown_secret(again)[0] not in (secret, theirs)
        assert not is_signed_in(browser)

    def test_who_has_one_cannot_set_up_another_by_password_alone(self, browser, enrolled):
        first_step(browser, enrolled)
        assert browser.get(SET_UP).headers["Location"] == CODE
        page = browser.post(SET_UP, {"code": code_of()})
        assert not is_signed_in(browser)
        assert b"nx-key" not in page.content

    def test_a_browser_of_before_is_signed_out(self, browser, member, colleague, acme):
        require(acme, value=False)
        SecondFactorFactory(user=colleague)
        first_step(browser, member)
        other = Client(HTTP_HOST="acme.localhost")
        first_step(other, colleague)
        other.post(CODE, {"code": code_of()})
        assert browser.get(INDEX).status_code == other.get(INDEX).status_code == 200
        require(acme)
        assert browser.get(INDEX).headers["Location"].startswith(LOGIN)
        assert other.get(INDEX).status_code == 200


class TestOnesOwnPage:
    def proof(self, action, **values):
        return {"action": action, "password": PASSWORD} | values

    def test_is_in_the_account_menu(self, member, admin_client_for):
        assert f'href="{OWN}"' in admin_client_for(member).get(INDEX).content.decode()

    def test_is_for_who_is_signed_in(self, browser):
        assert browser.get(OWN).status_code == 302

    @pytest.mark.parametrize("person", ["member", "root"])
    def test_sets_one_up(self, person, request, admin_client_for):
        user = request.getfixturevalue(person)
        client = admin_client_for(user)
        refused = client.post(OWN, self.proof("start", password="wrong"))
        assert "This is not your password." in refused.content.decode()
        assert b"nx-key" not in refused.content
        page = client.post(OWN, self.proof("start"))
        assert "no-store" in page.headers["Cache-Control"]
        secret, reference = shown_secret(page)
        wrong = client.post(OWN, {"action": "confirm", "code": "000000", "reference": reference})
        assert shown_secret(wrong) == (secret, reference)
        done = client.post(OWN, {"action": "confirm", "code": code_of(secret), "reference": reference})
        assert len(shown_codes(done)) == 10
        assert shown_codes(client.get(OWN)) == []
        assert "You have 10 recovery" in client.get(OWN).content.decode()
        assert client.get(INDEX).status_code == 200
        assert "second_factor_added" in actions(user.tenant)

    def test_sets_up_nothing_that_was_begun_elsewhere(self, member, admin_client_for):
        client = admin_client_for(member)
        secret, reference = shown_secret(client.post(OWN, self.proof("start")))
        client.post(OWN, self.proof("start"))
        answer = client.post(OWN, {"action": "confirm", "code": code_of(secret), "reference": reference})
        assert answer.status_code == 302
        assert "Begin again" in said(answer)

    def test_makes_new_codes_with_password_and_code(self, enrolled, admin_client_for):
        client = admin_client_for(enrolled)
        assert shown_codes(client.post(OWN, self.proof("codes", code="000000"))) == []
        assert shown_codes(client.post(OWN, self.proof("codes", password="wrong", code=code_of()))) == []
        assert len(shown_codes(client.post(OWN, self.proof("codes", code=code_of())))) == 10

    def test_a_new_phone_needs_a_code_of_the_old(self, enrolled, admin_client_for):
        client = admin_client_for(enrolled)
        assert b"nx-key" not in client.post(OWN, self.proof("start")).content
        assert b"nx-key" in client.post(OWN, self.proof("start", code=code_of())).content

    def test_removes_it(self, enrolled, admin_client_for):
        client = admin_client_for(enrolled)
        assert client.post(OWN, self.proof("remove")).status_code == 200
        answer = client.post(OWN, self.proof("remove", code=code_of()))
        assert "your password alone" in said(answer)
        with tenant_scope(enrolled.tenant):
            assert not SecondFactor.objects.exists()

    def test_not_where_the_organisation_requires_it(self, enrolled, acme, admin_client_for):
        require(acme)
        client = admin_client_for(enrolled)
        assert 'value="remove"' not in client.get(OWN).content.decode()
        assert "requires a second factor" in client.post(OWN, self.proof("remove", code=code_of())).content.decode()
        with tenant_scope(acme):
            assert SecondFactor.objects.exists()

    def test_guesses_are_counted(self, enrolled, admin_client_for):
        client = admin_client_for(enrolled)
        with clock.frozen_at(clock.now()):
            pages = [client.post(OWN, self.proof("codes", code=f"{n:06}")).content.decode() for n in range(6)]
        assert "too many attempts" in pages[-1]


class TestReset:
    @staticmethod
    def address(user):
        return reverse("admin:accounts_user_reset_second_factor", args=[user.pk])

    def test_by_an_admin_ends_factor_and_sessions(self, enrolled, admin, admin_client_for):
        RefreshTokenFactory(tenant=enrolled.tenant, user=enrolled)
        client = admin_client_for(admin)
        assert self.address(enrolled) in client.get(change(enrolled)).content.decode()
        assert client.get(self.address(enrolled)).status_code == 200
        with tenant_scope(enrolled.tenant):
            assert SecondFactor.objects.exists(), "asked first"
        answer = client.post(self.address(enrolled))
        assert "has no second factor now" in said(answer)
        with tenant_scope(enrolled.tenant):
            assert not SecondFactor.objects.exists()
            assert not RefreshToken.objects.filter(user=enrolled).exists()
            event = AuditEvent.objects.get(action="second_factor_reset")
        assert (event.actor_id, event.record_id) == (admin.pk, enrolled.pk)
        assert "second_factor_reset" in client.get(change(enrolled, "history")).content.decode()

    def test_by_the_platform_stands_in_the_organisations_own_trail(self, enrolled, root, admin_client_for):
        assert admin_client_for(root).post(self.address(enrolled)).status_code == 302
        with tenant_scope(enrolled.tenant):
            event = AuditEvent.objects.get(action="second_factor_reset")
        assert (event.actor_id, event.actor_label) == (None, "Root")

    @pytest.mark.parametrize("role", ["user", "manager", "admin"])
    def test_is_nobodys_of_their_own(self, role, cast, admin_client_for):
        SecondFactorFactory(user=cast[role])
        client = admin_client_for(cast[role])
        assert client.post(self.address(cast[role])).status_code == 403
        assert self.address(cast[role]) not in client.get(change(cast[role])).content.decode()

    def test_is_not_of_somebody_above(self, root, platform, admin_client_for):
        SecondFactorFactory(user=root)
        platform_admin = UserFactory(tenant=platform, role="admin")
        assert admin_client_for(platform_admin).post(self.address(root)).status_code == 403
        with unscoped(reason="look"):
            assert SecondFactor.objects.exists()

    def test_is_not_offered_where_there_is_none(self, member, admin, admin_client_for):
        assert self.address(member) not in admin_client_for(admin).get(change(member)).content.decode()


def test_the_list_of_people_says_who_has_one(enrolled, colleague, admin, admin_client_for):
    rows = admin_client_for(admin).get("/admin/accounts/user/").context["cl"].result_list
    assert {person.name: person.has_second_factor for person in rows} == {
        "Member": True, "Colleague": False, "Admin": False,
    }  # fmt: skip


class TestTheSetting:
    def stored(self, tenant):
        with unscoped(reason="look"):
            return Tenant.objects.get(pk=tenant.pk).settings

    def test_is_a_checkbox_that_leaves_the_other_settings_alone(self, acme, admin, admin_client_for):
        with unscoped(reason="test data"):
            Tenant.objects.filter(pk=acme.pk).unpublished("test data").update(settings={"color": "red", "n": 1})
        SecondFactorFactory(user=admin)
        client = admin_client_for(admin)
        page = client.get(change(acme))
        answer = client.post(change(acme), posted(page, requires_second_factor="on"))
        assert self.stored(acme) == {"color": "red", "n": 1, "require_second_factor": True}
        assert "sets one up at the next sign-in" in said(answer)
        page = client.get(change(acme))
        assert page.context["adminform"].form["requires_second_factor"].value() is True
        assert "require_second_factor" not in str(page.context["adminform"].form["settings"].value())
        client.post(change(acme), posted(page, settings='{"color": "blue"}'))
        assert self.stored(acme) == {"color": "blue", "require_second_factor": True}
        body = posted(client.get(change(acme)))
        del body["requires_second_factor"]
        client.post(change(acme), body)
        assert self.stored(acme) == {"color": "blue"}

    @pytest.mark.parametrize("settings", [None, {}, {"a": 1}])
    def test_is_not_touched_by_saving_something_else(self, acme, admin, admin_client_for, settings):
        with unscoped(reason="test data"):
            Tenant.objects.filter(pk=acme.pk).unpublished("test data").update(settings=settings)
        client = admin_client_for(admin)
        assert client.post(change(acme), posted(client.get(change(acme)), name="Acme Ltd")).status_code == 302
        assert self.stored(acme) == settings

    def test_an_admin_without_one_turns_it_on_and_sets_theirs_up(self, acme, admin, admin_client_for):
        client = admin_client_for(admin)
        assert (
            client.post(change(acme), posted(client.get(change(acme)), requires_second_factor="on")).status_code == 302
        )
        page = client.get(INDEX, follow=True)
        assert page.redirect_chain[-1][0].startswith(LOGIN)
        assert "you included" in page.content.decode()
        assert first_step(client, admin).headers["Location"] == SET_UP

    def test_is_shown_to_those_who_may_not_change_it(self, acme, manager, admin_client_for):
        assert "Require a second factor" in admin_client_for(manager).get(change(acme)).content.decode()

    def test_the_platform_sets_its_own(self, platform, root, admin_client_for):
        client = admin_client_for(root)
        client.post(change(platform), posted(client.get(change(platform)), requires_second_factor="on"))
        assert self.stored(platform) == {"require_second_factor": True}
        require(platform, value=False)
