"""What people do with workflows and their runs: start, cancel, retry, replay, try out, take over."""

from django.core.exceptions import ValidationError
from django.db import transaction

from apps.accounts.models import User
from nexora.kernel import clock, permissions
from nexora.kernel.errors import Conflict, Forbidden, Invalid

from ..definition import conditions
from ..definition.check import check_definition
from ..definition.resources import resource_named
from ..engine import checkpoints, locks, owners, rehearsing, starting
from ..engine.starting import Start
from ..engine.steps import View
from ..models import Workflow, WorkflowExecution
from ..triggers.manual import Manual


class RunIsOver(Conflict):
    """A run that is over stays as it ended. Retry a failed one, or replay any as a new run."""

    code = "run_is_over"
    title = "The run is over"


class NotRetriable(Conflict):
    """Only a failed run can be retried, once: its retry is a run of its own, to be retried in its turn."""

    code = "not_retriable"
    title = "Cannot be retried"


class CannotRun(Conflict):
    """A workflow runs with its owner's rights, and only while it is switched on."""

    code = "cannot_run"
    title = "Cannot run"


def ensure_may_control(actor, workflow):
    """Forbidden unless the person may change the workflow: whoever runs it acts with its owner's rights."""
    if not permissions.may(actor, workflow, "update"):
        if permissions.reach(actor, Workflow, "update") is None:
            raise permissions.why_not(actor, Workflow, "update")
        raise Forbidden(f"Only {workflow.created_by or 'its owner'} and managers may do that with {workflow}.")


# -- Runs


def cancel_run(*, actor, execution):
    """End a run before its next step. A step that talks to the outside is let finish; it ends cancelled after that."""
    with transaction.atomic():
        locks.come_between(execution.pk)
        execution = _locked(actor, execution)
        if execution.is_over:
            raise RunIsOver(f"This run is {execution.status} and stays so.")
        now = clock.now()
        execution.cancel_requested_at = execution.cancel_requested_at or now
        is_calling = execution.state == checkpoints.State.CALLING and execution.resume_at > now
        if is_calling:
            execution.save()
        else:
            # Whoever does a step holds the row until it is done, so none is being done now.
            checkpoints.end(execution, checkpoints.Status.CANCELLED)
    return execution


def retry_run(*, actor, execution):
    """A new run that goes on at the step at which this one failed, with what the steps before have given."""
    with transaction.atomic():
        execution = _locked(actor, execution)
        if execution.status != checkpoints.Status.FAILED or not execution.position:
            raise NotRetriable(f"This run is {execution.status}. Only a failed run can be retried; replay it instead.")
        if execution.owner_id != execution.workflow.created_by_id:
            raise NotRetriable("Its workflow has another owner now, who has not seen this version. Replay it instead.")
        if (again := execution.retries.first()) is not None:
            raise NotRetriable(f"This run was retried already: see {again.pk}.")
        _ensure_can_run(execution.workflow)
        (run,) = starting.begin(
            execution.workflow,
            [_start_of(execution)],
            version=execution.version,
            # As deep in its chain as the one that it goes on with.
            parent=execution.parent,
            retry_of=execution,
            output=execution.output,
            position={**execution.position, "origin": execution.origin_id, "rescues": 0},
        )
    return run


def replay_run(*, actor, execution):
    """A new run of the workflow as it is now, on what the old one began with."""
    with transaction.atomic():
        execution = _locked(actor, execution)
        _ensure_can_run(execution.workflow)
        _ensure_can_work(execution.workflow)
        start = _start_of(execution, replay_of=str(execution.pk))
        (run,) = starting.begin(execution.workflow, [start])
    return run


def _locked(actor, execution):
    found = locks.locked(execution.pk)
    if found is None:
        raise Conflict("This run is gone.")
    found.workflow = owners.find(Workflow, found.workflow_id)
    _ensure_may_go_on(actor, found)
    return found


def _ensure_may_go_on(actor, execution):
    """Forbidden, unless the run is the person's to change, and its workflow's owner is nobody above them now and, where
    they reach only their own, nobody else."""
    workflow = execution.workflow
    reach = permissions.reach(actor, WorkflowExecution, "update")
    is_own = execution.owner_id == workflow.created_by_id == actor.pk
    if reach is None:
        raise permissions.why_not(actor, WorkflowExecution, "update")
    if workflow.is_above(actor) or not (reach == permissions.ALL or is_own):
        raise Forbidden(f"Only {workflow.created_by or 'its owner'} and managers may do that with a run of {workflow}.")


def _start_of(execution, **more):
    # One that was stored by other means may hold anything.
    given = execution.input if isinstance(execution.input, dict) else {}
    trigger = given.get("trigger")
    if not isinstance(trigger, dict):
        trigger = {"type": execution.workflow.starts_on, "at": clock.now().isoformat()}
    return Start(
        trigger={**trigger, **more},
        resource=execution.resource,
        record_id=execution.record_id,
        changes=given.get("changes"),
        values=given.get("values"),
    )


# -- Workflows


def run_workflow(*, actor, workflow, ids=()):
    """Start a workflow now, once for each of these records; ([run, …], [id of a record that its `when` leaves out, …]).

    Invalid, naming each, if one of the ids is unknown to the workflow's owner; then nothing is started.
    """
    with transaction.atomic():
        workflow = owners.find(Workflow, workflow.pk, locked=True)
        ensure_may_control(actor, workflow)
        _ensure_can_run(workflow)
        _ensure_can_work(workflow)
        owner = owners.owner_of(workflow)
        starts = list(_manual_starts(workflow, owner, ids))
        # By hand, a workflow is started whatever its own trigger would ask for.
        is_manual = workflow.starts_on == Manual.type
        chosen = [start for start in starts if not is_manual or View.of_start(workflow, owner, start).is_meant()]
        runs = starting.begin(workflow, chosen)
    left_out = {start.record_id for start in starts} - {start.record_id for start in chosen}
    return runs, sorted(map(str, left_out - {None}))


def test_workflow(*, actor, workflow, record_id=None, changes=None):
    """What a run would do, without doing it: rehearse()'s answer, with "starts" and the trigger's conditions."""
    with transaction.atomic():
        workflow = owners.find(Workflow, workflow.pk)
        ensure_may_control(actor, workflow)
        owner = owners.owner_of(workflow)
        if refusal := owners.why_not(workflow, owner):
            raise CannotRun(refusal)
        _ensure_can_work(workflow)
        (start,) = _manual_starts(workflow, owner, [record_id] if record_id else [], changes=changes)
        view = View.of_start(workflow, owner, start)
        when = workflow.trigger.get("when")
        explained = conditions.explain(when, view.look_up, view.changes) if when else []
        return {"starts": view.is_meant(), "conditions": explained, **rehearsing.rehearse(workflow, start)}


def take_over(*, actor, workflow):
    """Make the person its owner, with whose rights it runs from now on."""
    with transaction.atomic():
        workflow = owners.find(Workflow, workflow.pk, locked=True)
        if workflow.is_above(actor):
            raise Forbidden(f"{workflow} is above your own role, {actor.role}.")
        ensure_may_control(actor, workflow)
        if actor.tenant_id != workflow.tenant_id:
            raise Forbidden(f"{workflow} is another organisation's, in which you have no rights that it could use.")
        workflow.created_by = User.objects.get(pk=actor.pk)
        workflow.clean()
        workflow.save()
    return workflow


def _ensure_can_run(workflow):
    if not workflow.enabled:
        raise CannotRun(f"{workflow} is switched off. Switch it on first.")
    if refusal := owners.why_not(workflow, owners.owner_of(workflow)):
        raise CannotRun(refusal)


def _ensure_can_work(workflow):
    """What a run now would be made of; one that was stored by other means may be anything."""
    try:
        check_definition(trigger=workflow.trigger, actions=workflow.actions)
    except ValidationError as error:
        raise CannotRun(f"Its definition cannot work: {error.messages[0]} Correct it first.") from error


def _manual_starts(workflow, owner, ids, *, changes=None):
    resource = resource_named(workflow.listens_to)
    trigger = {"type": workflow.starts_on, "at": clock.now().isoformat(), "manual": True}
    if resource is None:
        if ids:
            raise Invalid("This workflow is about no record.", fields={"ids": ["This workflow takes no records."]})
        yield Start(trigger=trigger)
        return
    if not ids:
        raise Invalid(
            f"Say on which {resource.name}.", fields={"ids": [f"This workflow takes ids of {resource.name}."]}
        )
    known = permissions.narrow(resource.model.objects.filter(pk__in=ids), owner, "view").in_bulk()
    if unknown := [str(one) for one in ids if one not in known]:
        sentence = f"There is no {resource.model._meta.verbose_name} with this id that the workflow's owner may see."
        raise Invalid(sentence, fields={one: [sentence] for one in unknown[:20]})
    for one in ids:
        yield Start(trigger=trigger, resource=resource.name, record_id=one, changes=changes, record=known[one])
