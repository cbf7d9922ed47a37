"""The OpenAPI documents are true: whatever they allow or forbid is sent, as everybody, and answered as they say."""

import json
import re
from urllib.parse import unquote

import pytest
from django.core.signals import request_finished, request_started
from django.db import close_old_connections, transaction

from apps.accounts.models import Notification
from apps.crm.models import Activity, Deal
from apps.marketplace.models import PluginInstallation
from apps.workflows.models import WorkflowExecution
from nexora.kernel.api.exceptions import catalogue
from nexora.kernel.models import TenantModel
from nexora.kernel.permissions import ROLES
from nexora.policy import POLICY
from tests.conftest import host_of
from tests.contracts import generated, routes
from tests.factories import (
    FACTORIES,
    NotificationFactory,
    PluginFactory,
    TenantFactory,
    UserFactory,
    WorkflowExecutionFactory,
)

pytestmark = [pytest.mark.django_db, pytest.mark.once]

CALLERS = [(host, role) for host in generated.GENERATORS for role in (*ROLES, None)]
# Requests of an operation by those who may do most; the others mostly hear that they may not.
MOST = {("tenant", "admin"): 60, ("platform", "super_admin"): 60}
FEW = 10

# What the server refuses and no JSON Schema can say, as (field, sentence).
UNSAYABLE = {
    "a cursor is sealed": ("cursor", "Not a cursor of this list"),
    "whether a record exists": (".*", "No such record"),
    "NUL, in every text; a pattern on each would say nothing else": (".*", "Remove the NUL character"),
    "additionalProperties: false would forbid the read-only fields that a PUT may send back": (".*", "Unknown field"),
    "no pattern knows what it has seen": ("ordering|group_by|sum", "At most \\d+ different"),
    "the bound of a number that is sent as text": ("price.*|rating|confidence", "Ensure this value is less than or"),
    "to JSON Schema 1.0 is an integer": (".*", "A valid integer is required"),
    "depends on `sum`": ("count", "Nothing is left to answer"),
    "JSON Schema's numbers have no digits": (".*", "Ensure that there are no more than"),
    "JSON within JSON": (".*", "Send whole numbers beyond 64 bits as text"),
    "a link is signed": ("token", "This link is not valid"),
    "which letters are visible, and which names are taken for others": (
        "organisation|name|subdomain",
        "Use one line|A name holds no|This name is reserved",
    ),
    "only its mail knows what a link holds": ("token", "This (invitation|link) has been used"),
    "a password's strength": ("(new_)?password", "This password is too|The password is too"),
    "only its owner knows the present one": ("current_password", "Send your present password"),
    "needed in a POST, not in a PUT, of one schema": ("password", "This field is required"),
    "given in a POST only": (".*", "Read-only\\. Leave it out"),
    "a moment to come": ("expires_at", "This is past"),
    "DRF's lists have no uniqueItems": ("scopes", ".* is named twice"),
    "the language of workflows is its own": ("trigger|actions", ".*"),
    "what a workflow is about": (".*", "This workflow takes|There is no .* that the workflow's owner may see"),
    "lists of ids have no uniqueItems": ("ids", "Each id once"),
    # Schemathesis' own mistake: for a date that may be null it also sends "".
    "a nullable date is no empty text": ("due_date|expected_close_date|expires_at", "Date(time)? has wrong format"),
}


@pytest.fixture(autouse=True)
def _requests_leave_the_connection_alone():
    """A request's end would close the connection that holds the test's transaction."""
    for signal in (request_started, request_finished):
        signal.disconnect(close_old_connections)
    yield
    for signal in (request_started, request_finished):
        signal.connect(close_old_connections)


@pytest.fixture(autouse=True)
def _as_many_requests_as_there_are(settings):
    """More than a plan allows in a minute; they are counted all the same."""
    settings.RATE_LIMITS = dict.fromkeys(settings.RATE_LIMITS, 10**9)


@pytest.fixture
def acme(db):
    return TenantFactory(id=generated.record_id("tenants"), name="Acme Corp", subdomain="acme")


@pytest.fixture
def records(acme):
    """{resource: record}, one of each, with the id that the requests name; they belong together."""
    made = {"tenants": acme}
    UserFactory(id=generated.record_id("successor"), tenant=acme)
    for route in routes.ALL:
        resource = route.address("x").split("/")[3]
        if not route.is_detail or resource in made or route.model not in FACTORIES:
            continue
        names = {"tenant": "tenants"} if issubclass(route.model, TenantModel) else {}
        names |= {"customer": "customers"} if route.model in (Deal, Activity) else {}
        parents = {field: made[where] for field, where in names.items()}
        if route.model is PluginInstallation:
            parents["plugin"] = PluginFactory(id=generated.record_id("installed"))
        if route.model is WorkflowExecution:
            parents |= routes.READY["retry"]
        if route.model is not Notification:  # which nobody sees but whose it is: see `caller`
            made[resource] = FACTORIES[route.model](id=generated.record_id(resource), **parents)
    WorkflowExecutionFactory(id=generated.record_id("running"), tenant=acme, **routes.READY["cancel"])
    return made


@pytest.fixture
def caller(acme, platform, client_for):
    """(host, headers) of somebody with that role: an organisation's own, but for the platform's super_admin."""

    def make(host, role):
        home = {"tenant": acme, "platform": platform}[host]
        if role is None:
            return host_of(home), {}
        person = UserFactory(tenant=platform if role == "super_admin" else home, role=role)
        NotificationFactory(id=generated.record_id("notifications"), tenant=person.tenant, user=person)
        return host_of(home), {"Authorization": client_for(person)._credentials["HTTP_AUTHORIZATION"]}

    return make


@pytest.mark.parametrize(("host", "role"), CALLERS)
def test_what_the_document_allows_and_forbids_is_answered_as_it_says(host, role, records, caller):
    name, headers = caller(host, role)
    where = {"base_url": f"http://{name}", "headers": headers}
    codes = catalogue()
    found, sent, accepted = {}, 0, set()
    for label, cases in generated.operations(host):
        for case in generated.some(cases, MOST.get((host, role), FEW)):
            # Each request finds what the fixtures made, whatever those before it did.
            with transaction.atomic():
                response = case.call(**where)
                transaction.set_rollback(True)
            sent += 1
            accepted |= {label} if response.status_code < 300 else set()
            wrong = generated.failures(case, response, excluded_checks=excused(case, response))
            wrong += problems(response, codes)
            if wrong:
                said = response.content[:500].decode(errors="replace")
                found.setdefault(said, f"{label}: {wrong[0]}\n    {said}\n    {case.as_curl_command()[:1000]}")
    assert not found, f"{len(found)} kinds, {sent} requests\n\n" + "\n\n".join([*found.values()][:20])
    if (host, role) in MOST:
        # What is never done is never tested: at least one request of each kind went through.
        assert allowed(role) & {label for label, _ in generated.operations(host)} <= accepted


def allowed(role):
    """Labels of the operations on records that the role may use."""
    return {
        f"{method.upper()} {unquote(route.address('{id}'))}"
        for route in routes.ALL
        for method, action in route.methods
        if POLICY.reach(role, route.model._meta.label_lower, route.right(action))
    }


def excused(case, response):
    """The checks that do not apply to this answer."""
    if response.status_code == 200 and "fields" in (case.query or {}):
        # Asked for less, an answer lacks fields that are required otherwise; the parameter's description says so.
        return [generated.check_named("response_schema_conformance")]
    if response.status_code == 400 and case.meta.generation.mode.is_positive:
        errors = response.json().get("errors", {})
        if errors and all(is_unsayable(field, sentences) for field, sentences in errors.items()):
            return [generated.check_named("positive_data_acceptance")]
    if response.status_code < 300 and "Authorization" in (case.meta.phase.data.description or ""):
        # The one thing wrong is put right by our own header.
        return [generated.check_named("negative_data_rejection")]
    return []


def is_unsayable(field, sentences):
    return any(
        re.fullmatch(name, field, re.DOTALL) and all(re.match(sentence, text) for text in sentences)
        for name, sentence in UNSAYABLE.values()
    )


def problems(response, codes):
    """What is wrong with an error's shape."""
    if response.status_code < 400:
        return
    if response.headers["content-type"] != ["application/problem+json"]:
        yield f"{response.status_code} is {response.headers['content-type']}"
    elif response.request.method != "HEAD":
        body = json.loads(response.content)
        if body["status"] != response.status_code or body["code"] not in codes:
            yield f"{response.status_code} says {body['status']} {body['code']}"
