from ..definition.registry import Trigger, register


@register
class WebhookReceived(Trigger):
    type = "webhook"
    title = "A webhook arrives"
    description = (
        "At /api/v1/hooks/<workflow id>/, signed by Standard Webhooks with the workflow's own secret; one run for each "
        "webhook-id. `trigger.body` is the JSON that was sent, `trigger.id` its webhook-id."
    )
    has_record = False
    gives = ("id", "body")
    example = {"type": "webhook"}
