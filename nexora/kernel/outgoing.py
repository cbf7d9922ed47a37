"""Requests to addresses that people of an organisation chose: signed, short, and never into our own network.

    answer = send("POST", url, body=body, headers={}, message_id=str(step.id), secret=secret_for(…))

Where they may go is in destinations.py, how they go in exchanges.py, how they are signed in signatures.py.

Called by jobs only, outside any transaction: it may take all of its seconds. Several threads may call it at once.
"""

import re
import socket
import ssl
import time
from dataclasses import dataclass
from http.client import HTTPException, IncompleteRead, RemoteDisconnected

from requests import exceptions
from urllib3 import exceptions as urllib3

from nexora.kernel import clock, destinations, exchanges, signatures
from nexora.kernel.destinations import PRIVATE, Refused, check_url
from nexora.kernel.errors import NexoraError
from nexora.kernel.logs import SECRET
from nexora.kernel.mailers import one_line

__all__ = ["Answer", "Refused", "Unreachable", "check_headers", "check_url", "send"]

SECONDS = 15
LARGEST_BODY = 64 * 1024
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")

MOST_HEADERS = 20
MOST_ANSWER_HEADERS = 50
LONGEST_HEADER = 1000

# What the connection is made of, what we say ourselves, and what tells a server that somebody else is asking.
_OURS = re.compile(
    r"accept-encoding|connection|content-(encoding|length)|date|expect|forwarded|host|http2-settings|idempotency-key|"
    r"keep-alive|te|trailer|transfer-encoding|upgrade|user-agent|via|webhook-.*|x-forwarded-.*|x-real-ip"
)
_CREDENTIAL = re.compile(
    r"proxy-.*|(.*-)?key(-.*)?|"
    r".*(accesskey|apikey|auth(?!ors?\b)|bearer|cookie|credential|jwt|passw|pwd|secret|session|signature|token).*"
)
# Schemes of Authorization, the marks of known issuers, and long words that only machines write.
_SECRET_VALUE = re.compile(
    r"(?i:^(basic|bearer|digest|token) )|-----BEGIN|"
    r"\b(whsec_|whsk_|[rs]k_(live|test)_|sk-[\w-]{15}|gh[opsu]_|github_pat_|glpat-|xox[a-z]-|AKIA|AIza)\w|"
    r"\b(?i:[0-9a-f]{32,})\b|\b(?=\w*[a-z])(?=\w*[A-Z])(?=\w*[0-9])\w{32,}"
)
_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}")
_HEADER_VALUE = re.compile(r"([!-~]([ -~]*[!-~])?)?")


class Unreachable(NexoraError):
    """The other side did not answer, or not in HTTP. Send the same message again: it may have arrived."""

    status = 502
    code = "unreachable"
    title = "Other side unreachable"


@dataclass(frozen=True, slots=True)
class Answer:
    """status    a redirect is an answer like any other
    headers    {name in lower case: value}: the first 50, each cut at 1,000 characters, without cookies
    body       the first 64 kB as they came: still packed if the server packs unasked
    truncated  whether it goes on
    seconds    from the call to the last byte
    """

    status: int
    headers: dict
    body: bytes
    truncated: bool
    seconds: float


def send(method, url, *, body, headers, message_id, secret, at=None):
    """The Answer, whatever its status. Raises Refused, where nothing was sent, or Unreachable.

    body        bytes of UTF-8; JSON unless `headers` say another Content-Type
    headers     {name: value} as check_headers allows them
    message_id  the same whenever the same message is sent: webhook-id and Idempotency-Key
    secret      "whsec_…" or bytes, which sign it: nexora.kernel.signatures
    at          aware datetime of the signature; now, if left out
    """
    began = time.monotonic()
    destination = destinations.read(url)
    _check(method, headers, message_id, body)
    headers = {
        "Accept": "*/*",
        **({"Content-Type": "application/json"} if body else {}),
        **headers,
        **signatures.sign(message_id, body, secret=secret, at=at or clock.now()),
        "Idempotency-Key": message_id,
        "Accept-Encoding": "identity",
        "Connection": "close",
    }
    try:
        status, answered, content = exchanges.exchange(
            destination, method, headers, body, seconds=SECONDS, largest=LARGEST_BODY + 1
        )
    except exchanges.PrivateAddress:
        raise Refused(f"Nothing was sent: {destination.shown} {PRIVATE}.") from None
    except Exception as error:  # requests raises its own, urllib3's and Python's; their texts hold the query
        raise Unreachable(f"{destination.shown} {_why(error)}.") from None
    return Answer(
        status=status,
        headers=_kept(answered),
        body=content[:LARGEST_BODY],
        truncated=len(content) > LARGEST_BODY,
        seconds=time.monotonic() - began,
    )


def check_headers(headers):
    """{name: sentence} of the headers that a definition may not have. Everybody of an organisation may read it."""
    found, seen = {}, set()
    for number, (name, value) in enumerate(headers.items()):
        # Many a server takes webhook_id for webhook-id.
        read_as = str(name).lower().replace("_", "-")
        if problem := _header_problem(name, read_as, value):
            found[name] = problem
        elif read_as in seen:
            found[name] = "This header stands here twice."
        elif number >= MOST_HEADERS:
            found[name] = f"A request has at most {MOST_HEADERS} headers of its own."
        seen.add(read_as)
    return found


def _header_problem(name, read_as, value):
    if not isinstance(name, str) or not _HEADER_NAME.fullmatch(name):
        return "This is no header's name: use up to 100 letters, digits and hyphens."
    if _OURS.fullmatch(read_as):
        return "This header is not yours to set."
    if not isinstance(value, str) or len(value) > LONGEST_HEADER or not _HEADER_VALUE.fullmatch(value):
        return (
            f"The value must be up to {LONGEST_HEADER:,} characters of plain ASCII, in one line, without outer spaces."
        )
    if _CREDENTIAL.fullmatch(read_as) or _SECRET_VALUE.search(value) or SECRET.search(value):
        return (
            "Headers must carry no credentials: everybody of the organisation may read them. That the request is yours "
            "is shown by its signature."
        )
    return None


def _check(method, headers, message_id, body):
    if method not in METHODS:
        raise Refused(f"Nothing was sent: the method must be one of {', '.join(METHODS)}.")
    if problems := check_headers(headers):
        name, sentence = next(iter(problems.items()))
        raise Refused(f"Nothing was sent because of the header {one_line(str(name))[:100]}. {sentence}")
    if not signatures.MESSAGE_ID.fullmatch(message_id):
        raise Refused("Nothing was sent: the message's id must be 1 to 200 visible ASCII characters without a dot.")
    try:
        body.decode()
    except UnicodeDecodeError:
        raise Refused("Nothing was sent: the body is not UTF-8.") from None


def _kept(headers):
    """Headers of the answer, made fit to be stored and shown."""
    lines = [(name.lower(), value) for name, value in headers.items() if not name.lower().startswith("set-cookie")]
    return {one_line(name)[:100]: one_line(value)[:LONGEST_HEADER] for name, value in lines[:MOST_ANSWER_HEADERS]}


# The first that fits, from the outermost error to its cause.
_REASONS = [
    ((exceptions.SSLError, urllib3.SSLError, ssl.SSLError), "has no valid certificate, or does not speak TLS"),
    (socket.gaierror, "has no address: its host's name is not known"),
    (urllib3.NewConnectionError, "takes no connection"),
    ((TimeoutError, exceptions.Timeout, urllib3.TimeoutError), None),
    ((ConnectionError, RemoteDisconnected, IncompleteRead), "did not send a whole answer"),
    ((HTTPException, urllib3.HTTPError), "did not answer in HTTP as it should"),
]


def _why(error):
    for kinds, reason in _REASONS:
        cause = error
        while cause is not None:
            if isinstance(cause, kinds):
                return reason or f"did not answer within {SECONDS:g} s"
            cause = cause.__cause__ or cause.__context__
    return "could not be reached"
