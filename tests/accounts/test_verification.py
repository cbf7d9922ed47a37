"""That an address is its person's: links that work once, and only for whom and what they were made."""

import logging
from contextlib import nullcontext
from datetime import timedelta

import pytest
from django.test import Client
from procrastinate.contrib.django.models import ProcrastinateJob as Job
from rest_framework.test import APIClient

from apps.accounts.models import AuditEvent, User
from apps.accounts.services import links, sessions
from apps.accounts.services.attempts import TooManyAttempts
from apps.tenants.models import Tenant
from nexora.kernel import clock
from nexora.kernel.scope import tenant_scope, unscoped
from tests.contracts.test_budgets import statements
from tests.factories import PASSWORD, TenantFactory, UserFactory
from tests.mailbox import at_once, confirmation_in, deliver, follow

VERIFY, RESEND = "/api/v1/auth/verify-email/", "/api/v1/auth/verify-email/resend/"


@pytest.fixture
def client(acme):
    return APIClient(HTTP_HOST="acme.localhost")


@pytest.fixture
def ada(acme):
    """An active person who has yet to confirm their address."""
    return UserFactory(tenant=acme, name="Ada <b>Lovelace</b>", email="ada@acme.com", email_verified=False)


def token_of(user, purpose=links.ADDRESS):
    return links.email_token(user=user, purpose=purpose)


def verify(client, token, password=PASSWORD):
    return client.post(VERIFY, {"token": token, "password": password})


def assert_refused(answer):
    assert (answer.status_code, answer.json()["code"]) == (400, "link_not_valid")
    assert answer.json()["errors"].keys() == {"token"}


def change(user, **values):
    with unscoped(reason="test"):
        user = User.objects.get(pk=user.pk)
        for name, value in values.items():
            setattr(user, name, value)
        user.save()
    return user


def now(user):
    with unscoped(reason="test"):
        return User.objects.get(pk=user.pk)


# -- The link


def test_a_link_confirms_the_address_once(client, ada):
    token = token_of(ada)
    answer = verify(client, token)
    assert (answer.status_code, answer.json()) == (200, {"email": "ada@acme.com"})
    assert now(ada).email_verified
    assert_refused(verify(client, token))
    with tenant_scope(ada.tenant_id):
        event = AuditEvent.objects.get()
    assert (event.actor_id, event.changes) == (ada.pk, {"email_verified": [False, True]})


def test_a_link_works_for_three_days(client, ada):
    with clock.frozen_at(clock.now() - timedelta(hours=71)):
        good = token_of(ada)
    with clock.frozen_at(clock.now() - timedelta(hours=73)):
        stale = token_of(ada)
    assert_refused(verify(client, stale))
    assert verify(client, good).status_code == 200


def test_a_link_is_for_the_address_that_it_was_sent_to(client, ada):
    token = token_of(ada)
    change(ada, email="countess@acme.com")
    assert_refused(verify(client, token))
    assert not now(ada).email_verified


def test_a_link_is_for_its_own_organisations_host(ada, globex, mallory):
    assert_refused(verify(APIClient(HTTP_HOST="globex.localhost"), token_of(ada)))
    stolen = UserFactory(tenant=globex, email_verified=False)
    assert_refused(verify(APIClient(HTTP_HOST="acme.localhost"), token_of(stolen)))


@pytest.mark.parametrize("what", ["access", "refresh", "cut", "forged", "x", "a.b.c", "é" * 50])
def test_nothing_else_is_a_link(client, ada, what):
    with tenant_scope(ada.tenant_id):
        pair = sessions.open_session(user=ada)
    token = token_of(ada)
    header, payload, signature = token.split(".")
    other = {"cut": token[:-4], "forged": f"{header}.{payload}.{signature[::-1]}", **pair}
    assert_refused(verify(client, other.get(what, what)))
    assert not now(ada).email_verified


def test_a_link_is_no_access_token(client, ada):
    answer = client.get("/api/v1/auth/me/", headers={"authorization": f"Bearer {token_of(ada)}"})
    assert answer.status_code == 401


@pytest.mark.django_db(transaction=True)
def test_of_two_who_follow_a_link_at_the_same_time_one_confirms(platform):
    ada = UserFactory(tenant=TenantFactory(subdomain="acme"), email_verified=False)
    token, answers = token_of(ada), []
    at_once(4, lambda number: answers.append(verify(APIClient(HTTP_HOST="acme.localhost"), token)))
    assert sorted(answer.status_code for answer in answers) == [200, 400, 400, 400]
    with tenant_scope(ada.tenant_id):
        assert AuditEvent.objects.count() == 1


# -- Who is opened by it, and who is not


@pytest.fixture
def signed_up(acme):
    """The first admin of an organisation that nobody has confirmed."""
    with unscoped(reason="test"):
        tenant = Tenant.objects.get(pk=acme.pk)
        tenant.unconfirmed_since = clock.now()
        tenant.save()
    return UserFactory(tenant=acme, role="admin", status="inactive", email_verified=False)


def test_the_link_of_a_sign_up_opens_the_account(client, signed_up):
    assert verify(client, token_of(signed_up, links.SIGN_UP)).status_code == 200
    assert (now(signed_up).status, now(signed_up).email_verified) == ("active", True)


@pytest.mark.parametrize("password", ["another-password", "", None])
def test_but_not_to_an_owner_who_did_not_sign_up(client, signed_up, password):
    """Or whoever did, in their name, would be in by the password that they chose."""
    token = token_of(signed_up, links.SIGN_UP)
    answer = client.post(VERIFY, {"token": token} | ({} if password is None else {"password": password}))
    assert (answer.status_code, answer.json()["errors"].keys()) == (400, {"password"})
    assert (now(signed_up).status, now(signed_up).email_verified) == ("inactive", False)
    assert verify(client, token).status_code == 200


def test_another_link_opens_no_account(client, signed_up):
    assert verify(client, token_of(signed_up)).status_code == 200
    assert now(signed_up).status == "inactive"


def test_an_old_link_does_not_undo_that_an_admin_deactivated_somebody(client, signed_up, admin):
    token = token_of(signed_up, links.SIGN_UP)
    assert verify(client, token).status_code == 200
    change(signed_up, status="inactive")
    assert_refused(verify(client, token))
    # Not even if the address has changed meanwhile and back, and so has to be confirmed anew.
    change(signed_up, email="else@acme.com")
    change(signed_up, email=signed_up.email)
    assert not now(signed_up).email_verified
    assert_refused(verify(client, token))
    assert now(signed_up).status == "inactive"


def test_a_link_opens_nobody_who_is_suspended(client, signed_up):
    change(signed_up, status="suspended")
    assert_refused(verify(client, token_of(signed_up, links.SIGN_UP)))
    assert now(signed_up).status == "suspended"


# -- A changed address


def test_who_gets_another_address_has_to_confirm_it(client, admin, member, client_for):
    answer = client_for(admin).patch(f"/api/v1/users/{member.pk}/", {"email": "new@acme.com"})
    assert (answer.status_code, answer.json()["email_verified"]) == (200, False)
    (message,) = deliver()
    assert message.to == ["new@acme.com"]
    assert message.message()["from"] == "Acme Corp <no-reply@localhost>"
    assert "account at Acme Corp" in message.body
    assert follow(confirmation_in(message)).status_code == 200
    assert now(member).email_verified
    assert now(member).status == "active"


def test_an_admin_cannot_have_a_stranger_mailed_again_and_again(admin, member, client_for):
    client, address = client_for(admin), f"/api/v1/users/{member.pk}/"
    with clock.frozen_at(clock.now()):
        for number in range(4):
            for email in (f"away{number}@acme.com", "stranger@third.example"):
                with pytest.raises(TooManyAttempts) if number == 3 and "stranger" in email else nullcontext():
                    assert client.patch(address, {"email": email}).status_code == 200
                    deliver()


def test_so_does_who_gets_it_in_the_back_office(admin, member, admin_client_for):
    form = {"name": member.name, "email": "new@acme.com", "role": "user", "status": "active", "email_verified": "on"}
    answer = admin_client_for(admin).post(f"/admin/accounts/user/{member.pk}/change/", form)
    assert answer.status_code == 302, answer.content
    assert (now(member).email, now(member).email_verified) == ("new@acme.com", False)
    assert [message.to for message in deliver()] == [["new@acme.com"]]


def test_so_does_whose_address_the_platform_changes(root, member, admin_client_for):
    form = {"name": member.name, "email": "new@acme.com", "role": "user", "status": "active"}
    answer = admin_client_for(root).post(f"/admin/accounts/user/{member.pk}/change/", form)
    assert answer.status_code == 302, answer.content
    (message,) = deliver()
    assert confirmation_in(message).startswith("http://acme.localhost/")


def test_another_change_asks_for_nothing(admin, member, client_for):
    assert client_for(admin).patch(f"/api/v1/users/{member.pk}/", {"name": "New"}).status_code == 200
    assert client_for(admin).patch(f"/api/v1/users/{member.pk}/", {"email": "USER@acme.com"}).status_code == 200
    assert now(member).email_verified
    assert deliver() == []


def test_saving_the_address_alone_saves_that_it_is_unconfirmed(member):
    with tenant_scope(member.tenant_id):
        user = User.objects.get(pk=member.pk)
        user.email = "new@acme.com"
        user.save(update_fields=["email"])
    assert not now(member).email_verified


# -- Another mail


def resend(client, email):
    return client.post(RESEND, {"email": email})


def test_another_mail_is_sent_for_the_asking(client, ada):
    assert resend(client, "ADA@acme.com").status_code == 202
    (message,) = deliver()
    assert message.to == ["ada@acme.com"]
    assert "Hello Ada <b>Lovelace</b>," in message.body
    assert "Ada &lt;b&gt;Lovelace&lt;/b&gt;" in message.alternatives[0][0]
    assert follow(confirmation_in(message)).status_code == 200
    assert now(ada).email_verified


def test_a_sign_up_gets_its_mail_again(client, signed_up):
    resend(client, signed_up.email)
    follow(confirmation_in(deliver()[0]), password=PASSWORD)
    assert now(signed_up).status == "active"


def test_no_answer_tells_whether_an_address_exists(client, ada, member, mallory):
    inactive = UserFactory(tenant=ada.tenant, status="inactive", email_verified=False)
    resend(client, "warm@up.example")
    seen = set()
    for email in (ada.email, member.email, mallory.email, inactive.email, "nobody@acme.com"):
        with statements() as sent:
            answer = resend(client, email)
        # A slow machine forgets the host meanwhile.
        sent = [statement for statement in sent if "tenant_of_host" not in statement]
        seen.add((answer.status_code, answer.content, len(sent)))
    assert len(seen) == 1
    assert Job.objects.count() == 6
    assert [message.to for message in deliver()] == [[ada.email]]


def test_mails_for_the_asking_are_counted(client, ada):
    answers = [resend(client, ada.email).status_code for _ in range(8)]
    assert answers[:2] == [202, 202]
    assert answers[-1] == 429


# -- The page


def open_page(token):
    return Client(HTTP_HOST="acme.localhost").get("/verify-email", {"token": token})


def test_opening_the_page_uses_no_link_up(ada):
    token = token_of(ada)
    for _ in range(3):
        assert open_page(token).status_code == 200
    assert not now(ada).email_verified
    assert b"You can sign in now" in follow(f"http://acme.localhost/verify-email?token={token}").content
    assert now(ada).email_verified


def test_the_page_tells_no_other_site_its_address_and_is_not_kept(ada):
    page = open_page(token_of(ada))
    assert page["Referrer-Policy"] == "no-referrer"
    assert "no-store" in page["Cache-Control"]
    assert "default-src 'self'" in page["Content-Security-Policy"]
    text = page.content.decode()
    assert "<script" not in text and "style=" not in text and "http://" not in text


def test_the_page_says_that_a_link_is_spent_or_cut_short(ada):
    link = f"http://acme.localhost/verify-email?token={token_of(ada)}"
    follow(link)
    spent = follow(link)
    assert spent.status_code == 400
    assert "may have been used already" in spent.content.decode()
    assert "This link is not complete" in follow(link, token="").content.decode()
    assert open_page("").status_code == 200


def test_the_page_wears_the_organisations_name(acme, ada):
    assert b"Acme Corp" in open_page(token_of(ada)).content


def test_a_page_sends_another_link(ada):
    assert b'href="/verify-email/resend"' in open_page("").content
    browser = Client(HTTP_HOST="acme.localhost")
    seen = set()
    for email in (ada.email, "nobody@acme.com"):
        answer = browser.post("/verify-email/resend", {"email": email})
        seen.add((answer.status_code, answer["Location"]))
    assert seen == {(303, "/verify-email/resend?done")}
    assert b"has yet to confirm it" in browser.get("/verify-email/resend?done").content
    assert [message.to for message in deliver()] == [[ada.email]]


def test_no_token_is_logged(ada, caplog, capfd):
    token = token_of(ada)
    with caplog.at_level(logging.DEBUG):
        link = f"http://acme.localhost/verify-email?token={token}"
        follow(link)
        follow(link)
        verify(APIClient(HTTP_HOST="acme.localhost"), token)
        Client(HTTP_HOST="nobody.localhost").get(f"/verify-email?token={token}")
    assert "Bad Request" in caplog.text
    signature = token.rpartition(".")[2]
    assert signature not in caplog.text
    assert signature not in "".join(capfd.readouterr())
