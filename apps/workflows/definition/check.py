"""Whether a definition can work: its shape by the schema, then what a schema cannot say."""

from functools import cache

from django.core.exceptions import ValidationError

from nexora.kernel import permissions
from nexora.kernel.json import validate_json

from . import conditions, schema, values
from .registry import Trigger
from .registry import actions as known_actions
from .registry import triggers as known_triggers
from .resources import resource_named

MOST_ACTIONS = 100
MOST_LEVELS = 4
MOST_CHARACTERS = 262_144
MOST_SENTENCES = 20


def check_definition(*, trigger, actions, owner=None):
    """ValidationError, {"trigger": […], "actions": […]} of sentences that begin with the place, unless the definition
    can work. `owner` is whose rights the actions will have; None: nobody is known yet, and rights are not looked at."""
    errors = {}
    for field, value in (("trigger", trigger), ("actions", actions)):
        try:
            validate_json(value)
            if _size(value) > MOST_CHARACTERS:
                errors[field] = [f"{field}: is too large. A definition has at most {MOST_CHARACTERS:,} characters."]
        except ValidationError as error:
            errors[field] = [f"{field}: {sentence}" for sentence in error.messages]
    if not errors:
        check = Check(trigger, owner)
        check.whole(actions)
        for pointer, sentence in check.found[:MOST_SENTENCES]:
            errors.setdefault(pointer.partition("/")[0], []).append(f"{pointer}: {sentence}")
    if errors:
        raise ValidationError(errors)


def _size(value):
    """Characters of all texts, and as much for each other value as it takes in memory beside them."""
    total, waiting = 0, [value]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            waiting += value.values()
            total += 32 + sum(len(key) + 1 for key in value)
        elif isinstance(value, list):
            waiting += value
            total += 16
        else:
            total += len(value) + 1 if isinstance(value, str) else 1
    return total


# Of what is registered once; the validators are made of it.
@cache
def _schema_of(kind):
    return schema.trigger_schema(kind) if issubclass(kind, Trigger) else schema.action_schema(kind)


class Check:
    """One look at a definition. `found` is [(pointer, sentence)]."""

    def __init__(self, trigger, owner):
        self.trigger = trigger
        self.owner = owner
        self.found = []
        self.steps = {}
        self.count = 0
        self.item = None
        self.kind = None

    def report(self, pointer, sentence):
        self.found.append((pointer, sentence))

    def whole(self, actions):
        if not isinstance(self.trigger, dict):
            self.report("trigger", 'is an object with a type: {"type": "record.created", …}.')
        elif (kind := self._kind(known_triggers, self.trigger, "trigger")) is not None:
            self.kind = kind
            if self._fits(kind, self.trigger, "trigger"):
                self._trigger(kind)
        if not isinstance(actions, list) or not actions:
            self.report("actions", 'is a list with at least one action: [{"key": …, "type": …, "with": {…}}].')
        else:
            self._block(actions, "actions", 1)

    def _kind(self, known, given, pointer):
        """The class that `type` names, or None."""
        name = given.get("type")
        kind = known.get(name) if isinstance(name, str) else None
        if kind is None:
            what = "is missing" if name is None else "is unknown"
            self.report(f"{pointer}/type", f"{what}. Known are {', '.join(sorted(known))}.")
        return kind

    def _fits(self, kind, given, pointer):
        found = schema.problems(_schema_of(kind), given)
        self.found += [(f"{pointer}/{inner}" if inner else pointer, sentence) for inner, sentence in found]
        return not found

    # -- The trigger

    @property
    def record(self):
        """The resource of the record that a run is about, or None."""
        if self.kind is None or not self.kind.has_record or not isinstance(self.trigger, dict):
            return None
        return resource_named(self.trigger.get("resource"))

    def _trigger(self, kind):
        if "resource" in kind.properties and "resource" in self.trigger:
            self._add("trigger", [("resource", said) for said in self.unreached(self.trigger["resource"], "view")])
        self._add("trigger", kind.problems(self.trigger, self))
        if "when" in self.trigger:
            self._add("trigger/when", conditions.problems(self.trigger["when"], self.resolves))

    def _add(self, pointer, found):
        self.found += [(f"{pointer}/{inner}" if inner else pointer, sentence) for inner, sentence in found]

    def unreached(self, name, action):
        """[sentence], if there is no resource of this name or the owner may not do `action` to any of it; else []."""
        resource = resource_named(name)
        if resource is None:
            return ["is unknown."]
        if self.owner is not None and permissions.reach(self.owner, resource.model, action) is None:
            return [f"is out of reach: the role {self.owner.role} may not {action} {name}."]
        return []

    # -- Actions

    def _block(self, actions, pointer, level):
        if level > MOST_LEVELS:
            self.report(pointer, f"is nested too deeply: at most {MOST_LEVELS} levels of actions.")
            return
        for number, given in enumerate(actions):
            if self.count >= MOST_ACTIONS:
                self.report(pointer, f"is too long: a workflow has at most {MOST_ACTIONS} actions.")
                return
            if len(self.found) >= MOST_SENTENCES:
                return
            self.count += 1
            self._action(given, f"{pointer}/{number}", level)

    def _action(self, given, pointer, level):
        if not isinstance(given, dict):
            self.report(pointer, 'is an object: {"key": …, "type": …, "with": {…}}.')
            return
        kind = self._kind(known_actions, given, pointer)
        key = given.get("key")
        if isinstance(key, str) and key in self.steps:
            self.report(f"{pointer}/key", f"{key} is taken by an earlier step. Each key once.")
        if kind is None or not self._fits(kind, given, pointer):
            return
        inner = given.get("with", {})
        if "when" in given:
            self._add(f"{pointer}/when", conditions.problems(given["when"], self.resolves))
        if kind.right:
            found = self.unreached(inner.get("resource"), kind.right)
            self._add(f"{pointer}/with", [("resource", said) for said in found])
        self._add(f"{pointer}/with", kind.problems(inner, self))
        plain = {name: value for name, value in inner.items() if name not in (*kind.blocks, "where", "if")}
        self._add(f"{pointer}/with", values.problems(plain, self.resolves))
        self._inner_blocks(kind, key, inner, pointer, level)
        self.steps[key] = kind.type
        on_error = given.get("on_error")
        if isinstance(on_error, dict):
            self._block(on_error["branch"], f"{pointer}/on_error/branch", level + 1)

    def _inner_blocks(self, kind, key, inner, pointer, level):
        outer = self.item
        if item := kind.item(inner):
            if outer is not None:
                self.report(pointer, "is a for-each inside a for-each: those rounds would be too many.")
            # Its own round refers to the step, for the number of the round.
            self.item = resource_named(item)
            self.steps[key] = kind.type
        for name in kind.blocks:
            if name in inner:
                self._block(inner[name], f"{pointer}/with/{name}", level + 1)
        self.item = outer

    # -- Paths

    def resolves(self, path):
        """A sentence about why a path leads nowhere; None where it may lead somewhere."""
        root, *rest = path
        match root:
            case "now":
                return "now is a moment; nothing can follow it." if rest else None
            case "record" | "before":
                return self._into(self.record, "The trigger is about no record.", rest)
            case "item":
                return self._into(self.item, "item stands in a for-each or its where only.", rest)
            case "steps":
                if not rest or rest[0] not in self.steps:
                    return f"There is no earlier step {rest[0]}." if rest else "Name a step: steps.<key>."
                return None
            case "trigger":
                gives = ("type", "at", *(self.kind.gives if self.kind else ()))
                return None if rest and rest[0] in gives else f"trigger has {', '.join(gives)}."
            case "workflow":
                return None if rest in (["id"], ["name"]) else "workflow has id and name."
            case "owner":
                return None if rest in (["id"], ["name"], ["email"]) else "owner has id, name and email."
        return f"{root} is unknown."

    @staticmethod
    def _into(resource, otherwise, rest):
        return otherwise if resource is None else resource.path_problem(rest)

    def resolves_with_item(self, resource):
        """`resolves` for a `where`, in which item is a record of `resource`."""

        def resolves(path):
            return resource.path_problem(path[1:], hops=0) if path[0] == "item" else self.resolves(path)

        return resolves
