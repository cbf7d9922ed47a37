import json

import pytest
import yaml
from django.core.management import call_command
from drf_spectacular.drainage import GENERATOR_STATS, reset_generator_stats
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.validation import validate_schema

from nexora.kernel.api import documents
from nexora.kernel.scope import PLATFORM_TENANT_ID, tenant_scope


@pytest.fixture(scope="module")
def document(tmp_path_factory):
    """What `manage.py spectacular` writes; a warning fails it."""
    path = tmp_path_factory.mktemp("openapi") / "schema.json"
    call_command("spectacular", "--fail-on-warn", "--validate", "--format", "openapi-json", "--file", str(path))
    return json.loads(path.read_text())


def operations(document):
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield path, method, operation


def test_the_document_is_openapi_3_1_without_a_warning(document):
    assert document["openapi"] == "3.1.0"
    assert "/api/v1/customers/{id}/" in document["paths"]


def test_every_operation_documents_its_problems(document):
    for path, method, operation in operations(document):
        answers = operation["responses"]
        assert {"400", "406"} <= answers.keys(), (path, method)
        if "{id}" in path:
            assert "404" in answers, (path, method)
        if any(operation.get("security") or ()):
            assert {"401", "403"} <= answers.keys(), (path, method)
        if "requestBody" in operation:
            assert {"413", "415"} <= answers.keys(), (path, method)
    problem = document["components"]["responses"]["NotFound"]["content"]
    assert problem == {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}


def test_records_need_a_bearer_token_or_key(document):
    schemes = document["components"]["securitySchemes"]
    assert schemes["accessToken"] == {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}
    assert schemes["apiKey"].items() >= {"type": "http", "scheme": "bearer"}.items()
    assert document["paths"]["/api/v1/deals/"]["get"]["security"] == [{"apiKey": []}, {"accessToken": []}]


def test_an_answer_that_holds_a_secret_has_neither_key_nor_etag(document):
    create = document["paths"]["/api/v1/api-keys/"]["post"]
    names = {parameter["name"] for parameter in create.get("parameters", ())}
    assert not names & {"Idempotency-Key", "Idempotency-Replayed", "ETag"}
    assert "422" not in create["responses"]
    shown = create["responses"]["201"]["content"]["application/json"]["schema"]["$ref"].split("/")[-1]
    assert "key" in document["components"]["schemas"][shown]["properties"]
    assert "key" not in document["components"]["schemas"]["APIKey"]["properties"]


def test_lists_document_every_parameter_that_they_take(document):
    parameters = {p["name"]: p for p in document["paths"]["/api/v1/deals/"]["get"]["parameters"]}
    assert {"search", "ordering", "cursor", "page_size", "stage__in", "value__gte", "customer"} <= parameters.keys()
    assert parameters["page_size"]["schema"]["maximum"] == 200
    assert parameters["stage"]["schema"]["enum"]
    assert not {"search", "stage"} & {p["name"] for p in document["paths"]["/api/v1/deals/{id}/"]["get"]["parameters"]}


def test_the_tenant_is_no_field(document):
    for name, component in document["components"]["schemas"].items():
        if name != "Me":
            assert "tenant" not in component.get("properties", {}), name


def test_the_document_speaks_to_its_readers(document):
    text = json.dumps(document)
    for word in ("ModelSerializer", "viewset", "nexora.kernel", "x-spec-enum-id"):
        assert word not in text


def test_money_is_text_in_answers_and_may_be_a_number_in_requests(document):
    schemas = document["components"]["schemas"]
    assert schemas["Deal"]["properties"]["value"]["type"] == "string"
    assert [kind["type"] for kind in schemas["DealRequest"]["properties"]["value"]["oneOf"]] == ["string", "number"]


def test_the_platforms_document_has_what_the_platform_serves():
    reset_generator_stats()
    with tenant_scope(PLATFORM_TENANT_ID):
        found = SchemaGenerator().get_schema(request=None, public=True)
    assert not GENERATOR_STATS, "drf-spectacular warned; run `manage.py spectacular` to see about what"
    validate_schema(found)
    assert "/api/v1/customers/" not in found["paths"]
    assert "tenant" in found["components"]["schemas"]["PlatformSubscription"]["properties"]


def test_anybody_reads_the_document_as_json_or_yaml(client_for, acme, platform):
    documents.document.cache_clear()
    client = client_for(None, tenant=acme)
    answer = client.get("/api/v1/schema/")
    assert answer.status_code == 200 and answer.headers["Content-Type"].startswith("application/json")
    assert yaml.safe_load(client.get("/api/v1/schema/?format=yaml").content) == answer.json()
    platforms = client_for(None, tenant=platform).get("/api/v1/schema/").json()
    assert "/api/v1/customers/" in answer.json()["paths"] and "/api/v1/customers/" not in platforms["paths"]


def test_the_docs_load_nothing_from_elsewhere(client_for, acme):
    answer = client_for(None, tenant=acme).get("/api/v1/docs/")
    assert answer.status_code == 200
    page = answer.content.decode()
    assert "https://" not in page and "//cdn" not in page
    assert "<script>" not in page
    policy = answer.headers["Content-Security-Policy"]
    assert "'unsafe-eval'" not in policy and "script-src" not in policy
    assert (
        client_for(None, tenant=acme)
        .get("/api/v1/docs/?script")
        .headers["Content-Type"]
        .startswith("application/javascript")
    )


@pytest.mark.parametrize("address", ["/api/v1/docs/", "/api/v1/schema/", "/api/v1/schema/?format=yaml"])
def test_errors_of_the_documents_are_problems_too(client_for, acme, address):
    answer = client_for(None, tenant=acme).post(address)
    assert (answer.status_code, answer.headers["Content-Type"]) == (405, "application/problem+json")
    assert answer.json()["code"] == "method_not_allowed"
