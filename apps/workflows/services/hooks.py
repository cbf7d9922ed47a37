"""Webhooks that come in: each starts its workflow once."""

from django.db import transaction

from nexora.kernel import clock, signatures
from nexora.kernel.events import Actor, acting_as

from ..engine import owners, starting
from ..engine.starting import Start
from ..engine.steps import View
from ..models import Workflow, WorkflowExecution
from ..triggers.webhooks import WebhookReceived
from .control import CannotRun
from .secrets import WEBHOOKS


def receive(*, workflow_id, headers, body, sent):
    """(the run that this message started or had started, whether it had); None for one that the trigger's `when` leaves
    out. `body` is what was signed, `sent` the JSON in it. BadSignature for an unknown workflow too: only who has its
    secret is told more. CannotRun if it takes none now; the sender may try again."""
    serial, message_id = _verified(workflow_id, headers, body)
    with transaction.atomic(), acting_as(Actor(None, "webhook")):
        # Locked for those alone who have the secret: of two messages of one id the second finds the first one's run.
        workflow = owners.find(Workflow, workflow_id, locked=True)
        if workflow is None or workflow.secret_serial != serial:
            raise signatures.BadSignature("The secret has just been renewed. Sign with the new one.")
        execution, is_known, refusal = _receive(workflow, message_id, sent)
    if refusal:
        # After the transaction: that it is switched off has to stay.
        raise CannotRun(refusal)
    return execution, is_known


def _verified(workflow_id, headers, body):
    with transaction.atomic():
        workflow = owners.find(Workflow, workflow_id)
    # Of serial 0 no secret is ever shown: nobody can sign for a workflow that is not there.
    serial = workflow.secret_serial if workflow else 0
    now = clock.now()
    return serial, signatures.verify(headers, body, purpose=WEBHOOKS, owner_id=workflow_id, serial=serial, now=now)


def _receive(workflow, message_id, sent):
    key = f"webhook {message_id}"
    known = WorkflowExecution.objects.filter(workflow_id=workflow.pk, trigger_key=key).first()
    if known is not None:
        return known, True, None
    if workflow.starts_on != WebhookReceived.type or not workflow.enabled:
        raise CannotRun(f"{workflow} takes no webhooks now: it is switched off, or starts otherwise.")
    owner = owners.owner_of(workflow)
    if refusal := owners.why_not(workflow, owner):
        raise CannotRun(refusal)
    trigger = {"type": WebhookReceived.type, "at": clock.now().isoformat(), "id": message_id, "body": sent}
    start = Start(trigger=trigger, key=key)
    if not View.of_start(workflow, owner, start).is_meant():
        return None, False, None
    runs = starting.start_automatically(workflow, [start])
    return (runs[0], False, None) if runs else (None, False, f"{workflow} was sent too much and is switched off.")
