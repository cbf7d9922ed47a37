from decimal import Decimal
from uuid import uuid4

import pytest

from apps.accounts.models import AuditEvent
from apps.crm.models import Activity, Customer, Deal
from nexora.kernel.scope import tenant_scope
from tests.factories import ActivityFactory, CustomerFactory, DealFactory

URL = "/api/v1/customers/"


def test_list_shows_the_tenants_customers_and_nobody_elses(client_for, acme, globex, member):
    mine, theirs = CustomerFactory(tenant=acme), CustomerFactory(tenant=globex)
    answer = client_for(member).get(URL)
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "application/json"
    assert [row["id"] for row in answer.json()["results"]] == [str(mine.pk)]
    assert answer.json()["next"] is None
    assert str(theirs.pk) not in answer.content.decode()


def test_create_answers_the_whole_record_with_its_address_and_its_maker(client_for, member):
    answer = client_for(member).post(URL, {"name": " Ada ", "email": "Ada@Example.com", "tags": ["vip"], "phone": ""})
    assert answer.status_code == 201, answer.json()
    record = answer.json()
    assert answer.headers["Location"] == f"{URL}{record['id']}/"
    assert record["name"] == "Ada"
    assert record["email"] == "ada@example.com"
    assert record["phone"] is None
    assert record["status"] == "lead"
    assert record["custom_fields"] == {}
    assert record["created_by"] == str(member.pk)
    assert record["created_at"] and record["updated_at"]
    assert client_for(member).get(answer.headers["Location"]).json() == record


def test_create_publishes_one_event_by_the_person(client_for, acme, member):
    created = client_for(member).post(URL, {"name": "Ada"}).json()
    with tenant_scope(acme):
        event = AuditEvent.objects.get()
        assert (event.action, event.record_id, event.actor_id) == ("created", Customer.objects.get().pk, member.pk)
    assert str(event.record_id) == created["id"]


def test_another_tenants_id_an_unknown_id_and_no_id_get_the_same_answer(client_for, globex, admin):
    foreign = CustomerFactory(tenant=globex)
    client = client_for(admin)
    for method in ("get", "put", "patch", "delete"):
        answers = []
        for identifier in (foreign.pk, uuid4(), "no-uuid", str(uuid4()).replace("-", ""), "%00", "1"):
            answer = getattr(client, method)(f"{URL}{identifier}/", {} if method != "get" else None)
            document = answer.json()
            document.pop("instance")
            answers.append((answer.status_code, document))
        assert answers[0][0] == 404
        assert all(answer == answers[0] for answer in answers), answers


def test_a_role_without_the_right_is_refused_before_any_lookup(client_for, guest):
    answer = client_for(guest).delete(f"{URL}{uuid4()}/")
    assert answer.status_code == 403
    assert answer.json()["detail"] == "Your role, guest, may not delete customers."


def test_a_record_that_is_not_theirs_is_seen_but_not_edited_by_a_user(client_for, acme, member, colleague):
    theirs, mine = CustomerFactory(tenant=acme, created_by=colleague), CustomerFactory(tenant=acme, created_by=member)
    client = client_for(member)
    assert client.get(f"{URL}{theirs.pk}/").status_code == 200
    answer = client.patch(f"{URL}{theirs.pk}/", {"name": "Mine now"})
    assert answer.status_code == 403
    assert "only those customers that name you" in answer.json()["detail"]
    assert client.delete(f"{URL}{theirs.pk}/").status_code == 403
    assert client.patch(f"{URL}{mine.pk}/", {"name": "Grace"}).json()["name"] == "Grace"
    assert client.delete(f"{URL}{mine.pk}/").status_code == 204


def test_what_was_read_can_be_put_back(client_for, acme, admin):
    customer = CustomerFactory(tenant=acme, created_by=admin)
    client = client_for(admin)
    record = client.get(f"{URL}{customer.pk}/").json()
    answer = client.put(f"{URL}{customer.pk}/", record)
    assert answer.status_code == 200, answer.json()
    assert answer.json() == record


def test_an_unknown_method_is_405_for_every_role(client_for, guest, admin):
    for person in (guest, admin):
        answer = client_for(person).post(f"{URL}{uuid4()}/", {})
        assert answer.status_code == 405
        assert answer.json()["code"] == "method_not_allowed"
        assert "GET" in answer.headers["Allow"]


def test_nobody_is_told_to_sign_in(client_for, acme):
    answer = client_for(None, tenant=acme).get(URL)
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    assert answer.json()["code"] == "not_authenticated"


def test_the_platforms_host_says_where_customers_are_served(client_for, root):
    answer = client_for(root).get(URL)
    assert answer.status_code == 404
    assert answer.json()["code"] == "wrong_host"
    assert "organisation's host" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({"name": "A", "tenant": str(uuid4())}, {"tenant"}),
        ({"name": "A", "nonsense": 1, "more": 2}, {"nonsense", "more"}),
        ({"name": "A", "id": str(uuid4())}, {"id"}),
        ({"name": "A", "created_by": str(uuid4())}, {"created_by"}),
        ({}, {"name"}),
        ({"name": None}, {"name"}),
        ({"name": ""}, {"name"}),
        ({"name": 5}, {"name"}),
        ({"name": "x" * 256}, {"name"}),
        ({"name": "a\x00b"}, {"name"}),
        ({"name": "A", "email": "nobody"}, {"email"}),
        ({"name": "A", "status": "enemy"}, {"status"}),
        ({"name": "A", "tags": "vip"}, {"tags"}),
        ({"name": "A", "tags": [1]}, {"tags.0"}),
        ({"name": "A", "tags": ["a", None]}, {"tags.1"}),
        ({"name": "A", "custom_fields": []}, {"custom_fields"}),
        ({"name": "A", "custom_fields": {"a": {"b\x00": 1}}}, {"custom_fields"}),
        ([], {"non_field_errors"}),
    ],
)
def test_a_bad_body_is_refused_by_field(client_for, admin, body, fields):
    answer = client_for(admin).post(URL, body)
    assert answer.status_code == 400
    document = answer.json()
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert document["errors"].keys() == fields
    assert document["type"] == f"/problems/{document['code']}"


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b'{"name": "A"', 400),
        (b'{"name": NaN}', 400),
        (b'{"name": "A", "name": "B"}', 400),
        (b'{"name": "\\ud800"}', 400),
        (b'{"\\ud800": 1}', 400),
        (b'{"name": "A", "custom_fields": {"x": 1e400}}', 400),
        (b'{"name": "A", "custom_fields": {"x": 123456789012345678901}}', 400),
        (b'{"name": "A", "custom_fields": ' + b'{"a":' * 65 + b"1" + b"}" * 65 + b"}", 400),
        (b'{"name": "A", "custom_fields": ' + b'{"a":' * 64 + b"1" + b"}" * 64 + b"}", 201),
        (b"[" * 100_000 + b"]" * 100_000, 400),
        (b'"text"', 400),
        (b"null", 400),
        (b"\xff\xfe", 400),
        (b'{"name": "' + b"x" * 3_000_000 + b'"}', 413),
    ],
)
def test_hostile_json_is_refused(client_for, admin, body, status):
    answer = client_for(admin).post(URL, body, content_type="application/json")
    assert answer.status_code == status, answer.content[:500]


def test_other_media_types_are_refused(client_for, admin):
    client = client_for(admin)
    assert client.post(URL, "name=A", content_type="application/x-www-form-urlencoded").status_code == 415
    assert client.get(URL, headers={"Accept": "text/html"}).status_code == 406
    assert client.get(URL, headers={"Accept": "text/html, */*;q=0.8"}).status_code == 200


def test_an_empty_patch_changes_nothing(client_for, acme, admin):
    customer = CustomerFactory(tenant=acme)
    assert client_for(admin).patch(f"{URL}{customer.pk}/", {}).status_code == 200
    with tenant_scope(acme):
        assert not AuditEvent.objects.exists()


def test_a_person_whom_deals_name_cannot_be_deleted(client_for, acme, admin, member):
    DealFactory(tenant=acme, assigned_to=member)
    answer = client_for(admin).delete(f"/api/v1/users/{member.pk}/")
    assert answer.status_code == 409
    assert answer.json()["code"] == "in_use"


# -- Relations


@pytest.mark.parametrize("kind", ["foreign", "unknown"])
def test_another_tenants_record_is_refused_in_the_words_for_an_unknown_one(client_for, globex, admin, kind):
    identifier = CustomerFactory(tenant=globex).pk if kind == "foreign" else uuid4()
    answer = client_for(admin).post("/api/v1/deals/", {"customer": identifier, "title": "T", "value": "1"})
    assert answer.status_code == 400
    assert answer.json()["errors"] == {"customer": ["No such record."]}


@pytest.mark.parametrize("value", [5, True, "x", [], {}, 1.5, "1" * 36])
def test_a_relation_that_is_no_id_is_refused(client_for, admin, value):
    answer = client_for(admin).post("/api/v1/deals/", {"customer": value, "title": "T", "value": "1"})
    assert answer.status_code == 400
    assert answer.json()["errors"].keys() == {"customer"}


# -- Deals


def test_a_deal_belongs_to_whoever_makes_it_unless_it_says_otherwise(client_for, acme, member, colleague):
    customer = CustomerFactory(tenant=acme)
    body = {"customer": customer.pk, "title": "T", "value": "12.50"}
    client = client_for(member)
    assert client.post("/api/v1/deals/", body).json()["assigned_to"] == str(member.pk)
    assert client.post("/api/v1/deals/", body | {"assigned_to": colleague.pk}).json()["assigned_to"] == str(
        colleague.pk
    )
    assert client.post("/api/v1/deals/", body | {"assigned_to": None}).json()["assigned_to"] is None


def test_closing_a_deal_sets_the_time_and_reopening_clears_it(client_for, acme, admin):
    deal = DealFactory(tenant=acme, stage="proposal", value=Decimal("12.50"))
    client, url = client_for(admin), f"/api/v1/deals/{deal.pk}/"
    won = client.patch(url, {"stage": "closed_won"}).json()
    assert won["closed_at"] and won["value"] == "12.50"
    assert client.patch(url, {"stage": "proposal"}).json()["closed_at"] is None
    assert client.patch(url, {"closed_at": "2026-01-01T00:00:00Z"}).status_code == 400


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("value", "NaN"), ("value", "1e400"), ("value", "12345678901.00"), ("value", "1.234"), ("value", True),
        ("value", None), ("value", []), ("probability", 101), ("probability", -1), ("probability", "5"),
        ("probability", 1.5), ("probability", True), ("stage", None), ("stage", "won"), ("expected_close_date", "soon"),
        ("expected_close_date", 5), ("title", None),
    ],
)  # fmt: skip
def test_a_bad_value_is_refused_by_field(client_for, acme, admin, field, value):
    deal = DealFactory(tenant=acme)
    answer = client_for(admin).patch(f"/api/v1/deals/{deal.pk}/", {field: value})
    assert answer.status_code == 400
    assert answer.json()["errors"].keys() == {field}


# -- Activities


def test_an_activity_of_a_deal_is_one_of_its_customer(client_for, acme, admin):
    deal = DealFactory(tenant=acme)
    body = {"type": "call", "subject": "S", "deal": deal.pk}
    client = client_for(admin)
    created = client.post("/api/v1/activities/", body)
    assert created.status_code == 201, created.json()
    assert created.json()["customer"] == str(deal.customer_id)
    assert created.json()["created_by"] == created.json()["assigned_to"] == str(admin.pk)
    with tenant_scope(acme):
        assert Activity.objects.get().customer_id == deal.customer_id
    answer = client.post("/api/v1/activities/", body | {"customer": CustomerFactory(tenant=acme).pk})
    assert answer.json()["errors"] == {"deal": ["This deal belongs to another customer."]}


def test_completed_is_never_null(client_for, acme, admin):
    activity = ActivityFactory(tenant=acme)
    answer = client_for(admin).patch(f"/api/v1/activities/{activity.pk}/", {"completed": None})
    assert answer.json()["errors"].keys() == {"completed"}


def test_deleting_a_customer_takes_its_deals_and_activities_along(client_for, acme, manager):
    deal = DealFactory(tenant=acme)
    ActivityFactory(tenant=acme, deal=deal, customer=deal.customer)
    assert client_for(manager).delete(f"{URL}{deal.customer_id}/").status_code == 204
    with tenant_scope(acme):
        assert not Deal.objects.exists() and not Activity.objects.exists()
        assert AuditEvent.objects.get().children == {"deals": 1, "activities": 1}
