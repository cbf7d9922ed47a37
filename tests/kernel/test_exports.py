"""Lists as files: the rows that the list would show, written page by page, and recorded."""

import csv
import io
import json
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from django.db import connection

from apps.accounts.models import AuditEvent
from nexora.kernel import events, scope
from nexora.kernel.api import exports
from nexora.kernel.scope import PLATFORM_TENANT_ID, tenant_scope
from tests.contracts import routes
from tests.factories import (
    ActivityFactory,
    AuditEventFactory,
    CustomerFactory,
    DealFactory,
    PluginFactory,
)

pytestmark = pytest.mark.django_db

CUSTOMERS, DEALS = "/api/v1/customers/export/", "/api/v1/deals/export/"
EXPORTED = [route for route in routes.ON_TENANT if ("get", "export") in route.methods]
KINDS = ("csv", "jsonl")


def text_of(answer):
    assert answer.status_code == 200, answer.content
    assert answer.streaming
    return answer.getvalue().decode()


def lines(answer):
    return [json.loads(line) for line in text_of(answer).splitlines()]


def table(answer):
    return list(csv.DictReader(io.StringIO(text_of(answer), newline="")))


def exported_events(tenant):
    with tenant_scope(tenant):
        return list(AuditEvent.objects.filter(action="exported").order_by("created_at"))


@pytest.fixture
def client(client_for, manager):
    return client_for(manager)


# -- The rows


@pytest.mark.parametrize("route", EXPORTED, ids=str)
def test_json_lines_are_the_lists_own_documents(route, acme, globex, admin, client_for):
    for _ in range(3):
        routes.make(route.model, acme, admin)
    routes.make(route.model, globex)
    client = client_for(admin)
    written = lines(client.get(route.address(), {"format": "jsonl"}))
    assert written == client.get(route.address().replace("export/", ""), {"page_size": 200}).json()["results"]


@pytest.mark.parametrize("route", EXPORTED, ids=str)
def test_every_table_has_its_columns_as_a_header(route, acme, admin, client_for):
    routes.make(route.model, acme)
    first = text_of(client_for(admin).get(route.address())).splitlines()[0]
    assert tuple(first.split(",")) == route.viewset.serializer_class.shown_names()


def test_every_list_of_a_stored_table_can_be_exported():
    stored = {route.model for route in routes.LISTS if route.model._meta.managed}
    assert {route.model for route in EXPORTED} == stored


def test_csv_is_rfc_4180_in_utf_8(acme, client):
    CustomerFactory(
        tenant=acme,
        name='Zoë "Z", Ltd.\r\nsecond line',
        email=None,
        tags=["a,b", "ü"],
        custom_fields={"n": 1, "deep": [True, None]},
        created_at=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
    )
    answer = client.get(CUSTOMERS)
    text = text_of(answer)
    assert answer["Content-Type"] == "text/csv; charset=utf-8"
    assert text.count("\r\n") == 3 and '"Zoë ""Z"", Ltd.\r\nsecond line"' in text
    (row,) = csv.DictReader(io.StringIO(text, newline=""))
    assert (row["email"], row["status"], row["created_at"]) == ("", "lead", "2026-01-02T03:04:05Z")
    assert json.loads(row["tags"]) == ["a,b", "ü"] and json.loads(row["custom_fields"]) == {
        "n": 1,
        "deep": [True, None],
    }


def test_decimals_are_text_and_booleans_and_numbers_plain(acme, client):
    DealFactory(tenant=acme, value=Decimal("-5.50"), probability=7, expected_close_date=date(2026, 3, 1))
    (row,) = table(client.get(DEALS))
    assert (row["value"], row["probability"], row["expected_close_date"]) == ("-5.50", "7", "2026-03-01")
    ActivityFactory(tenant=acme, completed=True)
    (row,) = table(client.get("/api/v1/activities/export/"))
    assert row["completed"] == "true"


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\n"])
def test_no_text_becomes_a_formula(start, acme, client):
    CustomerFactory(tenant=acme, name=f"{start}1+1", phone="+49 30 1", company="a=b")
    (row,) = table(client.get(CUSTOMERS))
    assert (row["name"], row["phone"], row["company"]) == (f"'{start}1+1", "'+49 30 1", "a=b")
    (document,) = lines(client.get(CUSTOMERS, {"format": "jsonl"}))
    assert document["name"] == f"{start}1+1"


def test_whole_numbers_keep_all_their_digits(acme, client):
    CustomerFactory(tenant=acme, custom_fields={"n": 2**63 - 1})
    (row,) = table(client.get(CUSTOMERS))
    assert row["custom_fields"] == '{"n":9223372036854775807}'


def test_pages_join_without_a_gap_whatever_the_order(acme, client, monkeypatch):
    monkeypatch.setattr(exports, "PAGE", 2)
    for number in range(7):
        CustomerFactory(
            tenant=acme,
            name=f"C{number % 3}",
            created_at=None if number > 4 else datetime(2026, 1, 1 + number, tzinfo=UTC),
        )
    everyone = "/api/v1/customers/"
    for ordering in ("-created_at", "created_at", "name,-created_at", "-name", "updated_at", "status,name"):
        listed = client.get(everyone, {"ordering": ordering}).json()["results"]
        assert lines(client.get(CUSTOMERS, {"ordering": ordering, "format": "jsonl"})) == listed, ordering


def test_filters_search_and_fields_are_the_lists(acme, client):
    CustomerFactory(tenant=acme, name="Ada", status="active")
    CustomerFactory(tenant=acme, name="Adam", status="lead")
    asked = {"status": "active", "search": "ad", "fields": "status,name"}
    assert text_of(client.get(CUSTOMERS, asked)) == "name,status\r\nAda,active\r\n"
    assert lines(client.get(CUSTOMERS, asked | {"format": "jsonl"})) == [{"name": "Ada", "status": "active"}]


@pytest.mark.parametrize("name", ["colour", "cursor", "page_size", "count", "format", "fields", "status", "ordering"])
def test_what_cannot_be_asked_is_refused_by_name(name, acme, client):
    answer = client.get(CUSTOMERS, {name: "zebra"})
    assert answer.status_code == 400
    assert answer.json()["errors"].keys() == {name}
    assert exported_events(acme) == []


def test_an_empty_list_is_a_header(acme, client):
    assert text_of(client.get(CUSTOMERS, {"fields": "name"})) == "name\r\n"
    assert text_of(client.get(CUSTOMERS, {"format": "jsonl"})) == ""


def test_there_are_never_too_many_rows(acme, client, monkeypatch):
    monkeypatch.setattr(exports, "MOST_ROWS", 2)
    CustomerFactory.create_batch(2, tenant=acme)
    assert len(table(client.get(CUSTOMERS))) == 2
    CustomerFactory(tenant=acme, status="active")
    answer = client.get(CUSTOMERS)
    assert (answer.status_code, answer.json()["code"]) == (400, "too_many_rows")
    assert len(table(client.get(CUSTOMERS, {"status": "active"}))) == 1


def test_rows_that_move_on_while_they_are_read_end(acme, client, monkeypatch):
    monkeypatch.setattr(exports, "PAGE", 1)
    monkeypatch.setattr(exports, "MOST_ROWS", 3)
    CustomerFactory(tenant=acme)
    answer = client.get(CUSTOMERS, {"ordering": "name"})
    chunks = iter(answer.streaming_content)
    next(chunks)
    for number in range(10):
        CustomerFactory(tenant=acme, name=f"Z{number}")
        next(chunks, None)
    assert next(chunks, None) is None


# -- The tenant


def test_the_scope_is_entered_for_each_page_and_left_before_it_is_sent(acme, globex, client, monkeypatch):
    monkeypatch.setattr(exports, "PAGE", 1)
    ours = {str(made.pk) for made in CustomerFactory.create_batch(3, tenant=acme)}
    CustomerFactory.create_batch(3, tenant=globex)
    answer = client.get(CUSTOMERS, {"format": "jsonl"})
    assert scope.current() is None
    found = set()
    for chunk in answer.streaming_content:
        found |= {json.loads(line)["id"] for line in chunk.decode().splitlines()}
        assert scope.current() is None
        assert events.actor() is None
    assert found == ours


def test_a_file_read_in_another_tenants_scope_is_still_its_own(acme, globex, client, monkeypatch):
    monkeypatch.setattr(exports, "PAGE", 1)
    ours = {str(made.pk) for made in CustomerFactory.create_batch(3, tenant=acme)}
    CustomerFactory.create_batch(3, tenant=globex)
    answer = client.get(CUSTOMERS, {"format": "jsonl"})
    with tenant_scope(globex) as theirs:
        found = {json.loads(line)["id"] for chunk in answer.streaming_content for line in chunk.decode().splitlines()}
        assert scope.current() is theirs
    assert found == ours


def test_a_download_given_up_leaves_nothing_behind(acme, client, monkeypatch):
    monkeypatch.setattr(exports, "PAGE", 1)
    CustomerFactory.create_batch(3, tenant=acme)
    answer = client.get(CUSTOMERS)
    chunks = iter(answer.streaming_content)
    next(chunks), next(chunks)
    answer._iterator.close()
    assert scope.current() is None and not connection.needs_rollback


def test_a_page_is_a_statement_and_no_transaction_holds_them(acme, client, monkeypatch):
    monkeypatch.setattr(exports, "PAGE", 2)
    CustomerFactory.create_batch(5, tenant=acme)
    answer = client.get(CUSTOMERS)
    statements = []

    def note(execute, sql, *rest):
        statements.append(sql)
        return execute(sql, *rest)

    with connection.execute_wrapper(note):
        answer.getvalue()
    # Pages of 2, 2 and 1, and one look at the rows without a date, which come last.
    assert len([sql for sql in statements if 'FROM "customers"' in sql]) == 4
    assert not [sql for sql in statements if sql.startswith(("BEGIN", "SAVEPOINT", "DECLARE"))]


def test_the_platform_exports_its_own_lists(root, acme, globex, client_for):
    AuditEventFactory(tenant=acme), AuditEventFactory(tenant=globex)
    PluginFactory(name="Draft", published=False)
    client = client_for(root)
    client.defaults["HTTP_HOST"] = "localhost"
    # Its own event and the tenants' are in the trail by then.
    actions = [row["action"] for row in table(client.get("/api/v1/audit-events/export/"))]
    assert sorted(actions) == ["exported"] * 3 + ["updated"] * 2
    assert [event.actor_label for tenant in (acme, globex) for event in exported_events(tenant)] == ["Root", "Root"]
    assert [row["name"] for row in table(client.get("/api/v1/plugins/export/"))] == ["Draft"]
    assert [event.resource for event in exported_events(PLATFORM_TENANT_ID)] == [
        "accounts.auditevent", "marketplace.plugin",
    ]  # fmt: skip


# -- The trail


def test_each_export_is_recorded_when_it_begins(acme, manager, client):
    CustomerFactory.create_batch(2, tenant=acme, status="active")
    client.get(CUSTOMERS, {"status": "active", "search": "cust", "format": "csv"})
    (event,) = exported_events(acme)
    assert (event.resource, event.record_id, event.record_label) == (
        "crm.customer", None, "customers: 2 records as CSV",
    )  # fmt: skip
    assert event.changes == {"filters": [None, {"status": "active", "search": "cust"}]}
    assert (event.actor_id, event.ip_address) == (manager.pk, "127.0.0.1")
    client.get(DEALS, {"format": "jsonl"})
    assert {event.record_label for event in exported_events(acme)} >= {"deals: 0 records as JSON lines"}


def test_a_head_request_exports_nothing(acme, client):
    CustomerFactory(tenant=acme)
    answer = client.head(CUSTOMERS)
    assert (answer.status_code, answer["Content-Type"]) == (200, "text/csv; charset=utf-8")
    assert answer.getvalue() == b""
    assert exported_events(acme) == []


# -- HTTP


def test_the_file_has_a_name_and_a_date(acme, client, monkeypatch):
    moment = datetime(2026, 11, 26, 12, tzinfo=UTC)
    monkeypatch.setattr("nexora.kernel.clock.now", lambda: moment)
    for kind in KINDS:
        answer = client.get(CUSTOMERS, {"format": kind})
        assert answer["Content-Disposition"] == f'attachment; filename="customers-2026-11-26.{kind}"'


@pytest.mark.parametrize(
    ("accept", "kind", "status"),
    [
        ("text/csv", "csv", 200),
        ("text/*;q=0.5, image/png", "csv", 200),
        ("*/*", "jsonl", 200),
        ("application/x-ndjson", "jsonl", 200),
        ("application/jsonl", "jsonl", 200),
        ("text/csv", "jsonl", 406),
        ("application/json", "csv", 406),
        ("image/png", "csv", 406),
    ],
)
def test_accept_is_heeded(accept, kind, status, acme, client):
    answer = client.get(CUSTOMERS, {"format": kind}, HTTP_ACCEPT=accept)
    assert answer.status_code == status
    if status == 406:
        assert answer["Content-Type"] == "application/problem+json"


def test_other_methods_are_405(acme, client):
    for method in ("post", "put", "patch", "delete"):
        assert getattr(client, method)(CUSTOMERS, {}).status_code == 405


def test_a_viewset_off_the_fast_path_writes_the_same(acme, client, monkeypatch):
    from apps.crm.viewsets import CustomerViewSet

    CustomerFactory.create_batch(3, tenant=acme)
    answers = []
    for fast in (True, False):
        monkeypatch.setattr(CustomerViewSet, "fast", fast)
        answers.append(
            [text_of(client.get(CUSTOMERS, {"format": kind, "fields": "id,tags,created_at"})) for kind in KINDS]
        )
    assert answers[0] == answers[1]
