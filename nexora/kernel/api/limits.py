"""How much a request may carry. Refused before anybody is looked up and before the body is read."""

from contextlib import suppress

from django.conf import settings
from django.http.request import UnreadablePostError

from nexora.kernel.api.exceptions import TORN, Malformed, TooLarge, UriTooLong
from nexora.kernel.pages import refusal

MAX_QUERY_LENGTH = 16 * 1024


def limits(get_response):
    def middleware(request):
        is_api = request.path.startswith("/api/")
        error = query_error(request.META) or (body_error(request) if is_api else None)
        if error:
            return refusal(request, error)
        response = get_response(request)
        if is_api:
            # Of a request that was refused before anybody read it. The server would end the connection with the rest
            # of the body still on its way, and the client's next request would meet a broken one.
            with suppress(UnreadablePostError):
                request.read()
        return response

    return middleware


def query_error(meta):
    if len(meta.get("QUERY_STRING", "")) > MAX_QUERY_LENGTH:
        return UriTooLong(f"The query is longer than {MAX_QUERY_LENGTH:,} characters. Ask for less at once.")
    return None


def body_error(request):
    limit = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
    if is_unannounced(request.META):
        try:
            length = _read_unannounced(request, limit)
        except OSError:
            return Malformed(TORN)
    else:
        text = request.META.get("CONTENT_LENGTH") or "0"
        length = int(text) if text.isascii() and text.isdigit() and len(text) < 20 else limit + 1
    if length > limit:
        return TooLarge(f"The body is larger than {limit:,} bytes. Send less at once.")
    return None


def is_unannounced(meta):
    """Whether there may be a body though there is no length, which Django takes for an empty one: chunks, or HTTP/2."""
    if "HTTP_TRANSFER_ENCODING" in meta:
        return True
    return meta.get("SERVER_PROTOCOL") == "HTTP/2" and not meta.get("CONTENT_LENGTH")


def _read_unannounced(request, limit):
    """Reads a chunked body, but never more than one byte beyond the limit; returns how much."""
    chunks, length = [], 0
    while length <= limit and (chunk := request.META["wsgi.input"].read(limit + 1 - length)):
        chunks.append(chunk)
        length += len(chunk)
    request._body = b"".join(chunks)
    request.META["CONTENT_LENGTH"] = str(length)
    return length
