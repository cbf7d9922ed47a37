"""Workflows for tests, and what makes them run without a worker."""

from apps.workflows.engine import advancing
from apps.workflows.models import Workflow, WorkflowExecution
from nexora.kernel.events import Actor, acting_as


def acts(person):
    """Who writes inside: `person`."""
    return acting_as(Actor(person.pk, str(person), person.tenant_id))


def workflow(owner, *actions, trigger=None, **values):
    """A stored and checked workflow of `owner`, in the scope of their tenant."""
    made = Workflow(
        name=values.pop("name", "Flow"),
        created_by=owner,
        trigger=trigger or {"type": "record.created", "resource": "customers"},
        actions=list(actions),
        **values,
    )
    with acts(owner):
        made.full_clean()
        made.save()
    return made


def note(key="note", **given):
    """An action that leaves a trace."""
    return {"key": key, "type": "activity.create", "with": {"type": "note", "subject": key, **given}}


def runs(of=None):
    found = WorkflowExecution.objects.order_by("started_at", "pk")
    return list(found.filter(workflow=of) if of else found)


def finish(*executions):
    """Do what a worker would; the runs as they are then."""
    done = []
    for run in executions or runs():
        advancing.advance(run.pk)
        done.append(WorkflowExecution.objects.get(pk=run.pk))
    return done


def steps(run):
    return list(run.steps.order_by("started_at", "path"))
