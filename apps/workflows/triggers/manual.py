from ..definition.registry import Trigger, register
from .records import RESOURCE


@register
class Manual(Trigger):
    type = "manual"
    title = "Somebody starts it"
    description = "On one record or a selection of them; without `resource`, on none."
    properties = {"resource": RESOURCE}
    example = {"type": "manual", "resource": "deals"}
