from apps.accounts.models import User
from apps.accounts.services.notifications import notify
from nexora.kernel import events
from nexora.kernel.scope import tenant_scope

from .engine import listening, owners
from .models import Workflow


@events.reader
def start_workflows(changes):
    """Of what has changed, inside the transaction that changed it."""
    listening.listen(changes)


@events.reader
def tell_new_owners(changes):
    for change in changes:
        if (
            change.model is Workflow
            and "created_by" in change.changes
            and change.changes.get("enabled") == [True, False]
        ):
            with tenant_scope(change.tenant_id):
                workflow = change.record
                notify(
                    users=[workflow.created_by],
                    text=f"The workflow {workflow} is off. {workflow.notice}",
                    record=workflow,
                )


@events.reader
def switch_off_workflows_of_who_leaves(changes):
    """Whoever may no longer sign in has nothing done in their name."""
    for change in changes:
        if change.model is User and change.action == events.UPDATED and {"status", "role"} & change.changes.keys():
            with tenant_scope(change.tenant_id):
                for workflow in Workflow.objects.enabled().filter(created_by_id=change.record_id):
                    if refusal := owners.why_not(workflow, change.record):
                        owners.switch_off(workflow, refusal)
