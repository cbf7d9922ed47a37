from functools import reduce
from operator import or_
from uuid import UUID

from apps.accounts.models import User
from apps.accounts.services.notifications import notify
from nexora.kernel.statements import Statement, Statements, among

from ..definition.registry import Action, StepFailed, register

ROLES = [role for role in User.Role.values if role != User.Role.SUPER_ADMIN]
MOST_TOLD = 500

_statements = Statements()


@register
class Notify(Action):
    type = "notify"
    title = "Notify people"
    description = "In the product: those named by id or address, and everybody who has one of the roles."
    properties = {
        "users": {"type": "array", "items": {"type": ["string", "null"], "maxLength": 2_000}, "maxItems": 50},
        "roles": {"type": "array", "items": {"enum": ROLES}, "maxItems": 4},
        "text": {"type": "string", "minLength": 1, "maxLength": 2_000},
        "level": {"enum": ["info", "success", "warning", "danger"]},
    }
    required = ("text",)
    example = {"key": "tell_team", "type": "notify", "with": {"roles": ["manager"], "text": "Won: {{ record.title }}"}}

    @classmethod
    def problems(cls, given, check):
        if not given.get("users") and not given.get("roles"):
            yield "", "needs users or roles: whom to tell."

    @classmethod
    def perform(cls, step, given):
        ids, addresses = [], []
        for name in given.get("users", []):
            if not name:
                continue
            try:
                ids.append(UUID(name))
            except ValueError:
                addresses.append(name.strip().lower())
        people = _people(ids=ids, addresses=addresses, roles=given.get("roles", []))
        if not people:
            raise StepFailed("There is nobody to tell: no active person has these ids, addresses or roles.")
        told = notify(users=people, text=given["text"][:2_000], record=step.record, level=given.get("level", "info"))
        return {"notified": len(told)}


def _people(**wanted):
    """Ids of the active people that have one of these ids, addresses or roles."""

    def make():
        columns = {"ids": "id", "addresses": "email", "roles": "role"}
        has_one = reduce(or_, (among(name, User._meta.get_field(column)) for name, column in columns.items()))
        people = User.objects.active().filter(has_one).order_by("pk").values_list("pk")[:MOST_TOLD]
        return Statement(people, keeps_plan=True)

    return [key for (key,) in _statements.get("people", make).execute(wanted).fetchall()]
