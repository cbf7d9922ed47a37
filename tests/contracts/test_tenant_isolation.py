"""Another tenant's records do not exist: for every route, method and role, and through every writable relation."""

from uuid import uuid4

import pytest

from nexora.kernel.models import TenantModel
from nexora.kernel.permissions import ALL
from nexora.policy import POLICY
from tests.contracts import routes
from tests.factories import FACTORIES

pytestmark = pytest.mark.django_db


def person(role, cast):
    return cast[role]


@pytest.mark.parametrize("role", routes.ROLES)
@pytest.mark.parametrize("route", routes.DETAIL, ids=str)
def test_another_tenants_id_is_answered_like_an_unknown_one(route, role, cast, globex, client_for):
    foreign = routes.make(route.model, globex)
    foreign_id = foreign.pk if foreign is not None else uuid4()
    client = client_for(cast[role])
    for method, action in route.methods:
        unknown_id = uuid4()
        call = getattr(client, method)
        theirs, unknown = call(route.address(foreign_id), {}), call(route.address(unknown_id), {})
        assert theirs.status_code == unknown.status_code in (403, 404), (method, theirs.content)
        assert routes.without_id(theirs, foreign_id) == routes.without_id(unknown, unknown_id)
        allowed = route_allows(route, action, role)
        assert theirs.status_code == (404 if allowed else 403)


def route_allows(route, action, role):
    return POLICY.reach(role, route.model._meta.label_lower, route.right(action)) is not None


@pytest.mark.parametrize("role", routes.ROLES)
@pytest.mark.parametrize("route", routes.LISTS, ids=str)
def test_another_tenants_rows_never_appear_in_a_list(route, role, cast, acme, globex, client_for):
    own, foreign = routes.make(route.model, acme), routes.make(route.model, globex)
    answer = client_for(cast[role]).get(route.address())
    if answer.status_code == 403:
        assert not route_allows(route, "list", role)
        return
    assert answer.status_code == 200, answer.content
    ids = {row.get("id") for row in answer.json()["results"]}
    if own is not None:
        is_seen = POLICY.reach(role, route.model._meta.label_lower, "view") == ALL
        assert (str(own.pk) in ids) == is_seen
    if foreign is not None and issubclass(route.model, TenantModel):
        assert str(foreign.pk) not in answer.content.decode()


@pytest.mark.parametrize("route", routes.LISTS, ids=str)
def test_filtering_by_another_tenants_id_is_like_filtering_by_an_unknown_one(route, admin, globex, client_for):
    client = client_for(admin)
    for name, one in route.viewset.filterset_class.base_filters.items():
        if one.lookup_expr != "exact" or "UUID" not in type(one).__name__:
            continue
        relation = route.model._meta.get_field(one.field_name)
        foreign = routes.make(relation.related_model, globex) if relation.is_relation else None
        foreign_id = foreign.pk if foreign is not None else uuid4()
        theirs = client.get(route.address(), {name: foreign_id})
        unknown = client.get(route.address(), {name: uuid4()})
        assert theirs.status_code == unknown.status_code == 200
        assert theirs.json()["results"] == unknown.json()["results"] == []


@pytest.mark.parametrize(("route", "method", "field"), routes.writable_relations(), ids=str)
def test_a_relation_refuses_another_tenants_id_and_names_the_field(
    route, method, field, admin, acme, globex, client_for
):
    target = route.model._meta.get_field(field).related_model
    own, foreign = routes.make(route.model, acme), routes.make(target, globex)
    client = client_for(admin)
    body = routes.body_for(route, own) if method == "post" else {}
    address = route.address() if method == "post" else route.address(own.pk)
    theirs = getattr(client, method)(address, body | {field: str(foreign.pk)})
    unknown = getattr(client, method)(address, body | {field: str(uuid4())})
    assert theirs.status_code == unknown.status_code == 400, theirs.content
    assert theirs.json()["errors"].keys() == {field}
    assert theirs.json() == unknown.json()


@pytest.mark.parametrize("route", routes.ON_TENANT, ids=str)
def test_a_token_of_one_tenant_is_refused_on_anothers_host(route, mallory, acme, client_for):
    client = client_for(mallory)
    client.defaults["HTTP_HOST"] = "acme.localhost"
    for method, _action in route.methods:
        answer = getattr(client, method)(route.address(uuid4()), {})
        assert answer.status_code == 401
        assert answer["Content-Type"] == "application/problem+json"


@pytest.mark.parametrize("route", routes.ON_TENANT, ids=str)
def test_nobody_gets_in_without_a_token(route, acme, client_for):
    client = client_for(None, tenant=acme)
    for method, _action in route.methods:
        assert getattr(client, method)(route.address(uuid4()), {}).status_code == 401


def test_every_tenant_model_with_a_route_has_rows_to_test_with():
    """Without a factory the tests above would say nothing of a model; only views without a table may lack one."""
    missing = {route.model for route in routes.ON_TENANT} - FACTORIES.keys()
    assert all(not model._meta.managed for model in missing)
