"""Idempotency-Key: what is sent twice is done once."""

import threading
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from apps.accounts import jobs
from apps.accounts.models import AuditEvent, IdempotencyKey
from apps.analytics.models import AIInsight
from apps.crm.models import Customer
from nexora.kernel import clock
from nexora.kernel.scope import tenant_scope, unscoped
from tests.factories import AIInsightFactory, IdempotencyKeyFactory

ADDRESS = "/api/v1/customers/"
ADA = {"name": "Ada", "email": "ada@example.com"}


def send(client, body=ADA, key="a-key", address=ADDRESS):
    return client.post(address, body, headers={"Idempotency-Key": key})


def assert_problem(answer, status, code):
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer.headers["Content-Type"] == "application/problem+json"


@pytest.fixture
def client(client_for, admin):
    return client_for(admin)


def test_a_repetition_gets_the_first_answer_and_changes_nothing(client, acme):
    first, second = send(client), send(client)
    assert first.status_code == second.status_code == 201
    assert first.content == second.content
    for name in ("Location", "ETag", "Content-Type"):
        assert first.headers[name] == second.headers[name]
    assert "Idempotency-Replayed" not in first.headers and second.headers["Idempotency-Replayed"] == "true"
    with tenant_scope(acme):
        assert Customer.objects.count() == AuditEvent.objects.count() == 1


def test_a_key_is_good_for_one_body(client):
    send(client)
    assert_problem(send(client, ADA | {"name": "Bob"}), 422, "idempotency_key_reused")
    assert send(client, ADA | {"name": "Bob"}, key="another").status_code == 201


def test_a_refusal_is_not_kept(client, acme):
    assert send(client, {"name": ""}).status_code == 400
    assert send(client).status_code == 201
    with tenant_scope(acme):
        assert IdempotencyKey.objects.count() == 1


def test_keys_are_a_persons_a_routes_and_a_records_own(client, client_for, manager, acme, mallory):
    assert {send(client).status_code, send(client_for(manager)).status_code} == {201}
    assert send(client_for(mallory)).status_code == 201
    deal = send(client, {"title": "T", "value": "1", "customer": send(client).json()["id"]}, address="/api/v1/deals/")
    assert deal.status_code == 201 and "Idempotency-Replayed" not in deal.headers
    insights = [AIInsightFactory(tenant=acme) for _ in range(2)]
    for insight in insights:
        answer = send(client, {}, address=f"/api/v1/ai-insights/{insight.pk}/dismiss/")
        assert answer.status_code == 200 and answer.json()["id"] == str(insight.pk)
        again = send(client, {}, address=f"/api/v1/ai-insights/{insight.pk}/dismiss/")
        assert again.headers["Idempotency-Replayed"] == "true" and again.json() == answer.json()
    with tenant_scope(acme):
        assert AIInsight.objects.filter(pk__in=[i.pk for i in insights], dismissed=True).count() == 2


def test_a_super_admin_on_the_platform_may_repeat_too(client_for, root):
    body = {"name": "Initech", "subdomain": "initech"}
    first, second = (send(client_for(root), body, address="/api/v1/tenants/") for _ in range(2))
    assert first.status_code == second.status_code == 201, first.content
    assert second.headers["Idempotency-Replayed"] == "true" and first.json() == second.json()


@pytest.mark.parametrize("key", ["", "x" * 256, "é", "a\tb", "\x00"])
def test_a_key_that_is_none_is_refused(client, key):
    answer = send(client, key=key)
    assert_problem(answer, 400, "invalid")
    assert answer.json()["errors"].keys() == {"Idempotency-Key"}


def test_the_key_itself_is_not_stored(client, acme):
    send(client, key="a-key-that-somebody-may-guess")
    with tenant_scope(acme):
        assert "guess" not in str(IdempotencyKey.objects.values().get())


def test_answers_are_kept_for_a_day(client, acme):
    send(client)
    with unscoped(reason="test"):
        yesterday = clock.now() - timedelta(hours=24)
        IdempotencyKey.objects.unpublished("test").update(created_at=yesterday)
    answer = send(client, {"name": "Bob", "email": "bob@example.com"})
    assert answer.status_code == 201 and "Idempotency-Replayed" not in answer.headers


def test_old_answers_are_removed_by_night(acme, globex):
    for tenant, age in ((acme, 1), (acme, 25), (globex, 25)):
        IdempotencyKeyFactory(tenant=tenant, created_at=clock.now() - timedelta(hours=age))
    jobs.delete_old_answers()
    with unscoped(reason="test"):
        assert IdempotencyKey.objects.count() == 1


def test_no_query_is_made_where_there_is_no_key(client):
    with CaptureQueriesContext(connection) as queries:
        client.post(ADDRESS, ADA)
        client.patch(f"{ADDRESS}x/", {}, headers={"Idempotency-Key": "a"})
    assert not [q["sql"] for q in queries if "idempotency" in q["sql"] or "advisory" in q["sql"]]


@pytest.mark.django_db(transaction=True)
def test_of_requests_sent_at_once_one_is_carried_out(client_for, admin, acme):
    clients = [client_for(admin) for _ in range(8)]
    barrier, answers = threading.Barrier(8), []

    def create(client):
        barrier.wait()
        answers.append(send(client))
        connection.close()

    threads = [threading.Thread(target=create, args=(client,)) for client in clients]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    made = [a for a in answers if a.status_code == 201 and "Idempotency-Replayed" not in a.headers]
    assert len(answers) == 8 and len(made) == 1
    for answer in answers:
        if answer.status_code == 201:
            assert answer.json() == made[0].json()
        else:
            assert_problem(answer, 409, "idempotency_in_flight")
            assert answer.headers["Retry-After"] == "1"
    with tenant_scope(acme):
        assert Customer.objects.count() == AuditEvent.objects.count() == IdempotencyKey.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_a_request_in_flight_is_not_waited_for(client_for, admin, acme, monkeypatch):
    from apps.crm.viewsets import CustomerViewSet

    client, other = client_for(admin), client_for(admin)
    create, seen = CustomerViewSet.perform_create, []

    def nested():
        seen.append(send(other))
        connection.close()

    def slow(view, serializer):
        create(view, serializer)
        if not seen:
            thread = threading.Thread(target=nested)
            thread.start()
            thread.join(10)

    monkeypatch.setattr(CustomerViewSet, "perform_create", slow)
    assert send(client).status_code == 201
    assert_problem(seen[0], 409, "idempotency_in_flight")
    assert send(other).headers["Idempotency-Replayed"] == "true"
