"""Idempotency-Key: a POST that a client repeats, because it never saw the answer, is carried out once.

The first request and its answer are stored in the transaction of its effect, so there is never one without the other.
A repetition gets that answer again; while the first is still at work it is told so, and never waits. Where answers are
stored is an app's business: it registers a store.
"""

import hashlib
import re
from dataclasses import dataclass
from uuid import UUID

from django.db import connection
from django.http import HttpResponse
from django.utils.crypto import salted_hmac

from nexora.kernel.api.exceptions import invalid
from nexora.kernel.api.formats import JSONRenderer
from nexora.kernel.errors import NexoraError

HEADER, REPLAYED = "Idempotency-Key", "Idempotency-Replayed"
META_KEY = "HTTP_IDEMPOTENCY_KEY"
MAX_LENGTH = 255
KEY = re.compile(rf"[\x20-\x7e]{{1,{MAX_LENGTH}}}")
KEPT_HEADERS = ("Location", "ETag")
KEPT_HOURS = 24


class KeyReused(NexoraError):
    """The Idempotency-Key has been used for another body. Take a new key for a new request."""

    status = 422
    code = "idempotency_key_reused"
    title = "Idempotency key reused"


class InFlight(NexoraError):
    """The same request, with this Idempotency-Key, is still being carried out. Send it again in a second."""

    status = 409
    code = "idempotency_in_flight"
    title = "Request in flight"
    wait = 1


@dataclass(frozen=True, slots=True)
class Claim:
    """What a key is good for: one body, sent by one person to one address. Key and body as hashes.

    Hashes with a key of ours: in a body may be a password, and of a bare hash it is found by trying.
    """

    tenant_id: UUID
    user_id: UUID
    route: str
    key: str
    body: str

    @property
    def lock(self):
        """A number for PostgreSQL's advisory locks."""
        text = f"idempotency|{self.tenant_id}|{self.user_id}|{self.route}|{self.key}"
        return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), signed=True)


@dataclass(frozen=True, slots=True)
class Answer:
    """What was answered; `body` is the hash of the request's."""

    body: str
    status: int
    headers: dict
    text: str


_stores = []


def register(store):
    """`store` has find(claim), which returns an Answer younger than KEPT_HOURS or None, and keep(claim, answer)."""
    _stores[:] = [store]


def once(request, perform):
    """The answer of `perform()`, or that of the first time. Belongs inside the transaction of the write."""
    if request.method != "POST" or META_KEY not in request.META:
        return perform()
    claim = claim_of(request)
    (store,) = _stores
    with connection.cursor() as cursor:
        # Held until the transaction ends; whoever gets it next sees what that has committed.
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [claim.lock])
        if not cursor.fetchone()[0]:
            raise InFlight("This request is still being carried out. Send it again in a second for its answer.")
    known = store.find(claim)
    if known is None:
        response = perform()
        if 200 <= response.status_code < 300:
            store.keep(claim, _answer(claim, response))
        return response
    if known.body != claim.body:
        raise KeyReused(f"This {HEADER} has been used for another body in the last {KEPT_HOURS} hours. Take a new one.")
    replayed = {**known.headers, REPLAYED: "true"}
    return HttpResponse(known.text, status=known.status, content_type="application/json", headers=replayed)


def refuse(request):
    """Invalid if there is a key: what a viewset whose answers hold secrets says, because it keeps none."""
    if META_KEY in request.META:
        raise invalid({HEADER: ["This answer holds a secret and is not kept to be given again. Leave the header out."]})


def claim_of(request):
    key = request.META[META_KEY]
    if not KEY.fullmatch(key):
        raise invalid({HEADER: [f"1 to {MAX_LENGTH} printable ASCII characters, a random UUID for instance."]})
    return Claim(
        tenant_id=request.user.tenant_id,
        user_id=request.user.pk,
        route=request.resolver_match.view_name,
        # The path too: a route has one address for each record.
        key=_digest(f"{request.path}\n{key}".encode()),
        body=_digest(request.body),
    )


def _answer(claim, response):
    headers = {name: response.headers[name] for name in KEPT_HEADERS if name in response.headers}
    return Answer(claim.body, response.status_code, headers, JSONRenderer().render(response.data).decode())


def _digest(content):
    return salted_hmac("nexora.kernel.api.idempotency", content, algorithm="sha256").hexdigest()
