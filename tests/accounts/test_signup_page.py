"""The form at /signup, which does what the API does."""

import pytest
from django.test import Client

from tests.accounts.test_signup import INITECH, PASSWORD, can_sign_in
from tests.mailbox import confirmation_in, deliver, follow


@pytest.fixture
def browser(platform):
    return Client(HTTP_HOST="localhost", enforce_csrf_checks=True)


def submit(browser, **values):
    page = browser.get("/signup")
    assert page.status_code == 200
    return browser.post("/signup", INITECH | {"csrfmiddlewaretoken": page.context["csrf_token"]} | values)


def test_the_page_does_the_same(browser):
    answer = submit(browser, subdomain="Initech")
    assert (answer.status_code, answer["Location"]) == (303, "/signup?done")
    assert b"Open the mail" in browser.get("/signup?done").content
    assert follow(confirmation_in(deliver()[0]), password=INITECH["password"]).status_code == 200
    assert can_sign_in()


def test_the_page_says_beside_the_field_what_is_wrong(browser, globex):
    for values, field, status in (
        ({"subdomain": "www"}, "subdomain", 400),
        ({"subdomain": "g1obex"}, "subdomain", 409),
        ({"password": "short"}, "password", 400),
        ({"name": ""}, "name", 400),
    ):
        answer = submit(browser, **values)
        assert answer.status_code == status
        assert answer.context["form"].errors.keys() == {field}
        assert PASSWORD not in answer.content.decode()


def test_the_page_waits_like_the_api(browser):
    answers = [submit(browser, subdomain=f"initech-{letter}") for letter in "abcdefgh"]
    assert answers[-1].status_code == 429
    assert int(answers[-1]["Retry-After"]) > 0
    assert "too many attempts" in answers[-1].content.decode()


def test_the_page_takes_no_forged_form(browser):
    assert browser.post("/signup", INITECH).status_code == 403


def test_the_page_has_neither_script_nor_style_of_its_own(browser):
    page = browser.get("/signup")
    text = page.content.decode()
    assert "<script" not in text and "<style" not in text and "style=" not in text
    assert "script-src" not in page["Content-Security-Policy"]
    assert "default-src 'self'" in page["Content-Security-Policy"]
    assert "no-store" in page["Cache-Control"]


def test_the_front_page_leads_there(browser):
    assert b'href="/signup"' in browser.get("/").content
