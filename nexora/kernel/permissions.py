"""The policy: role x resource x action -> reach. The table is the project's (settings.POLICY); its readers are here.

A resource is a model's label (`crm.customer`). Actions are view, create, update, delete. Reach is ALL, OWN (the records
that name the person in one of the model's `owner_fields`) or None.

Whoever has `scopes` is a program that acts for a person by a key: it reaches what the person's role does, cut by them.
A scope is `<resource>:read` or `<resource>:write`, which includes reading; `*` stands for every resource.
"""

from functools import cache

from django.conf import settings
from django.db.models import Q
from django.utils.module_loading import import_string
from rest_framework.permissions import BasePermission

from nexora.kernel.errors import Forbidden, InsufficientScope, PeopleOnly

ROLES = ("guest", "user", "manager", "admin", "super_admin")
ACTIONS = ("view", "create", "update", "delete")
ALL, OWN = "all", "own"
# Who goes through a door: an address of the API that is about no record of the table.
EVERYBODY, SIGNED_IN, PEOPLE = "everybody", "signed in", "people"
EVERYTHING, READ, WRITE = "*", "read", "write"


class Policy:
    """Built from {resource: (cell, …)}, one cell for each of ROLES.

    A cell is a string of actions, each `action` (reach all) or `action:own`; an empty cell allows nothing.

    doors         {view name: EVERYBODY, SIGNED_IN, or PEOPLE, which is signed in and no program}
    people_only   sections (app labels) that no program writes, whatever its scopes
    """

    def __init__(self, rows, *, doors=None, people_only=()):
        self.cells = {}
        self.doors = doors or {}
        for resource, cells in rows.items():
            if len(cells) != len(ROLES):
                raise ValueError(f"{resource} has {len(cells)} cells; the roles are {', '.join(ROLES)}.")
            for role, cell in zip(ROLES, cells, strict=True):
                self.cells[role, resource] = self._parse(resource, cell)
        self.resources = tuple(rows)
        self.people_only = tuple(people_only)
        if unknown := {*people_only} - {resource.partition(".")[0] for resource in rows}:
            raise ValueError(f"people_only names {', '.join(sorted(unknown))}, of which there is no resource.")

    @staticmethod
    def _parse(resource, cell):
        parsed = {}
        for word in cell.split():
            action, _, reach = word.partition(":")
            if action not in ACTIONS or reach not in ("", OWN):
                raise ValueError(
                    f"{resource}: '{word}' is not an action of {', '.join(ACTIONS)}, with or without :own."
                )
            parsed[action] = reach or ALL
        return parsed

    def reach(self, role, resource, action):
        """ALL, OWN or None. Unknown roles and resources reach nothing."""
        return self.cells.get((role, resource), {}).get(action)

    def is_people_only(self, resource):
        """Whether no program writes it."""
        return resource.partition(".")[0] in self.people_only


@cache
def policy():
    return import_string(settings.POLICY)


def reach(user, model, action):
    """What `user` (anything with a role, and perhaps scopes) may do with records of `model`: ALL, OWN or None."""
    resource, scopes = model._meta.label_lower, scopes_of(user)
    allowed = policy().reach(getattr(user, "role", None), resource, action)
    return allowed if allowed is None or scopes is None or admits(scopes, resource, action) else None


def rights_of(role, scopes=None):
    """{resource: {action: reach}} of everything that a role reaches, cut by these scopes."""
    found = {}
    for resource in policy().resources:
        cell = policy().cells.get((role, resource), {})
        if rights := {a: r for a, r in cell.items() if scopes is None or admits(scopes, resource, a)}:
            found[resource] = rights
    return found


def why_not(user, model, action):
    """The error that says why reach() is None."""
    options, resource = model._meta, model._meta.label_lower
    if scopes_of(user) is not None and action != "view" and policy().is_people_only(resource):
        return PeopleOnly(f"A program's key may not {action} {options.verbose_name_plural}; sign in as a person.")
    if policy().reach(user.role, resource, action) is None:
        return Forbidden(f"Your role, {user.role}, may not {action} {options.verbose_name_plural}.")
    scope = f"{resource}:{READ if action == 'view' else WRITE}"
    return InsufficientScope(f"The scopes of this key do not include {scope}. Create a key that has it.")


def owns(user, record):
    return any(getattr(record, attname) == user.pk for attname in record.owner_fields)


def narrow(queryset, user, action):
    """The records of `queryset` that `user` may touch with `action`."""
    allowed = reach(user, queryset.model, action)
    if allowed == ALL:
        return queryset
    if allowed == OWN:
        return queryset.filter(named_in(queryset.model, user))
    return queryset.none()


def named_in(model, user):
    """The records that name the person in one of the model's `owner_fields`, as a Q."""
    mine = Q(pk__in=[])
    for attname in model.owner_fields:
        mine |= Q(**{attname: user.pk})
    return mine


def may(user, record, action):
    """Whether `user` may do `action` to this record."""
    allowed = reach(user, type(record), action)
    if action != "view" and record.is_above(user):
        return False
    return allowed == ALL or (allowed == OWN and owns(user, record))


def others_along(user, record):
    """[(noun, count)] of rows that the database would delete along with `record` and that are not `user`'s to delete.

    Where a reach is OWN, what hangs on one's record may be a colleague's; what hangs on a program's, beyond its scopes.
    """
    found = []
    whole = reach(user, type(record), "delete")
    for relation in record.cascades():
        model = relation.related_model
        allowed = policy().reach(user.role, model._meta.label_lower, "delete")
        if allowed is None:
            continue  # rows that nobody deletes singly (runs of a workflow) go with what they belong to
        rows = model._base_manager.filter(**{relation.field.attname: record.pk})
        if reach(user, model, "delete") is not None:
            if not whole == allowed == OWN:
                continue
            rows = rows.exclude(named_in(model, user))
        count = rows.count()
        if count:
            found.append((model._meta.verbose_name if count == 1 else model._meta.verbose_name_plural, count))
    return found


def ensure_may_take_along(user, record):
    if others := others_along(user, record):
        rows = " and ".join(f"{count} {noun}" for noun, count in others)
        if scopes_of(user) is not None:
            raise InsufficientScope(f"With {record} would go {rows} that this key may not delete. Delete it otherwise.")
        raise Forbidden(f"With {record} would go {rows} of other people. Ask a manager to delete it.")


def rank(role):
    return ROLES.index(role)


def ensure_may_grant(user, role):
    """Nobody grants a role above their own, and no program grants any; super_admin is granted on the platform only (the
    database says so too)."""
    ensure_person(user)
    if role not in ROLES or user.role not in ROLES or rank(role) > rank(user.role):
        raise Forbidden(
            f"You are {user.role} and cannot grant the role {role}.", fields={"role": ["Above your own role."]}
        )


# -- Programs


def scopes_of(user):
    """The scopes of a program's key; None of a person."""
    return getattr(user, "scopes", None)


def ensure_person(user):
    """PeopleOnly if `user` is a program."""
    if scopes_of(user) is not None:
        raise PeopleOnly


def admits(scopes, resource, action):
    """Whether a key with these scopes gets as far as the policy."""
    if not scopes.isdisjoint((f"{resource}:{WRITE}", f"{EVERYTHING}:{WRITE}")):
        return action == "view" or not policy().is_people_only(resource)
    return action == "view" and not scopes.isdisjoint((f"{resource}:{READ}", f"{EVERYTHING}:{READ}"))


def known_scopes():
    """Every scope that a key may have, in the order of the table."""
    pairs = [(name, verb) for name in (EVERYTHING, *policy().resources) for verb in (READ, WRITE)]
    return tuple(f"{name}:{verb}" for name, verb in pairs if verb == READ or not policy().is_people_only(name))


def scope_problem(text):
    """A sentence about what is wrong with a scope; None for one of `known_scopes()`."""
    resource, _, verb = text.partition(":")
    if verb not in (READ, WRITE) or (resource != EVERYTHING and resource not in policy().resources):
        return f"'{text[:100]}' is no scope. They are <resource>:read or <resource>:write, such as crm.customer:read."
    if verb == WRITE and policy().is_people_only(resource):
        return f"'{text}' is for people only: no key writes {resource}."
    return None


# -- Readers for the API

METHOD_RIGHTS = {
    "list": "view",
    "aggregate": "view",
    "export": "view",
    "retrieve": "view",
    "create": "create",
    "update": "update",
    "partial_update": "update",
    "destroy": "delete",
    "bulk_update": "update",
    "bulk_delete": "delete",
    "metadata": "view",
}


class PolicyPermission(BasePermission):
    """Reads the table for a viewset: its model is the resource, its action the right.

    A viewset names the right of an extra action in `action_rights`.
    """

    message = "Your role does not allow this."

    def has_permission(self, request, view):
        if not request.user or not request.user.is_authenticated:
            return False
        right = self.right(view)
        # No action: the method is not offered here, which DRF answers with 405 once it gets that far.
        return right is None or reach(request.user, view.resource, right) is not None

    def has_object_permission(self, request, view, record):
        right = self.right(view)
        return right is None or may(request.user, record, right)

    @staticmethod
    def right(view):
        action = getattr(view, "action", None)
        if action is None:
            return None
        return view.action_rights.get(action) or METHOD_RIGHTS[action]


# -- Readers for the admin

DJANGO_VERBS = {"view": "view", "add": "create", "change": "update", "delete": "delete"}


def has_django_perm(role, perm):
    """The table's answer to Django's `app.verb_model`."""
    app_label, _, codename = perm.partition(".")
    verb, _, model_name = codename.partition("_")
    action = DJANGO_VERBS.get(verb)
    return bool(action) and policy().reach(role, f"{app_label}.{model_name}", action) is not None


def sees_app(role, app_label):
    return any(
        policy().reach(role, resource, "view")
        for resource in policy().resources
        if resource.startswith(f"{app_label}.")
    )


# -- The reader for people


def as_markdown(policy):
    """The table as Markdown: one row a resource, `c r u d` for the actions, `°` marking reach OWN. Below it, the people
    only."""
    letters = {"create": "c", "view": "r", "update": "u", "delete": "d"}

    def cell(role, resource):
        reaches = policy.cells[role, resource]
        return " ".join(
            letter + ("°" if reaches[action] == OWN else "") for action, letter in letters.items() if action in reaches
        )

    rows = [f"| resource | {' | '.join(ROLES)} |", f"|---|{'---|' * len(ROLES)}"]
    rows += [f"| {name} | {' | '.join(cell(role, name) or '–' for role in ROLES)} |" for name in policy.resources]
    if policy.people_only:
        sections = " and ".join(f"`{section}`" for section in policy.people_only)
        rows += ["", f"A program's key reaches no more than its scopes, and never writes what is of {sections}."]
    return "\n".join(rows)
