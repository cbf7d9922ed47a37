"""Every cell of the policy table, through the API: what it allows works, what it does not is refused."""

from uuid import UUID, uuid4

import pytest

from nexora.kernel.permissions import ALL, OWN, as_markdown, policy
from nexora.kernel.scope import tenant_scope
from nexora.policy import POLICY
from tests.contracts import routes

pytestmark = pytest.mark.django_db

CELLS = [
    pytest.param(route, method, action, role, id=f"{role}-{method}-{route}")
    for route in routes.ON_TENANT
    for method, action in route.methods
    for role in routes.ROLES
]


def make_owned(model, user, acme):
    """A row that is the user's own, or None where rows of this model are nobody's."""
    if model is type(user):
        return user
    record = routes.make(model, acme)
    if record is None or not model.owner_fields:
        return None
    with tenant_scope(acme):
        record = model.objects.get(pk=record.pk)
        for attname in model.owner_fields:
            setattr(record, attname, user.pk)
        record.save()
    return record


def call(client, route, method, record_id, body):
    address = route.address(record_id) if route.is_detail else route.address()
    return getattr(client, method)(address, body)


@pytest.mark.parametrize(("route", "method", "action", "role"), CELLS)
def test_a_cell_of_the_table_holds_in_the_api(route, method, action, role, cast, colleague, acme, client_for):
    user = cast[role]
    client = client_for(user)
    reach = POLICY.reach(role, route.model._meta.label_lower, route.right(action))
    others = colleague if route.model is type(user) else routes.make(route.model, acme)
    body = {}
    if action in ("create", "update"):
        body = routes.body_for(route, others)
    if action == "create":
        body = unused(route, body, others)
    theirs = call(client, route, method, others and others.pk, body)
    if reach == ALL:
        assert theirs.status_code in (200, 201, 204), theirs.content
    else:
        assert theirs.status_code == 403, theirs.content
        assert theirs.json()["code"] == "permission_denied"
    own = make_owned(route.model, user, acme) if reach == OWN else None
    if own is not None:
        mine = call(client, route, method, own.pk, routes.body_for(route, own) if action == "update" else {})
        assert mine.status_code in (200, 204), mine.content


def unused(route, body, record):
    """The body with unique values that nobody has: the record itself is deleted where its whole body is its key."""
    if "email" in body:
        body["email"] = f"{uuid4()}@example.com"
    if "slug" in body:
        body["slug"] = uuid4().hex
    if "plugin" in body:
        with tenant_scope(record.tenant_id):
            type(record).objects.get(pk=UUID(str(record.pk))).delete()
    return body


@pytest.mark.parametrize("role", (*routes.ROLES, "super_admin", "nobody"))
def test_an_unknown_resource_or_action_reaches_nothing(role):
    assert POLICY.reach(role, "crm.unicorn", "view") is None
    assert POLICY.reach("nobody", "crm.customer", "view") is None
    assert POLICY.reach(role, "crm.customer", "fly") is None


@pytest.mark.parametrize("route", routes.ALL, ids=str)
def test_every_route_has_a_row_in_the_table(route):
    assert route.model._meta.label_lower in POLICY.resources


@pytest.mark.parametrize("route", routes.ON_TENANT, ids=str)
def test_a_method_that_is_not_offered_is_405_for_every_role(route, cast, client_for):
    offered = {method for method, _action in route.methods}
    for role in routes.ROLES:
        client = client_for(cast[role])
        for method in {"post", "put", "patch", "delete"} - offered:
            answer = call(client, route, method, uuid4(), {})
            assert answer.status_code == 405, (role, method, answer.content)


def test_the_readme_shows_the_table(request):
    readme = (request.config.rootpath / "README.md").read_text()
    assert as_markdown(policy()) in readme
