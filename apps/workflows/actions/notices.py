from uuid import UUID

from apps.accounts.models import User
from apps.accounts.services.notifications import notify

from ..definition.registry import Action, StepFailed, register

ROLES = [role for role in User.Role.values if role != User.Role.SUPER_ADMIN]


@register
class Notify(Action):
    type = "notify"
    locks = False
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
        told = notify(
            users=ids,
            addresses=addresses,
            roles=given.get("roles", []),
            text=given["text"][:2_000],
            record=step.record,
            level=given.get("level", "info"),
        )
        if not told:
            raise StepFailed("There is nobody to tell: no active person has these ids, addresses or roles.")
        return {"notified": len(told)}
