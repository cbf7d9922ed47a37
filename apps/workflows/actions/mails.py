import smtplib

from django.core.exceptions import ValidationError
from django.core.validators import validate_email

from nexora.kernel import mail

from ..definition.registry import Action, StepFailed, register

MOST_ADDRESSES = 10


@register
class SendEmail(Action):
    type = "email.send"
    title = "Send an email"
    description = "In the organisation's name. Each address gets a mail of its own; an empty line begins a paragraph."
    is_outside = True
    # Several addresses, one after another, and a server that takes its time.
    seconds = 300
    retry = {"max": 3, "delay": 10, "backoff": 4}
    properties = {
        "to": {
            "anyOf": [
                {"type": "string", "minLength": 1, "maxLength": 2_000},
                {
                    "type": "array",
                    "items": {"type": "string", "maxLength": 2_000},
                    "minItems": 1,
                    "maxItems": MOST_ADDRESSES,
                },
            ]
        },
        "subject": {"type": "string", "minLength": 1, "maxLength": 500},
        "body": {"type": "string", "minLength": 1, "maxLength": 20_000},
    }
    required = ("to", "subject", "body")
    example = {
        "key": "welcome_mail",
        "type": "email.send",
        "with": {
            "to": "{{ record.email }}",
            "subject": "Thank you for your interest",
            "body": "Dear {{ record.name }},\n\nthank you for getting in touch.",
        },
    }

    @classmethod
    def problems(cls, given, check):
        to = given["to"]
        for number, address in enumerate(to if isinstance(to, list) else [to]):
            if "{{" not in address and not _is_address(address):
                yield f"to/{number}" if isinstance(to, list) else "to", "is no email address."

    @classmethod
    def prepare(cls, step):
        given = super().prepare(step)
        to = given["to"] if isinstance(given["to"], list) else [given["to"]]
        given["to"] = [address.strip() for address in to if isinstance(address, str) and address.strip()]
        if not given["to"]:
            raise StepFailed("There is no address to write to. Add one to the record and retry from this step.")
        for address in given["to"]:
            if not _is_address(address):
                raise StepFailed(f"'{address[:100]}' is no email address.")
        return given

    @classmethod
    def perform(cls, step, given):
        for number, address in enumerate(given["to"]):
            try:
                mail.send(
                    to=address,
                    template="workflow",
                    context={"subject": str(given["subject"])[:200]},
                    text=str(given["body"]),
                    key=f"{step.idempotency_key}.{number}",
                )
            except (smtplib.SMTPException, OSError) as error:
                raise StepFailed(f"The mail to {address} could not be sent: {_said(error)}.") from error
        return {"to": given["to"], "accepted": True}


def _is_address(text):
    try:
        validate_email(text.strip())
    except ValidationError:
        return False
    return True


def _said(error):
    """What the server said, in one line."""
    said = getattr(error, "smtp_error", None) or str(error) or type(error).__name__
    return " ".join((said.decode(errors="replace") if isinstance(said, bytes) else str(said)).split())[:300]
