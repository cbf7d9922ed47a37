"""ETags: nobody fetches twice what has not changed, and of two people who edit the same record the second finds out.

A record's ETag is a hash of its full representation, whichever path made that and in whichever order of keys.
"""

import hashlib
import json

import orjson
from django.utils.http import parse_etags
from rest_framework.response import Response
from rest_framework.utils.encoders import JSONEncoder

from nexora.kernel.api.exceptions import invalid
from nexora.kernel.api.formats import JSONDocument, JSONRenderer
from nexora.kernel.errors import NexoraError

IF_MATCH, IF_NONE_MATCH = "If-Match", "If-None-Match"
# As WSGI calls them: `request.headers` would first make a dictionary of all.
MATCH, NONE_MATCH = "HTTP_IF_MATCH", "HTTP_IF_NONE_MATCH"
DIGEST_SIZE = 16
plain_text = JSONEncoder().default


class PreconditionFailed(NexoraError):
    """The record has changed since you fetched it: its ETag is not the one in If-Match. Fetch it and decide again."""

    status = 412
    code = "precondition_failed"
    title = "Precondition failed"


def etag_of(representation):
    """The ETag, in its quotes, of what a serializer or, as bytes, the fast path made of a record."""
    if isinstance(representation, bytes):
        # Not by orjson, which reads whole numbers beyond 64 bits as floats.
        representation = json.loads(representation)
    elif not isinstance(representation, dict):
        representation = json.loads(JSONRenderer().render(representation))
    try:
        canonical = orjson.dumps(representation, plain_text, orjson.OPT_SORT_KEYS | orjson.OPT_UTC_Z)
    except orjson.JSONEncodeError:
        # Whole numbers beyond 64 bits.
        canonical = json.dumps(representation, sort_keys=True, default=plain_text).encode()
    return f'"{hashlib.blake2b(canonical, digest_size=DIGEST_SIZE).hexdigest()}"'


def is_conditional(request):
    return MATCH in request.META or NONE_MATCH in request.META


def refuse(request):
    """Invalid if a write of several records has a condition: an ETag is of one record."""
    if named := [name for name, key in ((IF_MATCH, MATCH), (IF_NONE_MATCH, NONE_MATCH)) if key in request.META]:
        raise invalid({name: ["An ETag is of one record. Leave this out, or PATCH each by itself."] for name in named})


def ensure_as_expected(request, etag):
    """PreconditionFailed unless a write's headers admit the record as it is. Call it with the row locked."""
    expected, unexpected = request.META.get(MATCH), request.META.get(NONE_MATCH)
    # A weak tag never matches here: it does not promise that nothing was overwritten.
    if expected is not None and not {"*", etag} & set(parse_etags(expected)):
        raise PreconditionFailed(
            "The record has changed since you fetched it. Fetch it again, and repeat the change if it still applies."
        )
    if unexpected is not None and _names(unexpected, etag):
        raise PreconditionFailed("If-None-Match asks that the record be different, or not there. It is there.")


def tagged(request, response):
    """A record's answer with its ETag; 304 if the client has it already."""
    etag = etag_of(response.content if isinstance(response, JSONDocument) else response.data)
    known = request.META.get(NONE_MATCH)
    if known is not None and request.method in ("GET", "HEAD") and _names(known, etag):
        response = Response(status=304)
    response["ETag"] = etag
    return response


def _names(header, etag):
    """Weakly: a proxy that compresses marks our tags as weak, and a reader may still take them."""
    return bool({"*", etag, f"W/{etag}"} & set(parse_etags(header)))
