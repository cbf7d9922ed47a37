"""From a change event to a run, inside the transaction that made the change."""

import json
import logging
from contextlib import nullcontext

from django.db import DatabaseError

from nexora.kernel import clock, scope
from nexora.kernel.models import plain
from nexora.kernel.scope import tenant_scope
from nexora.kernel.statements import Statement, Statements, among

from ..definition.registry import triggers
from ..definition.resources import resource_named, resource_of
from ..models import Workflow
from . import owners
from .starting import Start, start_automatically
from .steps import View

log = logging.getLogger("nexora.workflows")

_statements = Statements()


def listen(changes):
    """Start what the changes ask for."""
    heard = {}
    for change in changes:
        resource = resource_of(change.model)
        if resource is not None and change.record_id is not None:
            heard.setdefault(change.tenant_id, {}).setdefault(resource.name, []).append(change)
    for tenant_id, by_name in heard.items():
        current = scope.current()
        is_inside = current is not None and current.kind == scope.TENANT and current.tenant_id == tenant_id
        with nullcontext() if is_inside else tenant_scope(tenant_id):
            for workflow_id, name, trigger in _listening(list(by_name)):
                _react(workflow_id, trigger, resource_named(name), by_name[name])


def _listening(names):
    """[(id, resource's name, trigger)] of the enabled workflows of the tenant in scope that listen to these kinds of
    records."""

    def make():
        rows = Workflow.objects.filter(among("names", Workflow._meta.get_field("listens_to")), enabled=True).order_by()
        return Statement(rows.values_list("pk", "listens_to", "trigger"), keeps_plan=True)

    rows = _statements.get("listening", make).execute({"names": names}).fetchall()
    return [(key, name, json.loads(given) if isinstance(given, str) else given) for key, name, given in rows]


def _react(workflow_id, trigger, resource, changes):
    kind = triggers.get(trigger.get("type"))
    if kind is None or not kind.listens:
        return
    matching = [change for change in changes if change.action in kind.actions and _matches(kind, change, trigger)]
    if not matching:
        return
    workflow = owners.find(Workflow, workflow_id)
    if workflow is None or not workflow.enabled:
        return  # since it was listed
    owner = owners.owner_of(workflow)
    if refusal := owners.why_not(workflow, owner):
        owners.switch_off(workflow, refusal)
        return
    starts = [_start(change, trigger, resource) for change in matching]
    start_automatically(workflow, [start for start in starts if _is_meant(View.of_start(workflow, owner, start))])


def _matches(kind, change, trigger):
    """A definition that nobody checked must not stop whoever made the change."""
    try:
        return change.record is not None and kind.matches(change, trigger)
    except DatabaseError:
        raise
    except Exception:
        log.exception("The trigger %s cannot be asked.", kind.type)
        return False


def _is_meant(view):
    """One that cannot be asked must not stop whoever made the change."""
    try:
        return view.is_meant()
    except DatabaseError:
        raise
    except Exception:
        log.exception("The condition of the workflow %s cannot be asked.", view.workflow.pk)
        return False


def _start(change, trigger, resource):
    is_gone = change.action == "deleted"
    return Start(
        trigger={"type": trigger["type"], "at": (change.at or clock.now()).isoformat()},
        resource=resource.name,
        record_id=change.record_id,
        changes=None if is_gone else change.changes,
        values=_last_values(change, resource) if is_gone else None,
        # What is left of a deleted record's instance has lost its key.
        record=None if is_gone else change.record,
    )


def _last_values(change, resource):
    """What a deleted record was."""
    found = {name: plain(value) for name, value in resource.values(change.record).items()}
    return found | {"id": str(change.record_id)}
