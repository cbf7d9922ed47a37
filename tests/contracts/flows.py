"""Every way in, and every use of a secret, once, as programs and browsers meet them; the worker runs for real."""

import hashlib
import json
import re
from contextlib import contextmanager
from secrets import token_hex
from urllib.parse import urlsplit

from django.conf import settings
from django.core import mail
from django.core.management import call_command
from django.test import Client
from rest_framework.test import APIClient

from tests.accounts.factors import code_of
from tests.contracts.traces import Secrets
from tests.factories import CustomerFactory, UserFactory
from tests.mailbox import link_to

API = "/api/v1/"
HOST, PLATFORM = "acme.localhost", "localhost"


class Flows:
    """`secrets`: what was shown, sent or typed meanwhile. `read`: {address: what was answered to a look}."""

    def __init__(self, acme, monkeypatch):
        self.acme, self.monkeypatch = acme, monkeypatch
        self.secrets, self.read = Secrets(), {}
        self.admin = self.person("admin")

    # -- Means

    def password(self, whose):
        """With all that is written otherwise in JSON, HTML and addresses."""
        return self.secrets.add(f"password, {whose}", f'{token_hex(6)} "ö&%\\<{token_hex(6)}', guessable=True)

    def person(self, name, role="admin"):
        password = self.password(name)
        user = UserFactory(tenant=self.acme, role=role, email=f"{name}@flows.example", raw_password=password)
        user.known_password = password
        return user

    def api(self, bearer=None, host=HOST):
        client = APIClient(HTTP_HOST=host, raise_request_exception=False, HTTP_USER_AGENT="curl/8.1")
        if bearer:
            client.credentials(HTTP_AUTHORIZATION=f"Bearer {bearer}")
        return client

    def browser(self, host=HOST):
        return Client(HTTP_HOST=host, raise_request_exception=False, HTTP_USER_AGENT="Mozilla/5.0 Firefox/133.0")

    def post(self, path, status, body=None, *, bearer=None, host=HOST, **headers):
        sent = json.dumps(body or {})
        if any(guessable and text in (body or {}).values() for text, (_, guessable) in self.secrets.known.items()):
            self.secrets.add(f"bare hash of a body of {path}", hashlib.sha256(sent.encode()).hexdigest())
        client = self.api(bearer, host)
        answer = client.post(f"{API}{path}", sent, content_type="application/json", headers=headers)
        assert answer.status_code == status, (path, answer.status_code, answer.content)
        found = answer.json() if answer.content else {}
        if isinstance(found, dict):
            for name in ("access", "refresh", "key", "secret", "uri"):
                if isinstance(found.get(name), str) and status < 300:
                    self.secrets.add(f"{name} of {path}", found[name])
            for code in found.get("recovery_codes", ()):
                self.secrets.add(f"recovery code of {path}", code)
        return found

    def form(self, browser, path, status, /, **values):
        answer = browser.post(path, values)
        assert answer.status_code == status, (path, answer.status_code, answer.content)
        self.note_cookies(browser)
        return answer

    def note_cookies(self, browser):
        for name in (settings.SESSION_COOKIE_NAME, settings.CSRF_COOKIE_NAME):
            if name in browser.cookies and browser.cookies[name].value:
                self.secrets.add(f"cookie {name}", browser.cookies[name].value)

    def look(self, address, *, bearer=None, browser=None):
        answer = browser.get(address) if browser else self.api(bearer).get(address)
        assert answer.status_code == 200, (address, answer.status_code, answer.content)
        content = answer.getvalue() if answer.streaming else answer.content
        self.read[f"{address} {'as a page' if browser else ''}"] = content.decode()

    def sign_in(self, user, status=200, **values):
        body = {"email": user.email, "password": user.known_password} | values
        return self.post("auth/token/", status, body)

    def mailed(self, path, count=1):
        """The token of the last mail that has a link there. The worker itself sends it, and all that waits."""
        before = len(mail.outbox)
        call_command("worker", until_empty=True, concurrency=1)
        messages = [message for message in mail.outbox[before:] if f"{path}?token=" in message.body]
        assert len(messages) == count, [message.body for message in mail.outbox[before:]]
        address, token = link_to(messages[-1], path)
        self.secrets.add(f"token of {path}", token)
        return urlsplit(address).netloc, token

    @contextmanager
    def broken(self, *places):
        """What is named raises, with all that it was given at hand."""
        with self.monkeypatch.context() as patch:
            for place in places:
                patch.setattr(place, fail)
            yield

    # -- Flows

    def sign_up(self):
        password = self.password("sign-up")
        body = {"organisation": "Initech", "subdomain": "initech", "name": "Peter", "password": password}
        self.post("signup/", 202, body | {"email": "peter@initech.example"}, host=PLATFORM)
        host, token = self.mailed("/verify-email")
        with self.broken("apps.accounts.services.verification.verify_email"):
            self.post("auth/verify-email/", 500, {"token": token, "password": password}, host=host)
            self.form(self.browser(host), "/verify-email", 500, token=token, password=password)
        self.post("auth/verify-email/", 400, {"token": token, "password": self.password("wrong")}, host=host)
        self.post("auth/verify-email/", 200, {"token": token, "password": password}, host=host)
        self.post("auth/verify-email/", 400, {"token": token, "password": password}, host=host)
        again = body | {
            "password": self.password("sign-up by page"),
            "subdomain": "initrode",
            "organisation": "Initrode",
        }
        self.form(self.browser(PLATFORM), "/signup", 303, **again, email="bill@initrode.example")
        host, token = self.mailed("/verify-email")
        assert self.browser(host).get("/verify-email", {"token": token}).status_code == 200
        self.form(self.browser(host), "/verify-email", 303, token=token, password=again["password"])
        self.post("signup/", 202, again | {"email": "peter@initech.example", "subdomain": "third"}, host=PLATFORM)
        with self.broken("apps.accounts.services.signup.sign_up"):
            failed = body | {
                "email": "new@fault.example",
                "subdomain": "fault",
                "password": self.password("failed sign-up"),
            }
            self.post("signup/", 500, failed, host=PLATFORM)
            self.form(self.browser(PLATFORM), "/signup", 500, **failed)

    def invite(self):
        access = self.sign_in(self.admin)["access"]
        invited = self.post("invitations/", 202, {"email": "one@flows.example"}, bearer=access)
        _, dead = self.mailed("/join")
        self.post(f"invitations/{invited['id']}/resend/", 202, bearer=access)
        _, token = self.mailed("/join")
        body = {"name": "One", "password": self.password("invited")}
        self.post("auth/invitations/accept/", 400, body | {"token": dead})
        with self.broken("apps.accounts.services.invitations.accept_invitation"):
            self.post("auth/invitations/accept/", 500, body | {"token": token})
        self.post("auth/invitations/accept/", 201, body | {"token": token})
        self.post("invitations/", 202, {"email": "two@flows.example", "role": "guest"}, bearer=access)
        _, token = self.mailed("/join")
        browser, password = self.browser(), self.password("invited by page")
        values = {"token": token, "name": "Two", "password": password, "password_again": password}
        with self.broken("apps.accounts.services.invitations.find_invitation"):
            assert browser.get("/join", {"token": token}).status_code == 500
            self.form(browser, "/join", 500, **values)
        assert browser.get("/join", {"token": token}).status_code == 200
        assert self.browser("globex.localhost").get("/join", {"token": token}).status_code == 400
        self.form(browser, "/join", 400, **values | {"password_again": self.password("mistyped")})
        self.form(browser, "/join", 303, **values)
        self.post("invitations/", 202, {"email": "three@flows.example"}, bearer=access)
        with self.broken("nexora.kernel.mail.EmailMultiAlternatives.send"):
            call_command("worker", until_empty=True, concurrency=1)
        return access

    def reset_password(self):
        user = self.person("forgetful", "user")
        self.sign_in(user)
        for path in ("auth/password-reset/", None):
            if path:
                self.post(path, 202, {"email": user.email})
            else:
                self.form(self.browser(), "/password-reset", 303, email=user.email)
            _, token = self.mailed("/password-reset/confirm")
            user.known_password = self.password("reset by " + (path or "page"))
            body = {"token": token, "password": user.known_password}
            typed = body | {"password_again": user.known_password}
            page, browser = "/password-reset/confirm", self.browser()
            with self.broken("apps.accounts.services.passwords.find_by_reset_token"):
                self.post("auth/password-reset/confirm/", 500, body)
                assert browser.get(page, {"token": token}).status_code == 500
                self.form(browser, page, 500, **typed)
            assert browser.get(page, {"token": token}).status_code == 200
            self.post("auth/password-reset/confirm/", 400, body | {"password": "short"})
            if path:
                self.post("auth/password-reset/confirm/", 204, body)
            else:
                self.form(browser, page, 303, **typed)
            self.post("auth/password-reset/confirm/", 400, body)
            self.sign_in(user)

    def change_password(self):
        user = self.person("changing", "user")
        access, new = self.sign_in(user)["access"], self.password("changed")
        wrong = {"current_password": self.password("wrong present one"), "new_password": new}
        self.post("auth/password/", 400, wrong, bearer=access)
        right = wrong | {"current_password": user.known_password}
        with self.broken("apps.accounts.services.own_password.change_own_password"):
            self.post("auth/password/", 500, right, bearer=access)
        self.post("auth/password/", 204, right, bearer=access)
        browser = self.enter(user, password=new)
        newer = self.password("changed by page")
        typed = {"old_password": new, "new_password1": newer, "new_password2": newer}
        self.form(browser, "/admin/password_change/", 302, **typed)

    def sessions(self):
        user = self.person("sessions", "user")
        first = self.sign_in(user)
        second = self.post("auth/token/refresh/", 200, {"refresh": first["refresh"]})
        self.post("auth/token/refresh/", 401, {"refresh": first["refresh"]})
        with self.broken("apps.accounts.services.sessions.refresh_session"):
            self.post("auth/token/refresh/", 500, {"refresh": second["refresh"]})
        self.post("auth/token/refresh/", 401, {"refresh": second["refresh"] + "x"})
        self.look(f"{API}sessions/", bearer=second["access"])
        self.post("auth/token/logout/", 204, {"refresh": second["refresh"]})
        self.post("auth/token/logout-all/", 200, bearer=self.sign_in(user)["access"])
        self.sign_in(user, 401, password=self.password("wrong"))
        # Typed into the wrong box: kept for a day, as what is counted.
        self.sign_in(user, 401, email=self.password("typed as address"))
        self.sign_in(user, 401, email=f"{self.secrets.add('typed as address', token_hex(8), guessable=True)}@x.example")
        self.form(
            self.browser(), "/admin/login/", 200, username=self.password("typed as address by page"), password="x"
        )
        self.form(self.browser(), "/admin/login/", 200, username=user.email, password=self.password("wrong by page"))
        with self.broken("apps.accounts.services.sessions.open_session"):
            self.sign_in(user, 500)
        with self.broken("apps.accounts.services.signin.welcome"):
            self.form(self.browser(), "/admin/login/", 500, username=user.email, password=user.known_password)

    def enter(self, user, password=None):
        browser = self.browser()
        browser.get("/admin/login/")
        self.form(browser, "/admin/login/", 302, username=user.email, password=password or user.known_password)
        assert browser.get("/admin/").status_code == 200
        return browser

    def second_factor(self):
        user = self.person("factor", "user")
        body = {"email": user.email, "password": user.known_password}
        secret = self.post("auth/second-factor/", 200, body)["secret"]
        with self.broken("apps.accounts.services.factors.confirm_enrolment"):
            self.post("auth/second-factor/confirm/", 500, body | {"code": code_of(secret)})
        codes = self.post("auth/second-factor/confirm/", 200, body | {"code": code_of(secret)})["recovery_codes"]
        self.sign_in(user, code=code_of(secret, after=1))
        self.sign_in(user, code=codes[0])
        self.sign_in(user, 401, code=codes[0])
        with self.broken("apps.accounts.services.factors._spend_recovery_code"):
            self.sign_in(user, 500, code=codes[1])
        codes = self.post("auth/second-factor/recovery-codes/", 200, body | {"code": codes[1]})["recovery_codes"]
        again = self.post("auth/second-factor/", 200, body | {"code": codes[1]})["secret"]
        self.post("auth/second-factor/confirm/", 200, body | {"code": code_of(again)})
        self.second_factor_in_browser(user, again)

    def second_factor_in_browser(self, enrolled, secret):
        browser = self.browser()
        self.form(browser, "/admin/login/", 302, username=enrolled.email, password=enrolled.known_password)
        with self.broken("apps.accounts.services.factors.ensure_second_factor"):
            self.form(browser, "/admin/login/code/", 500, code=code_of(secret, after=1))
        self.form(browser, "/admin/login/code/", 302, code=code_of(secret, after=1))
        user = self.person("factor-by-page", "user")
        browser, own = self.enter(user), "/admin/second-factor/"
        page = self.form(browser, own, 200, action="start", password=user.known_password)
        secret, reference = self.shown_secret(page)
        page = self.form(browser, own, 200, action="confirm", code=code_of(secret), reference=reference)
        codes = self.shown_codes(page)
        page = self.form(browser, own, 200, action="codes", password=user.known_password, code=codes[0])
        codes = self.shown_codes(page)
        self.form(browser, own, 302, action="remove", password=user.known_password, code=codes[0])
        self.require_factor()
        browser = self.browser()
        self.form(browser, "/admin/login/", 302, username=user.email, password=user.known_password)
        secret, reference = self.shown_secret(browser.get("/admin/login/set-up/"))
        self.shown_codes(self.form(browser, "/admin/login/set-up/", 200, code=code_of(secret), reference=reference))
        self.require_factor(False)

    def require_factor(self, value=True):
        access = self.access
        answer = self.api(access).patch(f"{API}tenants/{self.acme.pk}/", {"settings": {"require_second_factor": value}})
        assert answer.status_code == 200, answer.content

    def shown_secret(self, page):
        text = page.content.decode()
        secret = re.search(r"nx-key[^>]*>([A-Z2-7]{32})<", text)[1]
        self.secrets.add("TOTP secret of a page", secret)
        return secret, re.search(r'name="reference" value="([^"]+)"', text)[1]

    def shown_codes(self, page):
        found = re.findall(r"<li>((?:[0-9a-z]{4}-){3}[0-9a-z]{4})</li>", page.content.decode())
        assert len(found) == 10
        return [self.secrets.add("recovery code of a page", code) for code in found]

    def keys(self):
        new = {"name": "Nightly", "scopes": ["*:read", "crm.customer:write"]}
        self.key = text = self.post("api-keys/", 201, new, bearer=self.access)["key"]
        self.look(f"{API}customers/", bearer=text)
        self.post("api-keys/", 400, new, bearer=self.access, **{"Idempotency-Key": "again"})
        self.post("customers/", 401, {"name": "Ada"}, bearer=self.secrets.add("wrong key", f"nxk_{token_hex(20)}"))
        with self.broken("apps.accounts.authentication.find_holder"):
            self.post("customers/", 500, {"name": "Ada"}, bearer=text)
        with self.broken("apps.accounts.viewsets.IssuedAPIKeySerializer.to_representation"):
            self.post("api-keys/", 500, new, bearer=self.access)
        browser = self.enter(self.admin)
        values = {"name": "Page", "scopes": ["*:read"], "expires_at_0": "", "expires_at_1": ""}
        page = self.form(browser, "/admin/accounts/apikey/add/", 200, **values)
        self.secrets.add("key of a page", page.context["text"])
        self.look("/admin/accounts/apikey/", browser=browser)
        return browser

    def people(self):
        """Accounts that an admin makes, with a password; the request is repeated by its idempotency key."""
        new = {"name": "Made", "email": "made@flows.example", "password": self.password("made by an admin")}
        for _ in range(2):
            self.post("users/", 201, new, bearer=self.access, **{"Idempotency-Key": "people-1"})
        failed = new | {"email": "failed@flows.example", "password": self.password("failed account")}
        with self.broken("apps.accounts.models.people.User.save"):
            self.post("users/", 500, failed, bearer=self.access)
        self.post("users/", 400, failed | {"colour": "red"}, bearer=self.access)
        typed = self.password("made by page")
        values = {"name": "By page", "email": "page@flows.example", "role": "user", "status": "active"}
        self.form(self.entered, "/admin/accounts/user/add/", 302, **values, password1=typed, password2=typed)

    def errors(self):
        access, password = self.access, self.password("in a broken body")
        client = self.api()
        for body in (f'{{"email": "a@b.example", "password": "{password}', '{"password": ' + password + "}"):
            answer = client.post(f"{API}auth/token/", body, content_type="application/json")
            assert answer.status_code == 400
        self.post("customers/", 400, {"name": "Ada", "password": password, password: "as a name"}, bearer=access)
        self.post("customers/", 400, {"email": password}, bearer=access)
        for path in (f"auth/token/?token={access}", f"nowhere/?token={access}", f"customers/?key={access}"):
            assert self.api(access).get(f"{API}{path}").status_code in (400, 404, 405)
        # Where an id belongs.
        for text in (access, self.key):
            assert self.api(access).get(f"{API}api-keys/{text}/").status_code == 404
            assert self.browser().get(f"/join/{text}").status_code == 404
            assert self.entered.get(f"/admin/accounts/apikey/{text}/change/").status_code == 302
        for path in ("/nowhere", "/join/nowhere", "/verify-email/nowhere"):
            assert self.browser().get(path, {"token": access}).status_code == 404
        assert self.browser("unknown.localhost").get("/join", {"token": access}).status_code == 404

    def records(self):
        made = [str(CustomerFactory(tenant=self.acme).pk) for _ in range(2)]
        self.post("customers/", 201, {"name": "Ada"}, bearer=self.access, **{"Idempotency-Key": "customers-1"})
        self.post("customers/bulk-update/", 200, {"ids": made, "set": {"status": "active"}}, bearer=self.access)
        self.post("customers/bulk-delete/", 200, {"ids": made}, bearer=self.access)

    def run(self):
        self.sign_up()
        self.access = self.invite()
        self.reset_password()
        self.change_password()
        self.sessions()
        self.second_factor()
        self.entered = self.keys()
        self.people()
        self.records()
        self.errors()
        call_command("worker", until_empty=True, concurrency=1)


def fail(*args, **kwargs):
    raise RuntimeError("provoked")
