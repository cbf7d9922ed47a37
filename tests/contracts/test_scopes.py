"""Every route, by key: a program reaches what its scopes say of what its person's role does, and no more."""

import json

import pytest

from nexora.kernel.permissions import OWN, WRITE, Policy, known_scopes, scope_problem
from nexora.policy import POLICY
from tests.accounts.test_keys import program
from tests.contracts import routes
from tests.contracts.test_access_matrix import ON_RECORDS, Caller, Records
from tests.factories import (
    ActivityFactory,
    APIKeyFactory,
    CustomerFactory,
    DealFactory,
    UserFactory,
    WorkflowExecutionFactory,
    WorkflowFactory,
)

pytestmark = [pytest.mark.django_db, pytest.mark.once]

OTHER = "analytics.aiprediction"
HOLDERS = ("user", "manager", "admin")
CELLS = [
    pytest.param(operation, role, id=f"{role}-{operation}")
    for operation in ON_RECORDS
    for role in HOLDERS
    if operation.host == "tenant"
]


def label(route):
    return route.model._meta.label_lower


def scopes_for(resource):
    """{name: scopes} of every kind of key; where one would write what is people's, of a key that was never issued."""
    return {
        "another's": [f"{OTHER if resource != OTHER else 'crm.deal'}:read"],
        "read": [f"{resource}:read"],
        "write": [f"{resource}:write"],
        "read all": ["*:read"],
        "write all": ["*:write"],
    }


@pytest.mark.parametrize(("operation", "role"), CELLS)
def test_a_key_reaches_its_scopes_of_what_its_role_reaches(operation, role, cast, colleague, acme, globex):
    person, resource, right = cast[role], label(operation), operation.right
    UserFactory(tenant=acme, role="admin")  # so that nobody is the last one
    reach = POLICY.reach(role, resource, right)
    records = Records(operation, person, colleague, acme, globex)
    # Somebody else's record where the role reaches all, the person's own where it does not.
    record = records.own if reach == OWN and records.own is not None else records.theirs
    for name, scopes in scopes_for(resource).items():
        admitted = name != "another's" if right == "view" else name.startswith("write")
        admitted = admitted and (right == "view" or not POLICY.is_people_only(resource))
        is_peoples = operation.action in operation.viewset.for_people
        key = APIKeyFactory(user=person, scopes=scopes)
        answer = Caller(program(key.text), operation, person).call(record)
        if reach and admitted and not is_peoples:
            assert answer.status_code in (200, 201, 202, 204), (scopes, answer.text_sent)
            continue
        assert answer.status_code == 403, (scopes, answer.text_sent)
        code = json.loads(answer.text_sent)["code"]
        if (right != "view" and POLICY.is_people_only(resource)) or (reach and admitted):
            assert code == "people_only"
        else:
            assert code == ("insufficient_scope" if reach else "permission_denied")


@pytest.mark.parametrize("route", [r for r in routes.LISTS if r.viewset.fast], ids=str)
def test_a_statement_kept_for_one_who_reads_serves_nobody_who_does_not(route, manager, acme, client_for):
    routes.make(route.model, acme)
    deaf = program(APIKeyFactory(user=manager, scopes=scopes_for(label(route))["another's"]).text)
    reads = program(APIKeyFactory(user=manager, scopes=scopes_for(label(route))["read"]).text)
    for _ in range(2):
        person = client_for(manager).get(route.address())
        assert reads.get(route.address()).status_code == person.status_code
        if person.status_code == 200:
            # Its use has changed the key's own row, so not the rows themselves.
            found = [
                [row.get("id") for row in answer.json()["results"]] for answer in (person, reads.get(route.address()))
            ]
            assert found[0] == found[1]
        assert deaf.get(route.address()).status_code == 403


class TestWhatGoesAlong:
    """The database deletes what hangs on a record; a key must not thereby delete what it may not."""

    ADDRESS = "/api/v1/customers/"

    @pytest.mark.parametrize("role", ["user", "manager"])
    def test_is_within_the_scopes(self, role, cast, acme):
        person = cast[role]
        customer = CustomerFactory(tenant=acme, created_by=person)
        DealFactory(customer=customer, assigned_to=person)
        ActivityFactory(customer=customer, created_by=person)
        narrow = ["crm.customer:write", "crm.deal:write"]
        refused = program(APIKeyFactory(user=person, scopes=narrow).text).delete(f"{self.ADDRESS}{customer.pk}/")
        assert (refused.status_code, refused.json()["code"]) == (403, "insufficient_scope")
        assert "1 activity that this key may not delete" in refused.json()["detail"]
        wide = program(APIKeyFactory(user=person, scopes=[*narrow, "crm.activity:write"]).text)
        assert wide.delete(f"{self.ADDRESS}{customer.pk}/").status_code == 204

    @pytest.mark.parametrize("scopes", [["crm.customer:write"], ["*:write"]])
    def test_is_never_a_colleagues(self, scopes, member, colleague, acme):
        customer = CustomerFactory(tenant=acme, created_by=member)
        DealFactory(customer=customer, assigned_to=colleague)
        answer = program(APIKeyFactory(user=member, scopes=scopes).text).delete(f"{self.ADDRESS}{customer.pk}/")
        assert (answer.status_code, answer.json()["code"]) == (403, "insufficient_scope")

    def test_may_be_what_nobody_deletes_singly(self, manager, acme):
        workflow = WorkflowFactory(tenant=acme)
        WorkflowExecutionFactory(workflow=workflow)
        key = APIKeyFactory(user=manager, scopes=["workflows.workflow:write"])
        assert program(key.text).delete(f"/api/v1/workflows/{workflow.pk}/").status_code == 204


class TestTheTable:
    def test_names_what_is_peoples_only(self):
        assert {name for name in POLICY.resources if POLICY.is_people_only(name)} == {
            name for name in POLICY.resources if name.startswith(("accounts.", "tenants."))
        }

    def test_refuses_a_section_that_there_is_not(self):
        with pytest.raises(ValueError, match="people_only names acounts"):
            Policy({"crm.deal": ("view",) * 5}, people_only=("acounts",))

    def test_every_known_scope_is_sound_and_no_other_is(self):
        assert [problem for scope in known_scopes() if (problem := scope_problem(scope))] == []
        for name in POLICY.resources:
            if POLICY.is_people_only(name):
                assert scope_problem(f"{name}:{WRITE}")
        for text in ("", ":", "*", "*:", ":read", "crm.*:read", "crm.deal:read:write", "CRM.Deal:read", " *:read"):
            assert scope_problem(text)


def test_a_role_is_granted_by_no_program(admin):
    from apps.accounts.authentication import KeyUser
    from nexora.kernel.errors import PeopleOnly
    from nexora.kernel.permissions import ensure_may_grant

    with pytest.raises(PeopleOnly):
        ensure_may_grant(KeyUser(admin.pk, "admin", admin.tenant_id, "Admin", frozenset({"*:write"})), "guest")
