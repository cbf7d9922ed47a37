"""What an action sees of the run that it is a step of."""

import re
from functools import cached_property
from uuid import UUID, uuid5

from nexora.kernel import clock
from nexora.kernel.models import REDACTED

from ..definition import conditions, values
from ..definition.resources import follow, resource_named
from ..definition.values import Unresolved
from . import positions

KEYS = UUID("6f0c1a52-2d7e-4f3a-9d38-6f1d0e4f7a10")
SECRET = re.compile(
    r"pass(word|wd)?|secret|token|api_?-?key|authori[sz]ation|cookie|signature|credential", re.IGNORECASE
)

# Linear: no two parts of it can match the same character, for answers of strangers are looked through.
PARAMETER = re.compile(r"([?&][^=?&\s#]{1,200}=)[^&\s#]*")


class View:
    """What a definition's values and conditions can look at.

    resource   of the record that the run is about, or None; `found` is the record, where the caller has it already
    """

    def __init__(self, *, workflow, owner, given, resource=None, record_id=None, found=None):
        self.workflow = workflow
        self.owner = owner
        self.input = given
        self.resource = resource
        self.record_id = record_id
        if found is not None:
            self.record = found

    @classmethod
    def of_start(cls, workflow, owner, start):
        """What the trigger's condition can look at, before there is a run."""
        return cls(
            workflow=workflow,
            owner=owner,
            given={"trigger": start.trigger, "changes": start.changes, "values": start.values},
            resource=resource_named(start.resource),
            record_id=start.record_id,
            found=start.record,
        )

    def is_meant(self):
        """Whether the trigger's `when` holds."""
        when = self.workflow.trigger.get("when")
        return when is None or conditions.holds(when, self.look_up, self.changes)

    @cached_property
    def record(self):
        """The record as it is now, or None if it is gone or out of the owner's sight."""
        if self.resource is None or self.record_id is None:
            return None
        return self.resource.find(self.record_id, self.owner)

    @property
    def changes(self):
        """{field: (from, to)} of the change that started the run, or None."""
        changes = self.input.get("changes")
        return None if changes is None else {name: tuple(pair) for name, pair in changes.items()}

    def look_up(self, path):
        """The value at a path; Unresolved where there is none."""
        root, *rest = path
        match root:
            case "now":
                return clock.now()
            case "record":
                return self._of_record(rest)
            case "before":
                return self._before(rest)
            case "trigger":
                return follow(self.input["trigger"], rest)
            case "workflow":
                return follow({"id": self.workflow.pk, "name": self.workflow.name}, rest)
            case "owner":
                return follow({"id": self.owner.pk, "name": self.owner.name, "email": self.owner.email}, rest)
        return self._further(root, rest)

    def _further(self, root, rest):
        raise Unresolved(f"There is no {root} here.")

    def _of_record(self, rest):
        if self.record is not None:
            return self.resource.read(self.record, rest, self.owner)
        if self.input.get("values") and rest:
            return follow(self.input["values"], rest)
        raise Unresolved("The record is gone." if self.record_id else "The trigger is about no record.")

    def _before(self, rest):
        pair = (self.input.get("changes") or {}).get(rest[0]) if rest else None
        return follow(pair[0], rest[1:]) if pair else self._of_record(rest)


class Step(View):
    """The step at which a run stands.

    kind       the Action class
    given      its `with`, as the definition has it
    prepared   what its call to the outside is given, once that is known
    goes_on    whether the run goes on at once
    """

    def __init__(self, run, action, path, *, kind, actions, owner):
        super().__init__(
            workflow=run.workflow,
            owner=owner,
            given=run.input or {"trigger": {}},
            resource=resource_named(run.resource),
            record_id=run.record_id,
        )
        self.run = run
        self.action = action
        self.path = path
        self.kind = kind
        self.actions = actions
        self.attempt = run.attempt
        self.began_at = clock.now()
        self.prepared = None
        self.goes_on = True

    @property
    def key(self):
        return self.action["key"]

    @property
    def given(self):
        return self.action.get("with", {})

    @property
    def idempotency_key(self):
        """The same at each attempt and each retry: what is asked of the outside under it is asked once."""
        return f"run_{uuid5(KEYS, f'{self.run.origin_id}/{self.path}').hex}"

    def render(self, value):
        """`value` with its placeholders filled in, as JSON."""
        return values.jsonable(values.render(value, self.look_up))

    @cached_property
    def item(self):
        """(resource, record) of the round of a for-each that the step is in."""
        found = positions.innermost_round(self.run.position["stack"], self.actions)
        if found is None:
            raise Unresolved("There is no item outside a for-each.")
        key, number = found
        output = self.outputs[key]
        resource = resource_named(output["resource"])
        return resource, resource.find(output["items"][number], self.owner)

    @property
    def outputs(self):
        return (self.run.output or {}).get("steps", {})

    def _further(self, root, rest):
        if root == "steps":
            if rest[0] not in self.outputs:
                raise Unresolved(f"The step {rest[0]} has given nothing: it was not reached.")
            return follow(self.outputs[rest[0]], rest[1:])
        if root == "item":
            resource, record = self.item
            if record is None:
                raise Unresolved("The item is gone.")
            return resource.read(record, rest, self.owner)
        return super()._further(root, rest)


def redacted(value):
    """A copy of a JSON value without what looks like a secret, for whoever reads the run."""
    if isinstance(value, dict):
        return {name: REDACTED if held and SECRET.search(name) else redacted(held) for name, held in value.items()}
    if isinstance(value, list):
        return [redacted(held) for held in value]
    if isinstance(value, str) and "://" in value:
        return PARAMETER.sub(_without_secret, value)
    return value


def _without_secret(found):
    return f"{found[1]}{REDACTED}" if SECRET.search(found[1]) else found[0]
