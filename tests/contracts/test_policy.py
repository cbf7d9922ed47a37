"""The policy table itself. That the API keeps to it is tested in test_access_matrix."""

from uuid import uuid4

import pytest

from nexora.kernel.permissions import as_markdown, policy
from nexora.policy import POLICY
from tests.contracts import routes

pytestmark = pytest.mark.django_db


def call(client, route, method, record_id, body):
    address = route.address(record_id) if route.is_detail else route.address()
    return getattr(client, method)(address, body)


@pytest.mark.parametrize("role", (*routes.ROLES, "super_admin", "nobody"))
def test_an_unknown_resource_or_action_reaches_nothing(role):
    assert POLICY.reach(role, "crm.unicorn", "view") is None
    assert POLICY.reach("nobody", "crm.customer", "view") is None
    assert POLICY.reach(role, "crm.customer", "fly") is None


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
