"""Webhooks that come in: signed, and each starts its workflow once."""

import json
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from rest_framework.test import APIClient
from standardwebhooks import Webhook

from apps.crm.models import Activity
from apps.workflows.models import Workflow
from nexora.kernel.scope import tenant_scope
from tests.workflows.flows import finish, note, runs, workflow

pytestmark = pytest.mark.django_db

URL = "/api/v1/workflows/"


@pytest.fixture
def hook(acme, manager, client_for):
    """The workflow, as `flow`, and `send(body, …)`, as whoever has its secret."""
    with tenant_scope(acme):
        flow = workflow(manager, note(subject="{{ trigger.body.name }}"), trigger={"type": "webhook"})
    secrets = client_for(manager).get(f"{URL}{flow.pk}/secrets/")
    assert secrets["Cache-Control"] == "no-store"
    return Hook(flow, secrets.json())


class Hook:
    def __init__(self, flow, secrets):
        self.flow, self.secret = flow, secrets["webhook_secret"]
        self.address = f"/api/v1/hooks/{flow.pk}/"
        assert secrets["webhook_url"].endswith(self.address)

    def send(
        self, body, *, key="msg_1", secret=None, late=timedelta(0), host="acme.localhost", address=None, signed=None
    ):
        text, at = json.dumps(body), datetime.now(UTC) + late
        headers = {
            "webhook-id": key,
            "webhook-timestamp": str(int(at.timestamp())),
            "webhook-signature": signed or Webhook(secret or self.secret).sign(key, at, text),
        }
        client = APIClient(HTTP_HOST=host)
        return client.generic("POST", address or self.address, text, "application/json", headers=headers)


def test_a_signed_message_starts_a_run_with_its_body(hook, acme):
    answer = hook.send({"name": "Ada"})
    assert answer.status_code == 202, answer.json()
    with tenant_scope(acme):
        (run,) = finish()
        assert answer.json() == {"execution": str(run.pk), "duplicate": False}
        assert run.status == "completed", run.error
        assert Activity.objects.get().subject == "Ada"


def test_a_message_that_comes_again_starts_nothing_again(hook, acme):
    first, second = hook.send({"name": "Ada"}), hook.send({"name": "Ada"})
    assert (second.status_code, second.json()) == (200, first.json() | {"duplicate": True})
    assert hook.send({"name": "Ada"}, key="msg_2").status_code == 202
    with tenant_scope(acme):
        assert len(runs()) == 2


@pytest.mark.parametrize(
    "wrong",
    [
        {"secret": "whsec_" + "A" * 32},
        {"signed": "v1,AAAA"},
        {"signed": "nonsense"},
        {"late": timedelta(minutes=-6)},
        {"late": timedelta(minutes=6)},
        {"key": "a.b"},
        {"key": ""},
        {"key": "x" * 201},
        {"address": f"/api/v1/hooks/{uuid4()}/"},
        {"address": "/api/v1/hooks/nonsense/"},
        {"host": "globex.localhost"},
    ],
)
def test_a_message_that_is_not_signed_so_is_refused_and_told_nothing(hook, acme, globex, wrong):
    answer = hook.send({"name": "Ada"}, **wrong)
    assert (answer.status_code, answer.json()["code"]) == (401, "bad_signature")
    with tenant_scope(acme):
        assert runs() == []


def test_a_body_that_was_changed_is_refused(hook):
    text = json.dumps({"name": "Ada"})
    signed = Webhook(hook.secret).sign("msg_1", datetime.now(UTC), text)
    assert hook.send({"name": "Eve"}, signed=signed).status_code == 401


def test_renewed_secrets_end_the_old_ones(hook, manager, client_for):
    renewed = client_for(manager).post(f"{URL}{hook.flow.pk}/secrets/renew/").json()
    assert hook.send({"name": "x"}).status_code == 401
    assert hook.send({"name": "x"}, secret=renewed["webhook_secret"]).status_code == 202


def test_the_former_key_of_the_server_is_still_good(hook, settings):
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "another-key", [settings.SECRET_KEY]
    assert hook.send({"name": "x"}).status_code == 202


def test_the_condition_is_asked_and_a_message_it_leaves_out_is_taken(hook, acme):
    with tenant_scope(acme):
        hook.flow.trigger = {"type": "webhook", "when": {"path": "trigger.body.name", "op": "eq", "value": "Ada"}}
        hook.flow.save()
    answer = hook.send({"name": "Eve"})
    assert (answer.status_code, answer.json()["execution"]) == (202, None)
    assert hook.send({"name": "Ada"}, key="msg_2").json()["execution"]


def test_a_workflow_that_is_off_takes_none(hook, acme):
    with tenant_scope(acme):
        Workflow.objects.filter(pk=hook.flow.pk).unpublished("test data").update(enabled=False)
    assert hook.send({"name": "x"}).json()["code"] == "cannot_run"


def test_a_flood_switches_it_off(hook, acme):
    codes = [hook.send({"name": "x"}, key=f"m{number}").status_code for number in range(62)]
    # Refused, so that the sender tries again; not taken and lost.
    assert codes == [202] * 60 + [409] * 2
    with tenant_scope(acme):
        assert len(runs()) == 60 and not Workflow.objects.get().enabled


def test_only_people_who_may_change_it_see_its_secrets(hook, client_for, member, guest, manager):
    address = f"{URL}{hook.flow.pk}/secrets/"
    for person, status in ((member, 403), (guest, 403), (manager, 200)):
        assert client_for(person).get(address).status_code == status


def test_no_secret_is_stored(hook, acme):
    with tenant_scope(acme):
        row = Workflow.objects.filter(pk=hook.flow.pk).values().get()
    assert hook.secret.removeprefix("whsec_")[:12] not in str(row)
