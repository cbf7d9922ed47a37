"""Every route of the router keeps to its budget of statements."""

from contextlib import contextmanager

import pytest
from django.db import connection

from nexora.policy import POLICY
from tests.contracts import routes
from tests.contracts.budgets import BUDGET, EXCEPTIONS, MORE

pytestmark = pytest.mark.django_db

UNCOUNTED = ("SAVEPOINT", "RELEASE SAVEPOINT", "ROLLBACK TO SAVEPOINT", "SELECT set_config")
COSTS = [
    pytest.param(route, method, action, id=f"{action}-{route}")
    for route in routes.ON_TENANT
    for method, action in route.methods
    if POLICY.reach("admin", route.model._meta.label_lower, route.right(action))
]


@contextmanager
def statements():
    """The statements about records that are executed inside."""
    found = []

    def record(execute, sql, params, many, context):
        if not sql.startswith(UNCOUNTED):
            found.append(sql)
        return execute(sql, params, many, context)

    with connection.execute_wrapper(record):
        yield found


def body_of(route, action, record, tenant):
    """As much as can be sent, none of it taken."""
    if action in ("bulk_update", "bulk_delete"):
        return routes.bulk_body(action, record)
    if action not in ("create", "update", "partial_update"):
        return routes.body_of_action(action, tenant)
    body = routes.body_for(route, record)
    if action == "create":
        return routes.unused(route, body, record)
    if "email" in body:
        body["email"] = "nobody.yet@example.com"
    return {name: value for name, value in body.items() if name != "plugin"}


@pytest.mark.parametrize(("route", "method", "action"), COSTS)
def test_a_request_costs_no_more_than_its_budget(route, method, action, acme, admin, client_for):
    client = client_for(admin)
    record = routes.ready_for(action, routes.make(route.model, acme, admin))
    # Two of a kind, so that a statement a row shows.
    second = record if record in (None, acme) else routes.ready_for(action, routes.make(route.model, acme, admin))
    body = body_of(route, action, record, acme)
    client.get(route.address(record and record.pk))  # the host and the token are known from here on
    with statements() as found:
        answer = getattr(client, method)(route.address(second and second.pk), body)
        answer.getvalue()  # of a file, every page
    assert answer.status_code in (200, 201, 202, 204), answer.content
    budget = EXCEPTIONS.get((route.name, action), BUDGET[action])
    if method != "get":
        budget += MORE.get(route.model._meta.label_lower, 0)
    assert len(found) <= budget, "\n".join(found)


def test_the_budgets_are_those_promised():
    """The promise of the API; `EXCEPTIONS` may only shrink."""
    assert BUDGET["list"] == BUDGET["retrieve"] == BUDGET["aggregate"] == 1
    assert BUDGET["create"] == BUDGET["update"] == BUDGET["partial_update"] == 3
    assert len(EXCEPTIONS) <= 7
    assert {name for name, _action in EXCEPTIONS} <= {route.name for route in routes.ON_TENANT}
