import json

from nexora.kernel import destinations, outgoing, signatures
from nexora.kernel.json import validate_json

from ..definition.registry import Action, StepFailed, register
from ..engine.steps import redacted

REQUESTS = "workflow requests"
# Of an answer, so much goes on to later steps.
MOST_BODY = 16_384
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")


@register
class SendRequest(Action):
    type = "http.request"
    title = "Send an HTTP request"
    description = (
        "Signed by Standard Webhooks, to public addresses over https only. An answer of 2xx is success; redirects are "
        "not followed. Repeated attempts carry the same webhook-id."
    )
    is_outside = True
    retry = {"max": 3, "delay": 10, "backoff": 4}
    properties = {
        "method": {"enum": list(METHODS)},
        "url": {"type": "string", "minLength": 1, "maxLength": 2_000},
        "headers": {
            "type": "object",
            "additionalProperties": {"type": "string", "maxLength": 2_000},
            "maxProperties": 20,
        },
        "json": {},
        "body": {"type": "string", "maxLength": 20_000},
    }
    required = ("method", "url")
    example = {
        "key": "erp",
        "type": "http.request",
        "with": {
            "method": "POST",
            "url": "https://erp.example.com/hooks/deals",
            "json": {"deal": "{{ record.id }}", "value": "{{ record.value }}"},
        },
        "retry": {"max": 3, "delay": 20, "backoff": 2},
    }

    @classmethod
    def problems(cls, given, check):
        if "json" in given and "body" in given:
            yield "body", "cannot stand beside json. Say one of them."
        # A host that comes out of a record could be anybody's, and its owner's word would be all there is for it.
        host = given["url"].partition("://")[2].partition("/")[0]
        if "{{" in given["url"] and ("{{" in host or not host):
            yield "url", "may have values in its path and query only: the host is fixed."
        elif said := outgoing.check_url(given["url"].partition("{{")[0]):
            yield "url", said.removeprefix("The address ")
        for name, said in outgoing.check_headers(given.get("headers", {})).items():
            yield f"headers/{name}", said

    @classmethod
    def prepare(cls, step):
        given = super().prepare(step)
        for said in (outgoing.check_url(given["url"]), *outgoing.check_headers(given.get("headers", {})).values()):
            if said:
                raise StepFailed(f"The request cannot be sent. {said}")
        return given

    @classmethod
    def perform(cls, step, given):
        headers, body = dict(given.get("headers", {})), b""
        if "json" in given:
            body = json.dumps(given["json"]).encode()
            headers.setdefault("Content-Type", "application/json")
        elif "body" in given:
            body = str(given["body"]).encode()
        try:
            answer = outgoing.send(
                given["method"],
                given["url"],
                body=body,
                headers=headers,
                message_id=step.idempotency_key,
                secret=signatures.secret_for(REQUESTS, step.workflow.pk, step.workflow.secret_serial),
            )
        except (outgoing.Refused, outgoing.Unreachable) as error:
            raise StepFailed(error.detail) from error
        if not 200 <= answer.status < 300:
            target = destinations.read(given["url"]).shown
            raise StepFailed(f"{given['method']} {target} answered {answer.status}.")
        return {"status": answer.status, "body": redacted(_read(answer)), "seconds": round(answer.seconds, 3)}


def _read(answer):
    """JSON if the answer is that, and can be stored; else text, cut."""
    try:
        found = json.loads(answer.body) if len(answer.body) <= MOST_BODY and not answer.truncated else None
        validate_json(found)
    except Exception:
        found = None
    if found is not None:
        return found
    return answer.body[:MOST_BODY].decode(errors="replace").replace("\x00", "�")
