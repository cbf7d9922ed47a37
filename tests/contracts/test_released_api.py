"""The documents of the code, a tenant's host's and the platform's, keep every promise of the last released ones."""

import copy
import json
from pathlib import Path

import pytest
from drf_spectacular.generators import SchemaGenerator

from nexora.kernel.api.documents import PlatformGenerator
from tests.contracts.released import breaks

# {host: (the released document, what makes the code's)}
DOCUMENTS = {
    "tenant": ("openapi.v1.json", SchemaGenerator),
    "platform": ("openapi.platform.v1.json", PlatformGenerator),
}
HOW = """
Programs that were written against the released API would break:
  {}
Keep the old beside the new, and let it go as nexora/kernel/api/VERSIONING.md says. Only what was never in anybody's
hands may be released anew, by the command at the end of that page.
"""


def read(name):
    return json.loads(Path(__file__).with_name(name).read_text())


@pytest.mark.parametrize("host", DOCUMENTS)
def test_nothing_that_was_released_is_taken_away(host):
    name, generator = DOCUMENTS[host]
    # As JSON: the generator's enums and lazy texts are not what a client reads.
    document = json.loads(json.dumps(generator().get_schema(request=None, public=True), default=str))
    found = breaks(read(name), document)
    assert not found, HOW.format("\n  ".join(found))


def test_each_hosts_document_is_its_own():
    tenants, platforms = (read(name)["paths"].keys() for name, _ in DOCUMENTS.values())
    assert "/api/v1/customers/" in tenants - platforms
    assert "post" in read("openapi.platform.v1.json")["paths"]["/api/v1/subscriptions/"]


@pytest.fixture(scope="module")
def released():
    return read("openapi.v1.json")


# -- The comparison itself, by changes to the released document


def deal(document):
    return document["components"]["schemas"]["Deal"]


def listed(document):
    return document["paths"]["/api/v1/deals/"]["get"]


def request(document):
    return document["components"]["schemas"]["DealRequest"]


def parameter(document, name):
    return next(p for p in listed(document)["parameters"] if p["name"] == name)


BREAKING = {
    "/api/v1/deals/ is gone": lambda d: d["paths"].pop("/api/v1/deals/"),
    "DELETE /api/v1/deals/{id}/ is gone": lambda d: d["paths"]["/api/v1/deals/{id}/"].pop("delete"),
    ".title is gone": lambda d: deal(d)["properties"].pop("title"),
    ".title may be absent": lambda d: deal(d)["required"].remove("title"),
    ".title was string and is null or string": lambda d: deal(d)["properties"]["title"].update(type=["string", "null"]),
    ".created_at: format was date-time": lambda d: deal(d)["properties"]["created_at"].update(format="date"),
    "parameter stage is gone": lambda d: listed(d)["parameters"].remove(parameter(d, "stage")),
    "parameter stage takes fewer values": lambda d: parameter(d, "stage")["schema"]["enum"].pop(),
    "parameter stage is newly required": lambda d: parameter(d, "stage").update(required=True),
    "parameter page_size: maximum was 200": lambda d: parameter(d, "page_size")["schema"].update(maximum=100),
    "parameter x is new and required": lambda d: listed(d)["parameters"].append(
        {"name": "x", "in": "query", "required": True, "schema": {}}
    ),
    ".stage is newly required": lambda d: request(d)["required"].append("stage"),
    ".title: maxLength was": lambda d: request(d)["properties"]["title"].update(maxLength=3),
    "no longer answers 200": lambda d: listed(d)["responses"].pop("200"),
}


@pytest.mark.parametrize("sentence", BREAKING)
def test_what_is_taken_away_is_named(released, sentence):
    changed = copy.deepcopy(released)
    BREAKING[sentence](changed)
    assert any(sentence in found for found in breaks(released, changed)), breaks(released, changed)


def test_additions_are_welcome(released):
    changed = copy.deepcopy(released)
    changed["paths"]["/api/v1/new/"] = copy.deepcopy(changed["paths"]["/api/v1/deals/"])
    deal(changed)["properties"]["new"] = {"type": "string"}
    deal(changed)["required"].append("new")
    request(changed)["properties"]["new"] = {"type": "string"}
    request(changed)["properties"]["title"]["maxLength"] += 1
    parameter(changed, "page_size")["schema"]["maximum"] = 500
    listed(changed)["parameters"].append({"name": "x", "in": "query", "schema": {"type": "string"}})
    assert breaks(released, changed) == breaks(released, released) == []
