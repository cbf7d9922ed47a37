"""Every route, by key: a program reaches what its scopes say of what its person's role does, and no more."""

import pytest

from nexora.kernel.permissions import OWN, WRITE, Policy, known_scopes, scope_problem
from nexora.policy import POLICY
from tests.accounts.test_keys import program
from tests.contracts import routes
from tests.contracts.test_policy import call, make_owned, unused
from tests.factories import (
    ActivityFactory,
    APIKeyFactory,
    CustomerFactory,
    DealFactory,
    WorkflowExecutionFactory,
    WorkflowFactory,
)

pytestmark = pytest.mark.django_db

OTHER = "analytics.aiprediction"
HOLDERS = ("user", "manager", "admin")
CELLS = [
    pytest.param(route, method, action, role, id=f"{role}-{method}-{route}")
    for route in routes.ON_TENANT
    for method, action in route.methods
    for role in HOLDERS
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


@pytest.mark.parametrize(("route", "method", "action", "role"), CELLS)
def test_a_key_reaches_its_scopes_of_what_its_role_reaches(route, method, action, role, cast, colleague, acme):
    person, resource, right = cast[role], label(route), route.right(action)
    reach = POLICY.reach(role, resource, right)
    for name, scopes in scopes_for(resource).items():
        admitted = name != "another's" if right == "view" else name.startswith("write")
        admitted = admitted and (right == "view" or not POLICY.is_people_only(resource))
        client = program(APIKeyFactory(user=person, scopes=scopes).text)
        # Somebody else's record where the role reaches all, the person's own where it does not.
        record = make_owned(route.model, person, acme) if reach == OWN else None
        if record is None:
            record = colleague if route.model is type(person) else routes.make(route.model, acme)
        body = routes.body_for(route, record) if action in ("create", "update") else {}
        if action == "create":
            body = unused(route, body, record)
        answer = call(client, route, method, record and record.pk, body)
        if reach and admitted:
            assert answer.status_code in (200, 201, 204), (scopes, answer.content)
            continue
        assert answer.status_code == 403, (scopes, answer.content)
        if right != "view" and POLICY.is_people_only(resource):
            assert answer.json()["code"] == "people_only"
        else:
            assert answer.json()["code"] == ("insufficient_scope" if reach else "permission_denied")


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
