"""Every error as problem+json (RFC 9457): ours, the framework's and the database's, in one shape."""

import logging
import sys

from django.conf import settings
from django.core import exceptions as django_exceptions
from django.db import DataError, IntegrityError, InterfaceError, OperationalError
from django.http import Http404
from django.http.request import UnreadablePostError
from django.views import defaults
from rest_framework import exceptions as drf
from rest_framework.response import Response

from nexora.kernel.api.constraints import refused_by_database
from nexora.kernel.db.embedded import EmbeddedError
from nexora.kernel.errors import Forbidden, Invalid, NexoraError, NotSignedIn, Unavailable
from nexora.kernel.pages import problem_document, refusal, wants_json

log = logging.getLogger("nexora.api")

NON_FIELD = "non_field_errors"
DATABASE_AWAY = (OperationalError, InterfaceError, EmbeddedError)
# simplejwt's own says that it is "not valid for any token type".
EXPIRED = (
    "The access token is malformed or has expired. /api/v1/auth/token/refresh/ takes the refresh token for a new one."
)
TORN = "The body ended early. Send the request again."


class Malformed(NexoraError):
    """The body could not be read as JSON."""

    status = 400
    code = "malformed"
    title = "Malformed request"


class NotFound(NexoraError):
    """No such address, or no such record that you may see. Both answer alike, on purpose."""

    status = 404
    code = "not_found"
    title = "Not found"


class WrongHost(NexoraError):
    """The address exists on another host: a tenant's, or the platform's."""

    status = 404
    code = "wrong_host"
    title = "Served on another host"


class MethodNotAllowed(NexoraError):
    """The address does not take this method. The Allow header lists those that it takes."""

    status = 405
    code = "method_not_allowed"
    title = "Method not allowed"


class NotAcceptable(NexoraError):
    """The Accept header admits nothing that is offered here."""

    status = 406
    code = "not_acceptable"
    title = "Not acceptable"


class TooLarge(NexoraError):
    """The body is larger than the server takes."""

    status = 413
    code = "too_large"
    title = "Body too large"


class UriTooLong(NexoraError):
    """The address is longer than the server takes."""

    status = 414
    code = "uri_too_long"
    title = "Address too long"


class UnsupportedMediaType(NexoraError):
    """Bodies are JSON: send `Content-Type: application/json`."""

    status = 415
    code = "unsupported_media_type"
    title = "Unsupported media type"


class TooManyRequests(NexoraError):
    """Wait for as many seconds as the Retry-After header says."""

    status = 429
    code = "too_many_requests"
    title = "Too many requests"


class InternalError(NexoraError):
    """A fault of ours, which is in our log."""

    status = 500
    code = "internal_error"
    title = "Internal error"


def problem_handler(exc, context):
    """DRF's EXCEPTION_HANDLER. None for what is nobody's input: Django logs that, and handler500 answers it."""
    request = context["request"]
    error = as_error(exc, request.method)
    if error is None or error.status == 500:
        return None
    response = Response(
        problem_document(error, request.path), status=error.status, content_type="application/problem+json"
    )
    if error.status == 401:
        challenge = getattr(exc, "auth_header", None) or context["view"].get_authenticate_header(request)
        response["WWW-Authenticate"] = challenge or "Bearer"
    if wait := getattr(exc, "wait", None) or error.wait:
        response["Retry-After"] = str(max(1, round(wait)))
    return response


def as_error(exc, method="GET"):
    """The NexoraError that says what `exc` means to the sender of a request; None if it means nothing to them."""
    match exc:
        case NexoraError():
            return exc
        case drf.ValidationError():
            return invalid(exc.detail)
        case django_exceptions.ValidationError():
            return invalid(exc.message_dict if hasattr(exc, "error_dict") else exc.messages)
        case Http404() | drf.NotFound():
            return NotFound("There is nothing at this address, or nothing that you may see.")
        case django_exceptions.PermissionDenied():
            return Forbidden(str(exc) or "You may not do this.")
        case django_exceptions.RequestDataTooBig():
            return TooLarge("The body is too large. Send less at once.")
        case django_exceptions.TooManyFieldsSent():
            most = settings.DATA_UPLOAD_MAX_NUMBER_FIELDS
            return Invalid(f"There are more than {most:,} parameters. Send fewer.")
        case UnreadablePostError():
            return Malformed(TORN)
        case drf.APIException():
            return _framework_error(exc)
        case IntegrityError():
            return refused_by_database(exc, deleting=method == "DELETE")
        case DataError():
            log.info("DataError reached the API: %s", exc)
            return Invalid("One of the values is too large, too long or of the wrong kind to be stored. Correct it.")
        case UnicodeEncodeError():
            return Invalid("The text holds half a character (a lone surrogate), which cannot be stored. Remove it.")
        case _ if isinstance(exc, DATABASE_AWAY):
            log.warning("the database is unavailable: %s", exc)
            return Unavailable("The database did not answer in time. Send the request again in a few seconds.")
    return None


def _framework_error(exc):
    match exc:
        case drf.ParseError():
            return Malformed(_sentence(f"The body is not valid JSON: {exc.detail}"))
        case drf.NotAuthenticated():
            return NotSignedIn("Send an access token: `Authorization: Bearer …`. /api/v1/auth/token/ issues them.")
        case drf.AuthenticationFailed():
            detail = exc.detail
            if isinstance(detail, dict):  # simplejwt: {"detail", "code", "messages"}
                code = str(detail.get("code", "token_not_valid"))
                return NotSignedIn(EXPIRED if detail.get("messages") else _sentence(detail["detail"]), code=code)
            return NotSignedIn(_sentence(detail), code="token_not_valid")
        case drf.PermissionDenied():
            return Forbidden(str(exc.detail))
        case drf.MethodNotAllowed():
            return MethodNotAllowed(f"{exc.detail!s} The Allow header lists the methods of this address.")
        case drf.NotAcceptable():
            return NotAcceptable("Answers are JSON. Send `Accept: application/json`, or no Accept header.")
        case drf.UnsupportedMediaType():
            return UnsupportedMediaType("Bodies are JSON. Send `Content-Type: application/json`.")
        case drf.Throttled():
            return TooManyRequests("Too many requests. Wait as long as the Retry-After header says.")
    error = NexoraError(_sentence(exc.detail), code=exc.default_code)
    error.status = exc.status_code
    error.title = str(exc.default_detail)
    return error


def _sentence(text):
    return f"{str(text).rstrip('.')}."


def invalid(detail):
    """Invalid, from DRF's nested errors or Django's message lists: {field: [sentences]}, inner ones as `tags.2`."""
    fields = flatten(detail)
    names = [name for name in fields if name != NON_FIELD]
    if names:
        sentence = f"Correct {_listing(names)} and send the request again."
    else:
        sentence = " ".join(fields.get(NON_FIELD, ["The input is not valid."]))
    return Invalid(sentence, fields=fields)


def flatten(detail, prefix=""):
    found = {}
    if isinstance(detail, dict):
        for name, inner in detail.items():
            name = NON_FIELD if name == "__all__" else str(name)
            inside = prefix if name == NON_FIELD and prefix else f"{prefix}.{name}" if prefix else name
            found |= flatten(inner, inside)
    elif isinstance(detail, (list, tuple)):
        sentences = [str(item) for item in detail if not isinstance(item, (dict, list, tuple))]
        if sentences:
            found[prefix or NON_FIELD] = sentences
        for index, item in enumerate(detail):
            if item and isinstance(item, (dict, list, tuple)):
                found |= flatten(item, f"{prefix}.{index}" if prefix else str(index))
    else:
        found[prefix or NON_FIELD] = [str(detail)]
    return found


def _listing(names, shown=5):
    if len(names) > shown:
        return f"{', '.join(names[:shown])} and {len(names) - shown} more"
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))


# -- Outside a view: what nexora.urls names as handlers


def page_not_found(request, exception):
    if wants_json(request):
        return refusal(request, NotFound("There is nothing at this address, or nothing that you may see."))
    return defaults.page_not_found(request, exception)


def server_error(request):
    # Django calls this while it handles the exception, wherever that came from.
    error = as_error(sys.exception())
    if isinstance(error, Unavailable):
        return refusal(request, error)
    if wants_json(request):
        return refusal(request, InternalError("This is a fault of ours, and it is in our log. Try again later."))
    return defaults.server_error(request)


def bad_request(request, exception):
    if wants_json(request):
        return refusal(request, as_error(exception) or Malformed("The request could not be read."))
    return defaults.bad_request(request, exception)


def permission_denied(request, exception):
    if wants_json(request):
        return refusal(request, Forbidden(str(exception) or "You may not do this."))
    return defaults.permission_denied(request, exception)


# -- The pages at /problems/<code>


def catalogue():
    """{code: (status, title, sentence)} of every NexoraError that exists, sorted by status.

    A class lists further codes that it is raised with in `codes = {code: sentence}`.
    """
    found = {}
    waiting = list(NexoraError.__subclasses__())
    while waiting:
        kind = waiting.pop()
        waiting += kind.__subclasses__()
        if kind.status == 500 and kind is not InternalError:
            continue  # programming errors are answered as internal_error
        found[kind.code] = (kind.status, kind.title, " ".join((kind.__doc__ or "").split()))
        for code, sentence in getattr(kind, "codes", {}).items():
            found[code] = (kind.status, kind.title, sentence)
    return dict(sorted(found.items(), key=lambda item: (item[1][0], item[0])))
