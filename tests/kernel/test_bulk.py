"""Several records in one request: each as a request of its own would have it, all of them or none."""

from uuid import UUID, uuid4

import pytest
from django.db import connection

from apps.accounts.models import AuditEvent
from apps.analytics.models import AIInsight
from apps.crm.models import Activity, Customer, Deal
from nexora.kernel.scope import tenant_scope
from tests.contracts import routes
from tests.contracts.test_budgets import statements
from tests.factories import ActivityFactory, AIInsightFactory, CustomerFactory, DealFactory

pytestmark = pytest.mark.django_db

CUSTOMERS, DEALS, ACTIVITIES = "/api/v1/customers/", "/api/v1/deals/", "/api/v1/activities/"
INSIGHTS = "/api/v1/ai-insights/"
BULK = [route for route in routes.ON_TENANT if {"bulk_update", "bulk_delete"} & set(dict(route.methods).values())]


def ids(*records):
    return [str(record.pk) for record in records]


def update(client, address, records, **changes):
    return client.post(f"{address}bulk-update/", {"ids": ids(*records), "set": changes})


def delete(client, address, records):
    return client.post(f"{address}bulk-delete/", {"ids": ids(*records)})


def trail(tenant):
    with tenant_scope(tenant):
        return list(AuditEvent.objects.order_by("record_label"))


def all_of(model, tenant):
    with tenant_scope(tenant):
        return list(model.objects.order_by("created_at", "id"))


@pytest.fixture
def client(client_for, manager):
    return client_for(manager)


@pytest.fixture
def mine(client_for, member):
    return client_for(member)


def test_who_has_it_says_so():
    assert {route.model._meta.db_table for route in BULK} == {
        "customers", "deals", "activities", "workflows", "ai_insights",
    }  # fmt: skip


# -- What is done


def test_an_update_changes_each_and_publishes_one_event_each(acme, manager, client):
    some = CustomerFactory.create_batch(3, tenant=acme)
    left = CustomerFactory(tenant=acme)
    answer = update(client, CUSTOMERS, some, status="active")
    assert (answer.status_code, answer.json()) == (200, {"updated": 3})
    assert {c.pk for c in all_of(Customer, acme) if c.status == "active"} == {c.pk for c in some}
    events = trail(acme)
    assert {event.record_id for event in events} == {c.pk for c in some} and left.pk not in {
        e.record_id for e in events
    }
    assert all(
        (e.action, e.actor_id, e.changes) == ("updated", manager.pk, {"status": ["lead", "active"]}) for e in events
    )


def test_a_deletion_takes_each_with_what_hangs_on_it(acme, client):
    some = CustomerFactory.create_batch(2, tenant=acme)
    DealFactory(customer=some[0])
    answer = delete(client, CUSTOMERS, some)
    assert (answer.status_code, answer.json()) == (200, {"deleted": 2})
    assert all_of(Customer, acme) == all_of(Deal, acme) == []
    assert [event.action for event in trail(acme)] == ["deleted", "deleted"]
    assert sorted(event.children.get("deals", 0) for event in trail(acme)) == [0, 1]


def test_what_changes_nothing_is_no_event(acme, client):
    some = CustomerFactory.create_batch(2, tenant=acme, status="active")
    assert update(client, CUSTOMERS, some, status="active").json() == {"updated": 2}
    assert trail(acme) == []


def test_each_record_goes_through_save(acme, client):
    some = DealFactory.create_batch(2, tenant=acme)
    assert update(client, DEALS, some, stage="closed_won").status_code == 200
    assert all(deal.closed_at for deal in all_of(Deal, acme))


def test_insights_and_workflows_too(acme, client):
    some = AIInsightFactory.create_batch(2, tenant=acme)
    assert update(client, INSIGHTS, some, priority="low").status_code == 200
    assert {insight.priority for insight in all_of(AIInsight, acme)} == {"low"}


# -- All or nothing


def test_one_record_that_clean_refuses_leaves_all_as_they_were(acme, client):
    one, other = CustomerFactory.create_batch(2, tenant=acme)
    fine, wrong = ActivityFactory(customer=one), ActivityFactory(customer=other)
    answer = update(client, ACTIVITIES, [fine, wrong], deal=str(DealFactory(customer=one).pk), subject="Changed")
    assert answer.status_code == 400
    assert answer.json()["errors"] == {"set.deal": ["This deal belongs to another customer."]}
    assert str(wrong.pk) in answer.json()["detail"]
    assert "Changed" not in {activity.subject for activity in all_of(Activity, acme)}
    assert trail(acme) == []


def test_a_relation_that_leads_nowhere_is_refused_by_name(acme, globex, client):
    some = DealFactory.create_batch(2, tenant=acme)
    for customer in (uuid4(), CustomerFactory(tenant=globex).pk):
        answer = update(client, DEALS, some, customer=str(customer))
        assert answer.status_code == 400, answer.content
        assert "set.customer" in answer.json()["errors"]
        assert "No such record" in str(answer.json()["errors"]["set.customer"])


def test_unknown_and_read_only_fields_are_refused_as_in_a_patch(acme, client):
    some = CustomerFactory.create_batch(2, tenant=acme)
    answer = update(client, CUSTOMERS, some, colour="blue", created_by=str(uuid4()), status="king")
    assert answer.status_code == 400
    single = client.patch(f"{CUSTOMERS}{some[0].pk}/", {"colour": "blue", "created_by": str(uuid4()), "status": "king"})
    assert answer.json()["errors"] == {f"set.{name}": said for name, said in single.json()["errors"].items()}


@pytest.mark.parametrize("verb", [update, delete])
def test_an_unknown_id_and_another_tenants_are_answered_alike(verb, acme, globex, client):
    known, foreign = CustomerFactory(tenant=acme), CustomerFactory(tenant=globex)
    said = []
    for record_id in (foreign.pk, uuid4()):
        answer = verb(client, CUSTOMERS, [known, Customer(pk=record_id)])
        single = client.get(f"{CUSTOMERS}{record_id}/").json()
        assert answer.status_code == 404
        assert answer.json()["errors"] == {str(record_id): [single["detail"]]}
        said.append(answer.content.decode().replace(str(record_id), "<id>"))
    assert said[0] == said[1]
    assert trail(acme) == trail(globex) == []
    assert len(all_of(Customer, acme)) == len(all_of(Customer, globex)) == 1


@pytest.mark.parametrize("verb", [update, delete])
def test_who_may_touch_only_their_own_touches_no_colleagues(verb, acme, member, colleague, mine):
    own = CustomerFactory(tenant=acme, created_by=member)
    others = CustomerFactory(tenant=acme, created_by=colleague)
    answer = verb(mine, CUSTOMERS, [own, others])
    method = mine.patch if verb is update else mine.delete
    single = method(f"{CUSTOMERS}{others.pk}/", {})
    assert (answer.status_code, answer.json()["code"]) == (403, "permission_denied")
    assert answer.json()["errors"] == {str(others.pk): [single.json()["detail"]]}
    assert len(all_of(Customer, acme)) == 2 and trail(acme) == []
    assert verb(mine, CUSTOMERS, [own]).status_code == 200


def test_a_deletion_takes_nothing_of_a_colleagues_along(acme, member, colleague, mine):
    first, second = CustomerFactory.create_batch(2, tenant=acme, created_by=member)
    DealFactory(customer=second, assigned_to=colleague)
    answer = delete(mine, CUSTOMERS, [first, second])
    assert answer.status_code == 403
    assert list(answer.json()["errors"]) == ids(second) and "1 deal of other people" in answer.json()["detail"]
    assert len(all_of(Customer, acme)) == 2 and trail(acme) == []


def test_a_role_without_the_right_hears_so(acme, guest, client_for):
    answer = update(client_for(guest), CUSTOMERS, [CustomerFactory(tenant=acme)], status="active")
    assert answer.status_code == 403


# -- What may be asked


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"ids": []},
        {"ids": "x"},
        {"ids": ["zebra"]},
        {"ids": [7]},
        {"ids": [None]},
        {"ids": [str(UUID(int=1))] * 2},
        {"ids": [str(UUID(int=1)).replace("-", "")]},
        {"ids": [str(UUID(int=n)) for n in range(201)]},
    ],
    ids=str,
)
@pytest.mark.parametrize("verb", ["bulk-update", "bulk-delete"])
def test_ids_are_one_to_two_hundred_different_ones(verb, wrong, acme, client):
    answer = client.post(f"{CUSTOMERS}{verb}/", wrong | ({"set": {}} if verb == "bulk-update" else {}))
    assert answer.status_code == 400
    assert {name.split(".")[0] for name in answer.json()["errors"]} == {"ids"}


def test_other_parts_of_the_body_are_refused_by_name(acme, client):
    record = CustomerFactory(tenant=acme)
    for verb, extra in (("bulk-update", {"set": {}, "status": "x"}), ("bulk-delete", {"set": {}})):
        answer = client.post(f"{CUSTOMERS}{verb}/", {"ids": ids(record), **extra})
        assert (answer.status_code, list(answer.json()["errors"].values())) == (400, [["Unknown field."]])
    for wrong in (None, [], "x"):
        answer = client.post(f"{CUSTOMERS}bulk-update/", {"ids": ids(record), "set": wrong})
        assert answer.json()["errors"].keys() == {"set"}


@pytest.mark.parametrize("header", ["If-Match", "If-None-Match"])
def test_a_condition_is_refused_for_it_could_not_be_kept(header, acme, client):
    record = CustomerFactory(tenant=acme)
    for verb, extra in (("bulk-update", {"set": {"name": "B"}}), ("bulk-delete", {})):
        answer = client.post(f"{CUSTOMERS}{verb}/", {"ids": ids(record), **extra}, headers={header: '"another"'})
        assert (answer.status_code, list(answer.json()["errors"])) == (400, [header])
    assert trail(acme) == []


def test_a_repeated_request_is_carried_out_once(acme, client):
    some = CustomerFactory.create_batch(2, tenant=acme)
    first, again = (
        client.post(f"{CUSTOMERS}bulk-delete/", {"ids": ids(*some)}, HTTP_IDEMPOTENCY_KEY="once") for _ in range(2)
    )
    assert first.status_code == again.status_code == 200
    assert first.json() == again.json() == {"deleted": 2}
    assert again["Idempotency-Replayed"] == "true"
    assert len(trail(acme)) == 2


# -- What it costs


@pytest.mark.parametrize(("verb", "each"), [(update, 1), (delete, 2)])
def test_statements_grow_by_a_few_for_each_record(verb, each, acme, client):
    def cost(number):
        some = CustomerFactory.create_batch(number, tenant=acme)
        changes = {"status": "active"} if verb is update else {}
        with statements() as found:
            assert verb(client, CUSTOMERS, some, **changes).status_code == 200
        return len(found)

    cost(1)
    few, many = cost(2), cost(12)
    assert many - few == 10 * each
    assert few <= 3 + 2 * each


def test_all_are_found_and_locked_in_one_statement(acme, client):
    some = CustomerFactory.create_batch(3, tenant=acme)
    with statements() as found:
        delete(client, CUSTOMERS, some)
        update(client, CUSTOMERS, CustomerFactory.create_batch(2, tenant=acme), status="active")
    locks = [sql for sql in found if " FOR " in sql and '"customers"' in sql]
    assert [sql.split(" FOR ")[1].split(" OF")[0] for sql in locks] == ["UPDATE", "NO KEY UPDATE"]
    assert all('ORDER BY "customers"."id"' in sql for sql in locks)
    assert connection.in_atomic_block
