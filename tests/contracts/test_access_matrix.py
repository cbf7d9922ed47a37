"""Every operation of the OpenAPI documents, tried by every kind of caller on their own, a colleague's and another
tenant's record, and compared with the policy: its table for records, its doors for the rest."""

import json
from contextlib import contextmanager
from dataclasses import dataclass
from uuid import uuid4

import pytest
from django.db import transaction
from django.urls import resolve
from drf_spectacular.generators import SchemaGenerator

from nexora.kernel.api.documents import PlatformGenerator
from nexora.kernel.api.viewsets import TenantRecords
from nexora.kernel.models import TenantModel
from nexora.kernel.permissions import ALL, EVERYBODY, METHOD_RIGHTS, OWN, PEOPLE
from nexora.policy import POLICY
from tests.accounts.test_keys import program
from tests.conftest import host_of
from tests.contracts import routes
from tests.factories import APIKeyFactory, UserFactory

pytestmark = [pytest.mark.django_db, pytest.mark.once]

ROLES = (*routes.ROLES, "super_admin")


@dataclass(frozen=True)
class Operation:
    """One method of one path of a document."""

    host: str
    method: str
    path: str

    def __str__(self):
        return f"{self.host}-{self.method}-{self.path}"

    @property
    def match(self):
        return resolve(self.address("x"))

    @property
    def viewset(self):
        viewset = getattr(self.match.func, "cls", None)
        return viewset if isinstance(viewset, type) and issubclass(viewset, TenantRecords) else None

    @property
    def model(self):
        return self.viewset.resource

    @property
    def action(self):
        return self.match.func.actions[self.method]

    @property
    def right(self):
        return self.viewset.action_rights.get(self.action) or METHOD_RIGHTS[self.action]

    @property
    def is_about_one(self):
        return "{" in self.path

    def address(self, key):
        head, brace, rest = self.path.partition("{")
        return f"{head}{key}{rest.partition('}')[2]}" if brace else self.path


def operations(host):
    """Those of the host's document."""
    generator = SchemaGenerator if host == "tenant" else PlatformGenerator
    document = generator().get_schema(request=None, public=True)
    return [Operation(host, method, path) for path, methods in document["paths"].items() for method in methods]


EVERY = [*operations("tenant"), *operations("platform")]
ON_RECORDS = [operation for operation in EVERY if operation.viewset]
DOORS = [operation for operation in EVERY if not operation.viewset]
VIEWS = sorted(routes.views_of_no_record())
CELLS = [
    pytest.param(operation, role, id=f"{role}-{operation}")
    for operation in ON_RECORDS
    for role in ROLES
    if (operation.host == "platform") == (role == "super_admin")
]


def test_the_documents_hold_every_route():
    """What is in no document would be walked by nobody."""
    documented = {operation.match.view_name for operation in ON_RECORDS}
    assert documented == {route.name for route in routes.ALL}


@pytest.mark.parametrize("operation", ON_RECORDS, ids=str)
def test_every_operation_on_records_has_a_row_in_the_table(operation):
    assert operation.model._meta.label_lower in POLICY.resources


@pytest.mark.parametrize("name", VIEWS)
def test_every_address_that_is_about_no_record_has_a_door_in_the_policy(name):
    assert name in POLICY.doors


def test_every_door_leads_somewhere():
    assert POLICY.doors.keys() == set(VIEWS)


@pytest.mark.parametrize("operation", DOORS, ids=str)
def test_a_door_is_open_to_whom_the_policy_says(operation, cast, acme, platform, client_for):
    door = POLICY.doors[operation.match.view_name]
    home = acme if operation.host == "tenant" else platform
    stranger = call(client_for(None, tenant=home), operation)
    people = [person for person in cast.values() if person.tenant_id == home.pk]
    known = [call(client_for(person), operation) for person in people]
    assert is_stopped(stranger) == (door != EVERYBODY), stranger.content
    assert not any(is_stopped(answer) for answer in known)
    for person in people:
        answer = call(program(APIKeyFactory(user=person, scopes=["*:write"]).text, host=host_of(home)), operation)
        assert is_stopped(answer) == (door == PEOPLE), answer.content


def call(client, operation):
    with undone():
        return getattr(client, operation.method)(operation.address(uuid4()), {})


def is_stopped(answer):
    """By the door, not by what was said there."""
    return answer.status_code == 403 or (answer.status_code == 401 and answer.json()["code"] == "not_authenticated")


# -- Records


class Records:
    """One's own, a colleague's and another tenant's record of a model; None where there can be none."""

    def __init__(self, operation, person, colleague, home, elsewhere):
        model = operation.model
        self.model = model
        self.action = operation.action
        self.theirs = colleague if model is type(person) else self.make(home, colleague)
        self.own = None
        if model is type(person):
            self.own = person
        elif model.owner_fields:
            self.own = self.make(person.tenant, person)
        is_tenants = issubclass(model, TenantModel)
        self.foreign = self.make(elsewhere) if is_tenants and elsewhere else None

    def make(self, tenant, owner=None):
        return routes.ready_for(self.action, routes.make(self.model, tenant, owner))


@contextmanager
def undone():
    """Each request finds what was made, whatever those before it did."""
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


def content_of(answer):
    return (b"".join(answer.streaming_content) if answer.streaming else answer.content).decode()


class Caller:
    def __init__(self, client, operation, person):
        self.client, self.operation, self.person = client, operation, person

    def call(self, record):
        operation = self.operation
        with undone():
            address = operation.address(record.pk if record is not None else uuid4())
            answer = getattr(self.client, operation.method)(address, self.body(record))
            answer.text_sent = content_of(answer)
        return answer

    def body(self, record):
        operation = self.operation
        if operation.action in ("update", "create"):
            body = routes.body_for(operation, record, on_platform=operation.host == "platform")
            return body if operation.action == "update" else routes.unused(operation, body, record)
        if operation.action in BODIES:
            return BODIES[operation.action](self, record)
        return {}


# What an action wants to be sent. One that is not here is sent nothing.
BODIES = {
    "bulk_update": lambda caller, record: {"ids": [str(record.pk)], "set": {}},
    "bulk_delete": lambda caller, record: {"ids": [str(record.pk)]},
    "hand_over": lambda caller, record: routes.body_of_action("hand_over", record.tenant),
}
SHOWS_ROWS = ("list", "export")
NAMES_RECORDS = ("bulk_update", "bulk_delete")
# What one does to others alone: one's own second factor is removed with a code of it.
OF_OTHERS = ("reset_second_factor",)


@pytest.mark.parametrize(("operation", "role"), CELLS)
def test_a_cell_of_the_table_holds(operation, role, cast, colleague, acme, globex, platform, client_for):
    person = cast[role]
    UserFactory(tenant=acme, role="admin")  # so that nobody is the last one
    reach = POLICY.reach(role, operation.model._meta.label_lower, operation.right)
    seen = POLICY.reach(role, operation.model._meta.label_lower, "view")
    # The platform's people work on everybody's records: nobody's are foreign there.
    records = Records(operation, person, colleague, acme, None if role == "super_admin" else globex)
    caller = Caller(client_for(person), operation, person)
    if operation.action in SHOWS_ROWS:
        shown = caller.call(records.theirs)
        assert shown.status_code == (200 if reach else 403), shown.text_sent
        if reach and records.theirs is not None:
            assert (key_of(records.theirs) in shown.text_sent) == (reach == ALL)
        if reach and records.own is not None:
            assert key_of(records.own) in shown.text_sent
        if records.foreign is not None:
            assert str(records.foreign.pk) not in shown.text_sent
    elif operation.is_about_one or operation.action in NAMES_RECORDS:
        theirs, unseen = (records.theirs, 404 if seen == OWN else 403)
        expect(caller.call(theirs), None if reach == ALL else unseen if reach == OWN else 403)
        if records.own is not None:
            expect(caller.call(records.own), None if reach and operation.action not in OF_OTHERS else 403)
        if records.foreign is not None:
            expect(caller.call(records.foreign), 404 if reach else 403)
    else:
        expect(caller.call(records.theirs), None if reach else 403)


def key_of(record):
    return str(record.pk)


def expect(answer, refusal):
    """`refusal` is the status; None: nothing stood in the way."""
    if refusal is None:
        assert 200 <= answer.status_code < 300, answer.text_sent
    else:
        assert answer.status_code == refusal, answer.text_sent
        assert json.loads(answer.text_sent)["code"] in ("permission_denied", "not_found")


@pytest.mark.parametrize("operation", ON_RECORDS, ids=str)
def test_nobody_gets_to_records_without_a_token(operation, acme, platform, client_for):
    client = client_for(None, tenant=acme if operation.host == "tenant" else platform)
    answer = getattr(client, operation.method)(operation.address(uuid4()), {})
    assert (answer.status_code, answer.json()["code"]) == (401, "not_authenticated")


@pytest.mark.parametrize("operation", ON_RECORDS, ids=str)
@pytest.mark.parametrize("role", ["guest", "admin"])
def test_a_token_is_good_on_its_own_host_only(operation, role, cast, globex, platform, client_for):
    client = client_for(cast[role])
    client.defaults["HTTP_HOST"] = "globex.localhost" if operation.host == "tenant" else "localhost"
    answer = getattr(client, operation.method)(operation.address(uuid4()), {})
    assert (answer.status_code, answer.json()["code"]) == (401, "token_not_valid")
