"""Whose rights a run has: those that the workflow's owner has at that moment."""

from apps.accounts.models import User
from apps.accounts.services.notifications import notify
from nexora.kernel import permissions
from nexora.kernel.events import Actor, acting_as
from nexora.kernel.statements import KEY, Find, Slot, Statements

from ..models import Workflow

SYSTEM = Actor(None, "workflow engine")

# For `find`: a record that somebody has locked is not waited for, but passed over.
IF_FREE = "if free"

_statements = Statements()


def find(model, record_id, *, locked=False):
    """A record of the tenant in scope by its id, or None, by SQL that is written once."""

    def make():
        rows = model.objects.filter(pk=Slot(KEY, model._meta.pk))
        if locked:
            rows = rows.select_for_update(of=("self",), no_key=True, skip_locked=locked == IF_FREE)
        return Find(rows)

    return _statements.get((model, locked), make).record({KEY: record_id})


def owner_of(workflow):
    """The person, as they are now, or None."""
    return find(User, workflow.created_by_id) if workflow.created_by_id else None


def why_not(workflow, owner):
    """A sentence, if the workflow may not run in its owner's name; else None."""
    if owner is None:
        return f"{workflow} has no owner whose rights it could use. Somebody must take it over and switch it on."
    if not owner.is_active:
        return f"Its owner, {owner}, is {owner.status}. Somebody must take it over and switch it on."
    if permissions.reach(owner, Workflow, "update") is None:
        return f"Its owner, {owner}, is {owner.role} now and may have no workflows. Somebody must take it over."
    return None


def acts_for(owner, workflow):
    """The Actor in whose name a run writes."""
    return Actor(owner.pk, f"{owner} by the workflow {workflow}"[:255], owner.tenant_id)


def switch_off(workflow, notice):
    """Disable a workflow by itself, and tell its owner, or else the admins; nothing if it is off already."""
    # Locked, so that of two that find the same only one says it.
    workflow = find(Workflow, workflow.pk, locked=True)
    if workflow is None or not workflow.enabled:
        return
    workflow.enabled = False
    workflow.notice = notice
    with acting_as(SYSTEM):
        workflow.save()
    owner = owner_of(workflow)
    told = [owner] if owner and owner.is_active else list(User.objects.filter(role=User.Role.ADMIN, status="active"))
    notify(
        users=told, text=f"The workflow {workflow} was switched off. {notice}"[:2000], record=workflow, level="warning"
    )
