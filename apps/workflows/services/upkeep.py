"""What is due: looked for once a minute over all tenants, done in each tenant's own scope."""

import logging

from django.db import connection, transaction
from django.db.models import Q

from apps.tenants.models import Tenant
from nexora.kernel import clock
from nexora.kernel.scope import tenant_scope, unscoped

from ..definition.registry import triggers
from ..engine import advancing, owners, turns
from ..engine.starting import begin
from ..engine.steps import View
from ..models import Workflow, WorkflowExecution

log = logging.getLogger("nexora.workflows")

# Of each kind, in one minute; the most urgent first.
AT_ONCE = 5_000


def run_due():
    """Wake what has slept long enough, look after what has been silent for too long, let in whose turn has come, and
    start what a clock starts."""
    for tenant_id, execution_id in _due_runs():
        _each(tenant_id, advancing.look_after, execution_id)
    for tenant_id in _tenants_in_line():
        _each(tenant_id, _fill_up)
    for tenant_id, workflow_id in _due_workflows():
        _each(tenant_id, tick, workflow_id)


def _each(tenant_id, do, *args):
    """One that fails must not keep the others waiting."""
    try:
        with tenant_scope(tenant_id):
            do(*args)
    except Exception as error:
        log.exception("%s%s of tenant %s failed.", do.__name__, args, tenant_id)
        if isinstance(error, advancing.LOST):
            # Where PostgreSQL answers, it has refused that one only, as in a deadlock. Where not, the rest is in vain.
            with connection.cursor() as cursor:
                cursor.execute("SELECT 1")


def _due_runs():
    with unscoped(reason="workflow runs that are due, of all tenants"):
        found = WorkflowExecution.objects.filter(
            status=WorkflowExecution.Status.RUNNING,
            resume_at__lte=clock.now() + turns.SOON,
            tenant__status__in=Tenant.OPEN,
        )
        return list(found.order_by("resume_at").values_list("tenant_id", "pk")[:AT_ONCE])


def _tenants_in_line():
    with unscoped(reason="tenants whose workflow runs wait for their turn"):
        found = WorkflowExecution.objects.filter(state=turns.State.PENDING, tenant__status__in=Tenant.OPEN)
        return list(found.order_by("tenant_id").values_list("tenant_id", flat=True).distinct()[:AT_ONCE])


def _fill_up():
    with transaction.atomic():
        turns.let_in(turns.READY_RUNS)


def _due_workflows():
    timed = [name for name, kind in triggers.items() if kind.is_timed]
    with unscoped(reason="workflows that a clock starts, of all tenants"):
        found = Workflow.objects.filter(enabled=True, starts_on__in=timed, tenant__status__in=Tenant.OPEN)
        found = found.filter(Q(next_run_at=None) | Q(next_run_at__lte=clock.now()))
        return list(found.order_by("next_run_at").values_list("tenant_id", "pk")[:AT_ONCE])


def tick(workflow_id):
    """Start what the clock starts of one workflow, and note how far it has come, or neither."""
    with transaction.atomic():
        workflow = owners.find(Workflow, workflow_id, locked=True)
        kind = triggers.get(workflow.starts_on) if workflow else None
        if kind is None or not kind.is_timed or not workflow.enabled:
            return
        owner = owners.owner_of(workflow)
        if refusal := owners.why_not(workflow, owner):
            owners.switch_off(workflow, refusal)
            return
        looked = kind.tick(workflow, clock.now())
        if looked.again is None:
            owners.switch_off(workflow, "Its schedule has no further time. Correct it and switch it on again.")
            return
        _note(workflow, looked)
        begin(workflow, _new(workflow, owner, looked.starts))


def _new(workflow, owner, starts):
    """Those whose key has started nothing yet, and whose record meets the trigger's condition."""
    known = WorkflowExecution.objects.filter(workflow_id=workflow.pk, trigger_key__in=[start.key for start in starts])
    known = set(known.values_list("trigger_key", flat=True))
    return [s for s in starts if s.key not in known and View.of_start(workflow, owner, s).is_meant()]


def _note(workflow, looked):
    """Not a change of the workflow that a trail should show."""
    found = Workflow.objects.filter(pk=workflow.pk).unpublished("how far its clock has come")
    found.update(next_run_at=looked.again, clock_record_id=looked.passed)
