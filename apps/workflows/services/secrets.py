"""What signs the webhooks for a workflow and its own requests. Derived from the server's key, stored nowhere."""

from django.db import transaction

from nexora.kernel import mail, signatures

from ..actions.http import REQUESTS
from ..engine import owners
from ..models import Workflow
from .control import ensure_may_control

WEBHOOKS = "workflow webhooks"


def secrets_of(*, actor, workflow):
    """{"webhook_url", "webhook_secret", "request_secret"}, for people who may change the workflow."""
    ensure_may_control(actor, workflow)
    webhook, request = (
        signatures.secret_for(purpose, workflow.pk, workflow.secret_serial) for purpose in (WEBHOOKS, REQUESTS)
    )
    return {
        "webhook_url": mail.link(f"/api/v1/hooks/{workflow.pk}/"),
        "webhook_secret": webhook,
        "request_secret": request,
    }


def renew_secrets(*, actor, workflow):
    """New ones; what is signed with the old ones is refused from now on."""
    with transaction.atomic():
        workflow = owners.find(Workflow, workflow.pk, locked=True)
        ensure_may_control(actor, workflow)
        workflow.secret_serial += 1
        workflow.save()
    return workflow
