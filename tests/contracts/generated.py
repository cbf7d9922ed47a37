"""Requests that schemathesis makes of an OpenAPI document: those that keep it, and those that break it in one point."""

import json
import os
from functools import cache
from uuid import NAMESPACE_URL, uuid5

import schemathesis
from django.core.wsgi import get_wsgi_application
from drf_spectacular.generators import SchemaGenerator
from schemathesis.checks import CHECKS, load_all_checks
from schemathesis.generation.feedback import FeedbackSources
from schemathesis.pytest._test_builder import build_operation_test

from nexora.kernel.api.documents import PlatformGenerator
from tests.factories import PASSWORD

GENERATORS = {"tenant": SchemaGenerator, "platform": PlatformGenerator}
# `make test FUZZ=…`: how many random requests there are of each operation, beside those at every limit of its schema.
EXAMPLES = int(os.environ.get("FUZZ") or 3)
IS_DEEP = bool(os.environ.get("FUZZ"))
CONFIG = {
    "seed": 1,
    "generation": {"deterministic": True, "max-examples": EXAMPLES, "database": "none"},
    "checks": {
        # 412: If-Match is any text to the schema. 5xx has a check of its own.
        "positive_data_acceptance": {"expected-statuses": ["2xx", "304", "401", "403", "404", "409", "412"]},
        "negative_data_rejection": {
            "expected-statuses": ["400", "401", "403", "404", "405", "406", "409", "412", "414", "415", "422"]
        },
        # It would send each request twice more. Those that the document wants signed are sent by nobody, too.
        "ignored_auth": {"enabled": False},
    },
}


def record_id(resource):
    """The id of the one record that a test makes of each resource, so that requests can name it beforehand."""
    return str(uuid5(NAMESPACE_URL, resource))


# What no schema leads to, by field.
KNOWN = {
    "customer": record_id("customers"),
    "deal": record_id("deals"),
    "assigned_to": record_id("users"),
    "plugin": record_id("plugins"),
    "tenant": record_id("tenants"),
    "role": "guest",
    "to": record_id("successor"),
    "hand_over_to": record_id("successor"),
    "password": "correct-horse-battery",
    "new_password": "correct-horse-battery",
    "current_password": PASSWORD,
    "trigger": {"type": "manual"},
    "scopes": ["crm.customer:read"],
    "expires_at": "2099-01-01T00:00:00Z",
    "actions": [{"key": "note", "type": "activity.create", "with": {"type": "note", "subject": "Hello"}}],
}


@cache
def operations(host):
    """[(label, [case])] of every operation of the document, in an order that never changes."""
    document = json.loads(json.dumps(GENERATORS[host]().get_schema(request=None, public=True), default=str))
    schema = schemathesis.openapi.from_dict(document, config=schemathesis.Config.from_dict(CONFIG))
    schema.app = get_wsgi_application()
    load_all_checks()
    return [(operation.label, _cases(schema, operation)) for operation in (r.ok() for r in schema.get_all_operations())]


def _cases(schema, operation):
    found = []

    def collect(case):
        found.append(case)

    # Not schema.parametrize(), which builds everything anew for each role, and shrinks failures by sending more.
    build_operation_test(
        config=schema.config, operation=operation, test_func=collect, given_kwargs={}, feedback=FeedbackSources()
    )()
    sound = [case for case in found if case.meta.generation.mode.is_positive]
    known = sound[::2]
    for case in known:
        _name_records(case)
    return known + [case for case in found if case not in known]


def _name_records(case):
    """Made-up ids and ETags lead nowhere: name records that there are, as they are."""
    resource = case.path.removeprefix("/api/v1/").split("/")[0]
    if "id" in (case.path_parameters or {}):
        # A run is ended while it goes on, and gone on with when it has failed.
        known = "running" if case.path.endswith("/cancel/") else resource
        case.path_parameters = {**case.path_parameters, "id": record_id(known)}
        case.headers = {name: value for name, value in (case.headers or {}).items() if name != "If-Match"}
    if isinstance(case.body, dict):
        case.body = _known(case.body, case.method, resource)
        if "ids" in case.body:
            case.body["ids"] = [record_id(resource)]
        if isinstance(case.body.get("set"), dict):
            case.body["set"] = _known(case.body["set"], case.method, resource)


def _known(body, method, resource):
    known = {name: value for name, value in KNOWN.items() if name in body}
    if resource == "plugin-installations" and method == "PUT":
        known["plugin"] = record_id("installed")
    # To schemathesis "" is a sound UUID or date where null is one, too, until it looks again.
    return {name: value for name, value in body.items() if value != ""} | known


def some(cases, most):
    """At most so many of them: the first few, which name records, and others from all over the list."""
    if IS_DEEP or len(cases) <= most:
        return cases
    first, others = cases[: most // 4], cases[most // 4 :]
    step = len(others) / (most - len(first))
    return first + [others[int(i * step)] for i in range(most - len(first))]


def failures(case, response, **how):
    """[failed check] of schemathesis' own."""
    try:
        case.validate_response(response, **how)
    except BaseExceptionGroup as group:
        return list(group.exceptions)
    return []


def check_named(name):
    return CHECKS.get_one(name)
