"""Mail in the name of a tenant: what it says, whom it is from, and that nobody's name gets out of its line."""

import re

import pytest
from django.core import mail as outbox
from django.db import transaction
from django.template import engines

from nexora.kernel import mail
from nexora.kernel.errors import ScopeRequired
from nexora.kernel.scope import tenant_scope, unscoped
from tests.factories import DomainFactory, TenantFactory

TEMPLATES = {
    "mail/hello.txt": '{% extends "mail/base.txt" %}{% block subject %}Hello {{ name }}{% endblock %}'
    "{% block body %}Dear {{ name }},\n\n{{ link }}{% endblock %}",
    "mail/hello.html": '{% extends "mail/base.html" %}{% block body %}<p>Dear {{ name }},</p>'
    '{% include "mail/button.html" with url=link label="Go on" %}{% endblock %}',
}


@pytest.fixture(autouse=True)
def _hello(monkeypatch):
    """A mail of these tests' own."""
    engine = engines["django"].engine
    known = engine.find_template
    found = {name: engine.from_string(source) for name, source in TEMPLATES.items()}

    def find_template(name, dirs=None, skip=None):
        return (found[name], None) if name in found else known(name, dirs, skip)

    monkeypatch.setattr(engine, "find_template", find_template)


@pytest.fixture
def sent(acme):
    """`sent(name, …)`: the message as it goes out, written by acme unless `by` is somebody else."""

    def send(name="Ada", *, by=None, link="http://acme.localhost/x?token=1&y=2"):
        outbox.outbox = []
        with tenant_scope(by or acme):
            mail.send(to="ada@example.com", template="hello", context={"name": name, "link": link})
        (message,) = outbox.outbox
        return message

    return send


def html(message):
    ((content, kind),) = message.alternatives
    assert kind == "text/html"
    return content


def branded(**white_label):
    return TenantFactory(name="Initech Ltd", subdomain="initech", white_label=white_label)


def test_a_mail_wears_the_brand_of_the_tenant_in_scope(sent):
    message = sent(by=branded(name="Initech", primary_color="#0f766e"))
    assert message.message()["from"] == "Initech <no-reply@localhost>"
    assert "Initech\nhttp://initech.localhost/" in message.body
    assert "#0f766e" in html(message)
    assert "Initech</div>" in html(message)


def test_the_platforms_mail_is_the_platforms(sent, platform):
    message = sent(by=platform)
    assert message.message()["from"] == "NEXORA <no-reply@localhost>"
    assert "NEXORA\nhttp://localhost/" in message.body


def test_the_subject_is_the_first_line_of_the_text(sent):
    message = sent()
    assert message.subject == "Hello Ada"
    assert message.body.startswith("Dear Ada,\n\nhttp://acme.localhost/x?token=1&y=2\n")


def test_a_mail_says_that_no_person_wrote_it(sent):
    headers = sent().message()
    assert headers["auto-submitted"] == "auto-generated"
    assert headers["message-id"].endswith("@localhost>")


def test_names_are_escaped_in_html_and_nowhere_else(sent):
    message = sent('<b>"Ada" & Co</b>', by=TenantFactory(name="<i>Tom & Jerry</i>", subdomain="toons"))
    assert message.subject == 'Hello <b>"Ada" & Co</b>'
    assert 'Dear <b>"Ada" & Co</b>,' in message.body
    assert "Dear &lt;b&gt;&quot;Ada&quot; &amp; Co&lt;/b&gt;," in html(message)
    assert "<i>" not in html(message)
    assert "&lt;i&gt;Tom &amp; Jerry&lt;/i&gt;" in html(message)
    assert 'href="http://acme.localhost/x?token=1&amp;y=2"' in html(message)


INJECTIONS = [
    "Ada\r\nBcc: eve@example.com",
    "Ada\nBcc: eve@example.com\n\nHello",
    "Ada\u2028\x0bBcc: eve@example.com\x00",
]


@pytest.mark.parametrize("name", INJECTIONS)
def test_a_name_never_begins_a_header_or_a_paragraph(sent, name):
    tenant = branded()
    tenant.name = name.replace("\x00", "")
    with unscoped(reason="test data"):
        tenant.save()
    message = sent(name, by=tenant)
    headers = message.message()
    assert {"bcc", "cc"}.isdisjoint(map(str.lower, headers.keys()))
    assert message.recipients() == ["ada@example.com"]
    assert not re.search(r"^bcc:", message.body + message.subject, re.IGNORECASE | re.MULTILINE)
    assert re.fullmatch(r"[^\x00-\x1f\u2028]*Ada +Bcc: eve@example.com[^\x00-\x1f\u2028]*", message.subject)


def test_a_name_cannot_turn_the_text_around(sent):
    assert "\u202e" not in sent("Ada\u202etxt.exe").body


@pytest.mark.parametrize("address", ["ada@example.com\nBcc: eve@example.com", "ada@example.com, eve@example.com"])
def test_an_address_is_one_address(sent, address, acme):
    with tenant_scope(acme), pytest.raises(ValueError, match="addr"):
        mail.send(to=address, template="hello", context={"name": "Ada", "link": "x"})


def test_a_mail_takes_plain_values_only(acme, admin):
    with tenant_scope(acme), pytest.raises(TypeError, match="name is a User"):
        mail.send(to="ada@example.com", template="hello", context={"name": admin, "link": "x"})


def test_a_mail_is_never_sent_inside_a_transaction(acme):
    with tenant_scope(acme), transaction.atomic(), pytest.raises(RuntimeError, match="durable"):
        mail.send(to="ada@example.com", template="hello", context={"name": "Ada", "link": "x"})


def test_a_mail_needs_a_tenant(db):
    with pytest.raises(ScopeRequired):
        mail.send(to="ada@example.com", template="hello", context={"name": "Ada", "link": "x"})


# -- Links


def test_a_link_leads_to_the_tenants_host(in_acme, platform):
    assert mail.link("/verify-email") == "http://acme.localhost/verify-email"
    assert mail.link("/verify-email", token="a&b") == "http://acme.localhost/verify-email?token=a%26b"
    with tenant_scope(platform):
        assert mail.link("/signup") == "http://localhost/signup"


def test_a_link_leads_to_the_primary_host_of_its_own_where_there_is_one(in_acme, globex):
    DomainFactory(tenant=globex, domain="crm.globex.example", is_primary=True)
    DomainFactory(tenant=in_acme, domain="other.acme.example")
    assert mail.link("/") == "http://acme.localhost/"
    DomainFactory(tenant=in_acme, domain="crm.acme.example", is_primary=True)
    assert mail.link("/") == "http://crm.acme.example/"


@pytest.mark.parametrize(
    ("https", "port", "address"),
    [
        (False, None, "http://acme.localhost/"),
        (False, 80, "http://acme.localhost/"),
        (False, 8000, "http://acme.localhost:8000/"),
        (True, None, "https://acme.localhost/"),
        (True, 443, "https://acme.localhost/"),
        (True, 8443, "https://acme.localhost:8443/"),
    ],
)
def test_a_link_says_scheme_and_port_as_the_world_knows_them(in_acme, settings, https, port, address):
    settings.HTTPS, settings.PUBLIC_PORT = https, port
    assert mail.link("/") == address


def test_a_link_needs_a_tenant(db):
    with unscoped(reason="test"), pytest.raises(ScopeRequired):
        mail.link("/")
