"""Passwords, tokens, keys, codes and links are nowhere once they were used: not in the database, not in the logs.

Every flow runs once (flows.py), with its faults, and then each secret that was shown, sent or typed on the way is
looked for in every row of every table, in what was logged, in the trail, in reprs and in all that an admin reads and
exports. What people make up must not be there as a bare hash either: such a hash is found by trying.

Logs are those of production as production writes them, and everything of ours, of Django's requests and of the queue
at DEBUG besides. Not the logger of SQL (django.db.backends): it writes each statement with its parameters, which
are rows that are looked through here anyway, and only where NEXORA_DEBUG or a test asks for it. Codes of six digits are
not looked for: they are spent within 90 seconds, and any number of microseconds looks like one.
"""

import base64
import html
import json
import logging
from hashlib import sha256
from secrets import token_hex
from urllib.parse import quote, quote_plus, urlencode

import pytest
from django.apps import apps
from django.contrib.admin import site
from django.core import mail
from django.db import connection
from django.urls import reverse

from apps.accounts.models import APIKey, Invitation, RecoveryCode, RefreshToken, SecondFactor, User
from nexora.kernel.api.filters import FORMATS
from nexora.kernel.models import Record, TenantModel
from nexora.kernel.scope import unscoped
from tests.contracts.flows import Flows
from tests.contracts.routes import ON_TENANT
from tests.contracts.traces import Secrets, database, logs
from tests.factories import FACTORIES, CustomerFactory

ADMINS = "ops@flows.example"
STORED = {
    User: ("password",),
    RefreshToken: ("token", "previous_token"),
    APIKey: ("token",),
    Invitation: ("token",),
    RecoveryCode: ("code",),
    SecondFactor: ("secret", "pending_secret"),
}


@pytest.fixture
def flows(acme, globex, platform, monkeypatch, settings):
    settings.ADMINS = [ADMINS]
    # The threads of jobs keep their connections, which would hold on to the test database.
    monkeypatch.setitem(connection.settings_dict, "CONN_MAX_AGE", 0)
    for model in {route.model for route in ON_TENANT} & FACTORIES.keys():
        FACTORIES[model](**({"tenant": acme} if issubclass(model, TenantModel) and model is not type(acme) else {}))
    return Flows(acme, monkeypatch)


def read_everything(flows):
    """All that an admin may read, in every way: lists and files of the API and of the back office."""
    for route in ON_TENANT:
        actions = {action for _, action in route.methods}
        if "list" in actions:
            flows.look(route.address(), bearer=flows.access)
        if "export" in actions:
            for kind in FORMATS:
                flows.look(f"{route.address()}?format={kind}", bearer=flows.access)
    for model, page in site._registry.items():
        if issubclass(model, Record) and page.has_view_permission(flows.entered.get("/admin/").wsgi_request):
            for kind in ("changelist", "export"):
                flows.look(reverse(f"admin:{model._meta.label_lower.replace('.', '_')}_{kind}"), browser=flows.entered)


def reprs():
    with unscoped(reason="look"):
        records = [record for model in apps.get_models() if issubclass(model, Record) for record in model.objects.all()]
        return "\n".join(f"{record!r} {record}" for record in records)


def stored(secrets):
    """What is kept in place of secrets, or was."""
    found = Secrets()
    for text, (what, _) in secrets.known.items():
        found.add(f"SHA-256 of {what}", sha256(text.encode()).hexdigest())
    with unscoped(reason="look"):
        for model, fields in STORED.items():
            for name in fields:
                for text in model.objects.exclude(**{name: None}).values_list(name, flat=True):
                    found.add(f"{model.__name__}.{name}", text)
    return found


@pytest.mark.django_db(transaction=True)
def test_no_secret_is_left_in_the_database_the_logs_or_what_people_read(flows, capfd):
    with logs() as written:
        flows.run()
        read_everything(flows)
    rows, output = database(), capfd.readouterr()
    told = {
        "log": written.text,
        "mails to ADMINS": "\n".join(str(message.message()) for message in mail.outbox if ADMINS in message.to),
        "stdout": output.out,
        "stderr": output.err,
        "reprs": reprs(),
        **flows.read,
    }
    assert "provoked" in told["log"] and "signed_in" in rows["audit_events"] and "send_invitation" in told["log"]
    assert flows.secrets.traces(rows | told) == []
    kept = stored(flows.secrets)
    assert {what for what, _ in kept.known.values()} >= {"User.password", "APIKey.token", "RecoveryCode.code"}
    assert kept.traces(told | {"audit_events": rows["audit_events"]}) == []


# -- That it would be found


SECRET = 'nxk_a "ö%/&<+\\>' + "Zq3-_" * 6


@pytest.mark.parametrize(
    "write",
    [
        str,
        repr,
        json.dumps,
        lambda text: json.dumps({"args": json.dumps({"token": text})}),
        lambda text: json.dumps(text, ensure_ascii=False),
        lambda text: urlencode({"token": text}),
        lambda text: quote(text, safe=""),
        quote_plus,
        html.escape,
        lambda text: text.encode().hex(),
        lambda text: text[-30:],
        *(
            lambda text, encode=encode, before=before: encode(f"{'x' * before}{text}, and on".encode()).decode()
            for encode in (base64.b64encode, base64.urlsafe_b64encode)
            for before in range(4)
        ),
        lambda text: sha256(text.encode()).hexdigest(),
        lambda text: sha256(f"account|{text}".encode()).hexdigest(),
    ],
)
def test_a_secret_is_found_in_whatever_writing(write):
    secrets = Secrets()
    secrets.add("key", SECRET, guessable=True)
    assert secrets.traces({"here": f"before {write(SECRET)} after", "there": "nothing"})
    assert not secrets.traces({"there": f"before {write('something else of that length, or so')} after"})


@pytest.mark.django_db(transaction=True)
def test_a_secret_is_found_in_a_row_and_in_the_log(acme):
    secrets, line, extra = Secrets(), token_hex(16), token_hex(16)
    for what, text in {"row": SECRET, "line": line, "extra": extra}.items():
        secrets.add(what, text)
    with logs() as written:
        CustomerFactory(tenant=acme, custom_fields={"note": json.dumps({"token": SECRET})})
        logging.getLogger("nexora.api").debug("came with %s", line)
        logging.getLogger("procrastinate").info("called", extra={"job": {"args": {"token": extra}}})
    found = secrets.traces(database() | {"log": written.text})
    assert {(what, place) for what, _, place in found} == {("row", "customers"), ("line", "log"), ("extra", "log")}
