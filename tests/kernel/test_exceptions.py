import json

import pytest
from django.core.exceptions import PermissionDenied, RequestDataTooBig, ValidationError
from django.db import DataError, IntegrityError, InterfaceError, OperationalError, connection, transaction
from django.http import Http404
from rest_framework import exceptions as drf
from rest_framework.response import Response

from apps.accounts.models import AuditEvent
from apps.analytics.models import AIInsight
from apps.crm.models import Activity, Customer, Deal
from nexora.kernel import errors
from nexora.kernel.api.exceptions import as_error, catalogue, flatten, page_not_found, server_error
from nexora.kernel.db.embedded import EmbeddedError
from nexora.kernel.scope import tenant_scope, unscoped
from tests.factories import (
    ActivityFactory,
    AIInsightFactory,
    CustomerFactory,
    DealFactory,
    PluginFactory,
    PluginInstallationFactory,
)

MEMBERS = {"type", "title", "status", "code", "detail", "instance"}


@pytest.mark.parametrize(
    ("exception", "status", "code"),
    [
        (errors.InUse("No."), 409, "in_use"),
        (errors.NotSignedIn("No.", code="token_rotated"), 401, "token_rotated"),
        (drf.ValidationError({"a": ["no"]}), 400, "invalid"),
        (drf.ParseError("x"), 400, "malformed"),
        (drf.NotAuthenticated(), 401, "not_authenticated"),
        (drf.AuthenticationFailed({"detail": "gone", "code": "token_not_valid"}), 401, "token_not_valid"),
        (drf.PermissionDenied(), 403, "permission_denied"),
        (drf.MethodNotAllowed("POST"), 405, "method_not_allowed"),
        (drf.NotAcceptable(), 406, "not_acceptable"),
        (drf.UnsupportedMediaType("a/b"), 415, "unsupported_media_type"),
        (drf.Throttled(3), 429, "too_many_requests"),
        (Http404(), 404, "not_found"),
        (PermissionDenied(), 403, "permission_denied"),
        (ValidationError({"a": "no"}), 400, "invalid"),
        (RequestDataTooBig(), 413, "too_large"),
        (OperationalError(), 503, "database_unavailable"),
        (InterfaceError(), 503, "database_unavailable"),
        (EmbeddedError(), 503, "database_unavailable"),
        (DataError(), 400, "invalid"),
        (IntegrityError(), 409, "conflict"),
    ],
)
def test_an_exception_becomes_a_problem(exception, status, code):
    error = as_error(exception)
    assert (error.status, error.code) == (status, code)
    assert error.detail.endswith((".", "…`"))


def test_what_is_nobodys_input_is_no_problem_of_theirs():
    assert as_error(ZeroDivisionError()) is None


def test_nested_errors_become_sentences_by_field():
    detail = {"tags": {2: ["Too long."]}, "name": ["Required."], "__all__": ["Either."], "rows": [{}, {"a": ["b"]}]}
    assert flatten(detail) == {
        "tags.2": ["Too long."],
        "name": ["Required."],
        "non_field_errors": ["Either."],
        "rows.1.a": ["b"],
    }


def test_a_problem_has_the_members_of_rfc_9457(client_for, member):
    answer = client_for(member).post("/api/v1/customers/", {})
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json().keys() == MEMBERS | {"errors"}
    assert answer.json()["instance"] == "/api/v1/customers/"


def test_an_unknown_address_under_api_is_a_problem(client_for, member):
    for path in ("/api/v1/nonsense/", "/api/v2/", "/api/"):
        answer = client_for(member).get(path)
        assert answer.status_code == 404
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert answer.json().keys() == MEMBERS


def test_a_fault_of_ours_tells_nothing(client_for, member, monkeypatch):
    def fail(self, queryset):
        raise ZeroDivisionError("secret")

    monkeypatch.setattr("apps.crm.viewsets.CustomerViewSet.fast_page", fail)
    client = client_for(member)
    client.raise_request_exception = False
    answer = client.get("/api/v1/customers/")
    assert answer.status_code == 500
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert b"secret" not in answer.content


def test_a_programming_error_of_ours_is_answered_as_internal(client_for, member, monkeypatch):
    def fail(self, queryset):
        raise errors.UnpublishedWrite("secret")

    monkeypatch.setattr("apps.crm.viewsets.CustomerViewSet.fast_page", fail)
    client = client_for(member)
    client.raise_request_exception = False
    answer = client.get("/api/v1/customers/")
    assert answer.json()["code"] == "internal_error"
    assert b"secret" not in answer.content


def test_handlers_answer_people_with_a_page(rf):
    assert page_not_found(rf.get("/somewhere"), Http404()).headers["Content-Type"].startswith("text/html")
    assert server_error(rf.get("/somewhere")).headers["Content-Type"].startswith("text/html")
    assert json.loads(server_error(rf.get("/api/v1/x")).content)["code"] == "internal_error"


@pytest.mark.parametrize(
    ("address", "kind"), [("/admin/crm/customer/", "text/html"), ("/api/v1/auth/me/", "application/problem+json")]
)
def test_a_database_that_is_away_is_503_wherever_it_is_missed(
    client_for, admin_client_for, manager, monkeypatch, address, kind
):
    client = (admin_client_for if kind == "text/html" else client_for)(manager)
    client.raise_request_exception = False
    assert client.get(address).status_code == 200

    def away(*args):
        raise OperationalError("secret")

    with monkeypatch.context() as broken:
        broken.setattr(connection, "cursor", away)
        answer = client.get(address)
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "2")
    assert answer.headers["Content-Type"].startswith(kind)
    assert b"Temporarily unavailable" in answer.content and b"secret" not in answer.content


# -- The database's refusals, in the words of the models


def refusal(write, method="POST"):
    with pytest.raises((IntegrityError, DataError)) as caught, transaction.atomic():
        write()
        with connection.cursor() as cursor:
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
    return as_error(caught.value, method)


def sql(statement, *params):
    with connection.cursor() as cursor:
        cursor.execute(statement, params)


def test_a_taken_value_is_a_conflict_that_names_the_field(acme, globex):
    globex.subdomain = "acme"
    with unscoped(reason="test"):
        error = refusal(globex.save)
    assert (error.status, error.code, error.fields) == (409, "conflict", {"subdomain": ["This subdomain is taken."]})


def test_a_taken_pair_names_the_field_beside_the_tenant(in_acme):
    installation = PluginInstallationFactory(tenant=in_acme, plugin=PluginFactory())
    error = refusal(lambda: PluginInstallationFactory(tenant=in_acme, plugin=installation.plugin))
    assert error.fields == {"plugin": ["This plugin is installed already."]}


def test_a_key_into_another_tenant_is_refused_in_the_serializers_words(in_acme, globex):
    deal, foreign = DealFactory(tenant=in_acme), CustomerFactory(tenant=globex)
    error = refusal(lambda: sql("UPDATE deals SET customer_id = %s WHERE id = %s", foreign.pk, deal.pk))
    assert (error.status, error.fields) == (400, {"customer": ["No such record."]})


def test_a_key_of_a_partition_names_the_field_too(in_acme, globex):
    activity, foreign = ActivityFactory(tenant=in_acme), CustomerFactory(tenant=globex)
    error = refusal(lambda: sql("UPDATE activities SET customer_id = %s WHERE id = %s", foreign.pk, activity.pk))
    assert (error.status, error.fields) == (400, {"customer": ["No such record."]})


def test_a_plain_key_names_the_field_too(in_acme):
    installation = PluginInstallationFactory(tenant=in_acme, plugin=PluginFactory())
    error = refusal(
        lambda: sql("UPDATE plugin_installations SET plugin_id = gen_random_uuid() WHERE id = %s", installation.pk)
    )
    assert (error.status, error.fields) == (400, {"plugin": ["No such record."]})


def test_a_row_that_is_still_named_cannot_go(in_acme, member):
    CustomerFactory(tenant=in_acme, created_by=member)
    error = refusal(lambda: sql("DELETE FROM users WHERE id = %s", member.pk), "DELETE")
    assert (error.status, error.code) == (409, "in_use")
    assert "customers" in error.detail


@pytest.mark.parametrize(
    ("model", "change", "field", "sentence"),
    [
        (Deal, "stage = 'won'", "stage", "Unknown stage."),
        (Deal, "probability = 101", "probability", "Probability is a percentage, 0 to 100."),
        (Customer, "status = 'x'", "status", "A customer is a lead, a prospect, active or churned."),
        (Activity, "type = 'x'", "type", "An activity is a call, an email, a meeting, a task or a note."),
        (AIInsight, "impact = 'x'", "impact", "Unknown impact."),
        (Customer, "name = NULL", "name", "A value is required."),
    ],
)
def test_a_value_that_a_check_refuses_is_named(in_acme, model, change, field, sentence):
    ActivityFactory(tenant=in_acme, deal=DealFactory(tenant=in_acme))
    AIInsightFactory(tenant=in_acme)
    error = refusal(lambda: sql(f"UPDATE {model._meta.db_table} SET {change}"))
    assert (error.status, error.fields) == (400, {field: [sentence]})


def test_a_number_beyond_its_column_is_invalid(in_acme):
    DealFactory(tenant=in_acme)
    assert refusal(lambda: sql("UPDATE deals SET value = 1e30")).status == 400


# -- The pages


def test_every_problem_has_a_page(client_for, acme):
    client = client_for(None, tenant=acme)
    listing = client.get("/problems/").json()["results"]
    assert {entry["code"] for entry in listing} == catalogue().keys()
    for entry in listing:
        assert client.get(entry["type"]).json() == entry
        assert entry["description"], entry
    page = client.get("/problems/in_use", headers={"Accept": "text/html"})
    assert b"in_use" in page.content and page.headers["Content-Type"].startswith("text/html")
    assert client.get("/problems/nonsense").status_code == 404


def test_programming_errors_are_not_advertised():
    assert "unpublished_write" not in catalogue() and "internal_error" in catalogue()


@pytest.mark.parametrize("how", ["raised", "answered"])
def test_an_error_inside_a_write_leaves_nothing_behind(client_for, acme, admin, monkeypatch, how):
    def fail(self, request, *args, **kwargs):
        Customer(name="A").save()
        if how == "raised":
            raise errors.Conflict("No.")
        return Response(status=409)

    monkeypatch.setattr("apps.crm.viewsets.CustomerViewSet.create", fail)
    assert client_for(admin).post("/api/v1/customers/", {"name": "A"}).status_code == 409
    with tenant_scope(acme):
        assert not Customer.objects.exists() and not AuditEvent.objects.exists()
