"""Requests that workflows send: signed, safe, and the same at each attempt."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from standardwebhooks import Webhook

from apps.crm.models import Customer
from nexora.kernel import clock
from nexora.kernel.scope import tenant_scope
from tests.kernel.other_side import OK, other_sides
from tests.workflows.flows import acts, finish, runs, steps, workflow

pytestmark = pytest.mark.django_db

GONE = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n"
AWAY = b"HTTP/1.1 302 Found\r\nLocation: http://169.254.169.254/\r\nContent-Length: 0\r\n\r\n"


def answered(body, kind="application/json"):
    return b"HTTP/1.1 200 OK\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n%s" % (kind.encode(), len(body), body)


@pytest.fixture
def start(settings):
    with other_sides(settings) as start:
        yield start


@pytest.fixture
def writer(in_acme, manager):
    with acts(manager):
        yield manager


def request(url, **given):
    return {"key": "call", "type": "http.request", "with": {"method": "POST", "url": url, **given}}


def asked(writer, other, **options):
    """The run that asked, so far."""
    given = options.pop("given", {"json": {"name": "{{ record.name }}", "value": 1}})
    step = {**request(f"http://127.0.0.1:{other.port}/hook?for={{{{ record.id }}}}", **given), **options}
    made = workflow(writer, step)
    Customer(name="Ada").save()
    return finish(*runs(made))[-1]


def test_a_request_is_signed_with_the_workflows_secret(writer, start, client_for, acme):
    other = start(OK)
    run = asked(writer, other)
    assert run.status == "completed", run.error
    ((line, headers, body),) = other.requests
    assert line == f"POST /hook?for={run.record_id} HTTP/1.1"
    secret = client_for(writer).get(f"/api/v1/workflows/{run.workflow_id}/secrets/").json()["request_secret"]
    assert Webhook(secret).verify(body.decode(), headers) == {"name": "Ada", "value": 1}
    assert run.output["steps"]["call"]["status"] == 200


def test_attempts_and_retries_carry_the_same_key_and_other_runs_another(writer, start, client_for, acme):
    other = start(GONE)
    noon = datetime.now(UTC)
    with clock.frozen_at(noon):
        run = asked(writer, other, retry={"max": 1, "delay": 1})
    with clock.frozen_at(noon + timedelta(minutes=1)):
        (run,) = finish(run)
    assert (run.status, run.error) == ("failed", f"call: POST http://127.0.0.1:{other.port}/hook answered 503.")
    again = client_for(writer).post(f"/api/v1/workflow-executions/{run.pk}/retry/").json()
    replay = client_for(writer).post(f"/api/v1/workflow-executions/{run.pk}/replay/").json()
    other.answer = OK
    with tenant_scope(acme):
        finish(*[one for one in runs() if str(one.pk) in (again["id"], replay["id"])])
    keys = [headers["webhook-id"] for _, headers, _ in other.requests]
    assert len(keys) == 4 and len(set(keys[:2])) == 1 and len(set(keys)) == 2
    assert sorted(keys.count(key) for key in set(keys)) == [1, 3]
    assert all(headers["idempotency-key"] == headers["webhook-id"] for _, headers, _ in other.requests)


def test_a_redirect_is_not_followed_and_fails_the_step(writer, start):
    other = start(AWAY)
    run = asked(writer, other, retry={"max": 0})
    assert run.status == "failed" and "answered 302" in run.error and len(other.requests) == 1


def test_a_large_answer_is_cut_and_one_that_cannot_be_stored_is_text(writer, start):
    for body in (b'"' + b"x" * 200_000 + b'"', b'{"a": "\\u0000"}', b"\xff\xfe\x00binary", b"[" * 5_000, b"1e999"):
        other = start(answered(body))
        run = asked(writer, other, retry={"max": 0})
        assert run.status == "completed", (body[:20], run.error)
        assert len(json.dumps(run.output)) < 70_000


def test_secrets_in_an_answer_are_not_kept(writer, start):
    other = start(answered(b'{"access_token": "hunter2", "id": 7}'))
    run = asked(writer, other)
    assert run.output["steps"]["call"]["body"]["id"] == 7
    assert "hunter2" not in str(run.output) and "hunter2" not in str(steps(run)[0].output)


def test_a_server_that_hangs_up_is_tried_again(writer, start):
    other = start(b"")
    run = asked(writer, other)
    assert run.state == "retrying" and steps(run)[0].failures[0]["error"]


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1/", "https://127.0.0.1/", "https://localhost/", "https://10.0.0.1/", "https://[::1]/",
        "https://0x7f000001/", "https://2130706433/", "https://169.254.169.254/latest/meta-data/", "https://[fec0::1]/",
        "https://[::127.0.0.1]/", "https://[::ffff:10.0.0.1]/", "gopher://x.example/", "file:///etc/passwd",
        "https://user:secret@x.example/", "https://x.example:22/", "javascript:alert(1)", "https://x.example\\@127.0.0.1/",
        "https://\uff11\uff12\uff17.0.0.1/", "https:///x", "https://x.example/\r\nHost: y", "//x.example/", "",
    ],
)  # fmt: skip
def test_an_address_that_may_not_be_is_refused_when_it_is_saved_and_again_when_it_is_known(
    client_for, member, in_acme, url
):
    body = {"name": "x", "trigger": {"type": "manual"}, "actions": [request(url)]}
    answer = client_for(member).post("/api/v1/workflows/", body)
    assert answer.status_code == 400, answer.json()
    assert any("actions/0/with/url" in one for one in answer.json()["errors"]["actions"])


@pytest.mark.parametrize("path", ["/../x", "@127.0.0.1/", "%00", "\r\nX: y", "/" + "x" * 5_000, "{{ record.id }}"])
def test_a_value_in_an_address_leads_to_no_other_host(writer, start, path):
    other = start(OK)
    made = workflow(writer, {**request(f"http://127.0.0.1:{other.port}/{{{{ record.name }}}}"), "retry": {"max": 0}})
    Customer(name=path[:255].replace("\r\n", " ")).save()
    (run,) = finish(*runs(made))
    assert run.status in ("completed", "failed")
    assert all(headers["host"].startswith("127.0.0.1:") for _, headers, _ in other.requests)
