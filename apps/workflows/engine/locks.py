"""Who is at a run: whoever has locked its row, and whoever waits for that to come between two steps."""

from django.db import connection
from django.db.models import BooleanField, Func

from nexora.kernel.statements import KEY, Find, Slot, Statement, Statements

from ..models import Workflow, WorkflowExecution

PATIENCE = "100ms"  # with records locked

_statements = Statements()


class _Behind(Func):
    """Waits until whoever has come between has had its turn, before the row is looked for."""

    template = "(SELECT pg_advisory_xact_lock_shared(hashtextextended(%(expressions)s::text, 0)) IS NOT NULL)"
    output_field = BooleanField()


class _NobodyComes(Func):
    """Whether nobody is about to come between. What it takes, it gives back at once."""

    template = "(pg_try_advisory_lock_shared(hashtextextended(%(expressions)s::text, 1)))"
    arg_joiner = "::text, 1)) AND pg_advisory_unlock_shared(hashtextextended("
    output_field = BooleanField()


def locked(execution_id):
    """The run, and with it its tenant, its workflow and whose that is, as they are now; None if it is gone."""

    def make():
        key = Slot(KEY, WorkflowExecution._meta.pk)
        runs = WorkflowExecution.objects.filter(_Behind(key), pk=key)
        # It is the version that says what to do; of the owner, more than this is rarely looked at.
        runs = runs.select_related("tenant", "workflow__created_by").only(
            *(column.name for column in WorkflowExecution._meta.concrete_fields),
            "tenant__status",
            *(f"workflow__{name}" for name in ("tenant", "name", "created_by")),
            *(f"workflow__created_by__{name}" for name in ("tenant", "name", "email", "role", "status")),
        )
        return Find(runs.select_for_update(of=("self",), no_key=True))

    return _statements.get("locked", make).record({KEY: execution_id})


def come_between(execution_id):
    """Be the next to lock the run. A row's lock alone goes to whoever asks for it at the right moment, which is mostly
    the worker that has just let it go: somebody who waits for it could wait until the run is over."""
    keys = ", ".join(f"pg_advisory_xact_lock(hashtextextended(%s::text, {number}))" for number in (1, 0))
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {keys}", [str(execution_id)] * 2)


def be_impatient():
    """Until the transaction ends, no lock is waited for for long. Others may wait for what it has locked already, and
    it for them: then it is this one that gives up, not a request."""
    with connection.cursor() as cursor:
        cursor.execute(f"SET LOCAL lock_timeout = '{PATIENCE}'")


def may_keep(run):
    """Whether whoever has locked the run may go on with it in the same transaction: nobody wants to come between, and
    its organisation, its workflow's owner and what the owner may do are what they were when it was locked."""

    def make():
        key = Slot("execution", WorkflowExecution._meta.pk)
        workflows = Workflow.objects.filter(pk=Slot(KEY, Workflow._meta.pk))
        columns = ("tenant__status", "created_by_id", "created_by__role", "created_by__status")
        return Statement(workflows.values_list(_NobodyComes(key, key), *columns), keeps_plan=True)

    workflow, owner = run.workflow, run.workflow.created_by
    found = _statements.get("may keep", make).fetch({KEY: workflow.pk, "execution": run.pk})
    return found == (True, run.tenant.status, owner.pk, owner.role, owner.status)
