"""The pages behind mailed links, and the way to them, as a browser sees them."""

import logging

import pytest
from django.test import Client

from apps.accounts.models import User
from nexora.kernel.scope import tenant_scope, unscoped
from tests.admin_pages import said
from tests.factories import InvitationFactory
from tests.mailbox import deliver, link_to

JOIN, RESET, CONFIRM = "/join", "/password-reset", "/password-reset/confirm"
NEW = "correct-horse-battery"

pytestmark = pytest.mark.django_db


@pytest.fixture
def browser(acme):
    # As strict about forms as with a real browser.
    return Client(HTTP_HOST="acme.localhost", enforce_csrf_checks=True)


@pytest.fixture
def join_token(admin, client_for):
    def make(**values):
        client_for(admin).post("/api/v1/invitations/", {"email": "new@acme.com", **values})
        (message,) = deliver()
        return link_to(message, JOIN)[1]

    return make


@pytest.fixture
def reset_token(browser, member, client_for, acme):
    client_for(None, tenant=acme).post("/api/v1/auth/password-reset/", {"email": member.email})
    (message,) = deliver()
    return link_to(message, CONFIRM)[1]


def filled_in(token, **values):
    return {"token": token, "name": "New", "password": NEW, "password_again": NEW, **values}


def post(browser, path, body):
    """As a browser sends a form of a page that says `Referrer-Policy: no-referrer`."""
    return browser.post(path, body, headers={"origin": "null"})


class TestJoining:
    def test_shows_what_one_is_invited_to(self, browser, join_token):
        page = browser.get(JOIN, {"token": join_token(role="manager")})
        assert page.status_code == 200
        assert "Acme Corp" in page.text
        assert "You will sign in as new@acme.com, with the role manager." in page.text

    @pytest.mark.parametrize("role", ["admin", "guest"])
    def test_makes_the_account_and_leads_to_the_sign_in(self, role, browser, join_token, acme):
        answer = post(browser, JOIN, filled_in(join_token(role=role)))
        assert answer.status_code == 303
        done = browser.get(answer.headers["Location"])
        assert 'href="/admin/"' in done.text
        assert "guests read through the API" in done.text
        with tenant_scope(acme):
            assert User.objects.get(email="new@acme.com").role == role
        signed_in = Client(HTTP_HOST="acme.localhost").post(
            "/admin/login/", {"username": "new@acme.com", "password": NEW}
        )
        assert (signed_in.status_code == 302) == (role != "guest")

    def test_signs_nobody_in(self, browser, join_token):
        """A stranger's page could otherwise sign somebody in to an account that the stranger reads."""
        post(browser, JOIN, filled_in(join_token()))
        assert "sessionid" not in browser.cookies

    @pytest.mark.parametrize("token", ["", "made-up", "é", "x" * 5000])
    def test_a_bad_link_is_refused_before_anybody_fills_in_a_form(self, token, browser):
        page = browser.get(JOIN, {"token": token})
        assert page.status_code == 400
        assert "Ask for another." in page.text
        assert "<form" not in page.text
        assert "Acme Corp" in page.text
        assert 'href="/admin/"' in page.text
        assert page["Referrer-Policy"] == "no-referrer"

    def test_a_link_that_was_used_is_refused_in_the_form(self, browser, join_token):
        token = join_token()
        post(browser, JOIN, filled_in(token))
        answer = post(browser, JOIN, filled_in(token))
        assert answer.status_code == 400
        assert "Ask for another." in answer.text

    @pytest.mark.parametrize(
        ("values", "said"),
        [
            ({"password": "short", "password_again": "short"}, "too short"),
            ({"password_again": "another"}, "The two entries differ."),
            ({"name": ""}, "This field is required."),
        ],
    )
    def test_mistakes_are_told_and_the_link_lives(self, values, said, browser, join_token):
        token = join_token()
        answer = post(browser, JOIN, filled_in(token, **values))
        assert answer.status_code == 400
        assert said in answer.text
        assert "You will sign in as new@acme.com, with the role user." in answer.text
        assert NEW not in answer.text
        assert post(browser, JOIN, filled_in(token)).status_code == 303


class TestResetting:
    def test_the_sign_in_leads_there(self, browser):
        page = browser.get("/admin/login/")
        assert f'href="{RESET}"' in page.text
        assert "Forgot your password?" in page.text

    def test_asking_says_the_same_whoever_asks(self, browser, member):
        pages = []
        for email in (member.email, "nobody@acme.com"):
            form = browser.get(RESET)
            body = {"email": email, "csrfmiddlewaretoken": form.context["csrf_token"]}
            answer = browser.post(RESET, body)
            assert answer.status_code == 303
            pages.append(browser.get(answer.headers["Location"]).text)
        assert pages[0] == pages[1]
        assert "If this address has an account here" in pages[0]
        assert [message.to for message in deliver()] == [[member.email]]

    def test_the_link_leads_to_a_new_password(self, browser, reset_token, member):
        page = browser.get(CONFIRM, {"token": reset_token})
        assert page.status_code == 200
        answer = post(browser, CONFIRM, filled_in(reset_token))
        assert answer.status_code == 303
        assert "Your password is changed" in browser.get(answer.headers["Location"]).text
        with tenant_scope(member.tenant_id):
            assert User.objects.get(pk=member.pk).check_password(NEW)
        assert browser.get(CONFIRM, {"token": reset_token}).status_code == 400
        assert post(browser, CONFIRM, filled_in(reset_token)).status_code == 400

    def test_a_weak_password_is_told(self, browser, reset_token):
        answer = post(browser, CONFIRM, filled_in(reset_token, password="short", password_again="short"))
        assert answer.status_code == 400
        assert "too short" in answer.text


@pytest.mark.parametrize("path", [JOIN, CONFIRM])
@pytest.mark.parametrize("is_good", [True, False])
def test_nobody_is_told_the_address_of_a_link(path, is_good, browser, join_token, reset_token, caplog):
    caplog.set_level(logging.DEBUG)
    token = {JOIN: join_token(), CONFIRM: reset_token}[path] if is_good else "made-up-token"
    caplog.clear()
    answers = [browser.get(path, {"token": token}), post(browser, path, filled_in(token, password="short"))]
    for answer in answers:
        assert answer.headers["Referrer-Policy"] == "no-referrer"
        assert "no-store" in answer.headers["Cache-Control"]
        assert "script-src" not in answer.headers["Content-Security-Policy"]
        assert "default-src 'self'" in answer.headers["Content-Security-Policy"]
        assert "unsafe" not in answer.headers["Content-Security-Policy"]
    assert token not in caplog.text


def test_every_page_of_a_link_takes_the_form_of_a_browser_that_sends_no_referrer(browser):
    """403 would be the check against forgery."""
    for path in (JOIN, CONFIRM, "/verify-email"):
        assert post(browser, path, filled_in("made-up")).status_code == 400


def test_a_look_at_a_link_uses_it_up_for_nobody(browser, join_token, acme):
    """Mail filters open every link."""
    token = join_token()
    for _ in range(2):
        assert browser.get(JOIN, {"token": token}).status_code == 200
        assert browser.head(JOIN, {"token": token}).status_code == 200
    assert post(browser, JOIN, filled_in(token)).status_code == 303


class TestTheAdmin:
    LIST = "/admin/accounts/invitation/"

    def test_invites_and_shows_the_state(self, admin, acme, admin_client_for):
        client = admin_client_for(admin)
        answer = client.post(f"{self.LIST}add/", {"email": "New@acme.com", "role": "user"})
        assert answer.status_code == 302
        assert [message.to for message in deliver()] == [["new@acme.com"]]
        assert "Pending" in client.get(self.LIST).text

    def test_offers_no_role_above_ones_own(self, admin, admin_client_for):
        client = admin_client_for(admin)
        page = client.get(f"{self.LIST}add/")
        assert "super_admin" not in dict(page.context["adminform"].form.fields["role"].choices)
        answer = client.post(f"{self.LIST}add/", {"email": "new@acme.com", "role": "super_admin"})
        assert "role" in answer.context["adminform"].form.errors

    @pytest.mark.parametrize("who", ["member", "mallory"])
    def test_answers_alike_for_an_address_that_has_an_account(self, who, request, admin, admin_client_for):
        taken = request.getfixturevalue(who).email
        answer = admin_client_for(admin).post(f"{self.LIST}add/", {"email": taken, "role": "user"})
        assert answer.status_code == 302

    def test_an_address_again_renews_its_invitation(self, admin, acme, admin_client_for):
        client = admin_client_for(admin)
        known = InvitationFactory(tenant=acme, email="new@acme.com", role="guest")
        answer = client.post(f"{self.LIST}add/", {"email": "new@acme.com", "role": "manager", "_continue": "1"})
        assert answer.headers["Location"] == f"{self.LIST}{known.pk}/change/"
        assert "Manager" in client.get(answer.headers["Location"]).text

    def test_resends_and_revokes_by_buttons(self, admin, acme, admin_client_for):
        known = InvitationFactory(tenant=acme)
        resend, revoke = (f"accounts_invitation_{name}" for name in ("resend", "revoke"))
        client, page = admin_client_for(admin), f"{self.LIST}{known.pk}/change/"
        shown = client.get(page).text
        assert f'name="{resend}"' in shown
        assert f'name="{revoke}"' in shown
        answer = client.post(page, {"role": "guest", resend: "1"})
        assert said(answer) == f"Another mail is on its way to {known.email}; the link before is dead."
        assert [message.to for message in deliver()] == [[known.email]]
        assert client.post(page, {"role": "guest", revoke: "1"}).status_code == 302
        with tenant_scope(acme):
            known.refresh_from_db()
        assert (known.status, known.role) == ("revoked", "guest")
        shown = client.get(page).text
        assert f'name="{resend}"' not in shown
        assert f'name="{revoke}"' not in shown
        assert 'name="_save"' not in shown

    def test_deleting_revokes(self, admin, acme, admin_client_for):
        one, other = InvitationFactory.create_batch(2, tenant=acme)
        client = admin_client_for(admin)
        client.post(f"{self.LIST}{one.pk}/delete/", {"post": "yes"})
        client.post(self.LIST, {"action": "revoke_selected", "_selected_action": [str(other.pk)]})
        with tenant_scope(acme):
            for invitation in (one, other):
                invitation.refresh_from_db()
                assert invitation.status == "revoked"
        assert client.get(f"{self.LIST}?status__exact=revoked").status_code == 200


def test_pages_of_an_organisation_have_its_colour(client, acme, platform):
    with unscoped(reason="test data"):
        acme.white_label = {"primary_color": "#0f766e"}
        acme.save()
    page = client.get("/password-reset", HTTP_HOST="acme.localhost").content.decode()
    assert '<link rel="stylesheet" href="/brand.css">' in page
    own, ours = (client.get("/brand.css", HTTP_HOST=host) for host in ("acme.localhost", "localhost"))
    assert own["Content-Type"] == "text/css"
    assert "--brand: #0f766e; --on-brand: #fff" in own.content.decode()
    assert "#0f766e" not in ours.content.decode()
