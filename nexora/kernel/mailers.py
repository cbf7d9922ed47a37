"""How mail leaves: through SMTP_URL, or, without one, into files of a directory.

SMTP_URL=smtp://user:password@mail.example.com:587     with STARTTLS; `?starttls=0` for a server that has none
SMTP_URL=smtps://user:password@mail.example.com:465    TLS from the first byte
"""

import os
import secrets
from email import policy
from email.parser import BytesHeaderParser
from email.utils import parseaddr
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.mail.backends.base import BaseEmailBackend
from django.core.validators import validate_email
from django.utils.text import slugify

from nexora.kernel import clock

SMTP = "django.core.mail.backends.smtp.EmailBackend"
KEPT = "nexora.kernel.mailers.KeptMail"
# Less than a worker has to finish its jobs in when it is told to stop.
SMTP_SECONDS = 10
# In a file, a link stays in one piece: people copy it from there. 998 bytes is the longest line that a mail may have.
IN_FILE = policy.SMTP.clone(max_line_length=998, cte_type="8bit")
# {(scheme, starttls): port}
PORTS = {("smtp", True): 587, ("smtp", False): 25, ("smtps", False): 465}


def one_line(text):
    """Text of other people as one line that shows all it holds: no line break, tab, control or direction mark."""
    return " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())


# -- Settings


def mailers(environ, data_dir):
    """MAILERS for this environment. A wrong SMTP_URL is refused without repeating it: it holds a password."""
    url = environ.get("SMTP_URL")
    if not url:
        return {"default": {"BACKEND": KEPT, "OPTIONS": {"directory": str(data_dir / "mail")}}}
    return {"default": {"BACKEND": SMTP, "OPTIONS": _smtp_options(url)}}


def _smtp_options(url):
    def refuse(fault):
        raise ValueError(
            f"SMTP_URL {fault}. It must be smtp://user:password@host:587 (with STARTTLS; add ?starttls=0 for none) or "
            "smtps://user:password@host:465, with what is special in user and password percent-encoded."
        ) from None

    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
        query = dict(parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query)))
    except ValueError:
        refuse("is no URL")
    if parts.scheme not in ("smtp", "smtps"):
        refuse("begins with neither smtp:// nor smtps://")
    if not host or not host.isprintable() or " " in host:
        refuse("names no host")
    if parts.path.strip("/") or parts.fragment:
        refuse("goes on after the port")
    starttls = query.pop("starttls", "1" if parts.scheme == "smtp" else "0")
    if query or starttls not in ("0", "1") or (parts.scheme == "smtps" and starttls == "1"):
        refuse("has a parameter that is not starttls=0 or starttls=1 of smtp://")
    if bool(parts.username) != bool(parts.password):
        refuse("has a user without a password, or a password without a user")
    return {
        "host": host,
        "port": port or PORTS[parts.scheme, starttls == "1"],
        "username": unquote(parts.username or ""),
        "password": unquote(parts.password or ""),
        "use_tls": starttls == "1",
        "use_ssl": parts.scheme == "smtps",
        "timeout": SMTP_SECONDS,
    }


def sender_address(environ, base_domain):
    """NEXORA_MAIL_FROM: the bare address that every mail is from; its name is the brand's."""
    address = environ.get("NEXORA_MAIL_FROM")
    if not address:
        return f"no-reply@{base_domain}"
    try:
        validate_email(address)
    except ValidationError:
        raise ValueError(
            f"NEXORA_MAIL_FROM must be an address such as no-reply@example.com, not {address!r}."
        ) from None
    return address


def public_port(environ):
    """NEXORA_PUBLIC_PORT as a number, or None for the usual one."""
    port = environ.get("NEXORA_PUBLIC_PORT", "")
    if not port:
        return None
    if not (port.isascii() and port.isdigit() and 0 < int(port) < 65536):
        raise ValueError(f"NEXORA_PUBLIC_PORT must be a port from 1 to 65535, not {port!r}.")
    return int(port)


# -- Mail in files


class KeptMail(BaseEmailBackend):
    """Keeps each mail as `<UTC time>-<template>-<random>.eml`, readable by its owner alone: links in it sign people in.

    directory   where; made when the first mail comes
    """

    def __init__(self, *, directory, **kwargs):
        super().__init__(**kwargs)
        self.directory = Path(directory)

    def send_messages(self, messages):
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        for message in messages:
            kind = slugify(getattr(message, "template", None) or message.subject)[:60] or "mail"
            name = f"{clock.now():%Y%m%dT%H%M%S.%fZ}-{kind}-{secrets.token_hex(4)}"
            # Under another name first: who watches the directory never reads half a mail.
            draft = self.directory / f"{name}.part"
            with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                file.write(message.message(policy=IN_FILE).as_bytes())
            draft.rename(self.directory / f"{name}.eml")
        return len(messages)


def kept_in():
    """The directory of this process's KeptMail; None where mail leaves."""
    directory = settings.MAILERS["default"].get("OPTIONS", {}).get("directory")
    return Path(directory) if directory else None


class Outbox:
    """A directory of KeptMail, seen from outside: what has come since this was made."""

    def __init__(self, directory):
        self.directory = directory
        self._known = self._names()

    def new(self):
        """[(path, to, subject)] of the mails since the last call, oldest first; texts are one line each."""
        names = self._names() - self._known
        self._known |= names
        return [(path, *self._headers(path)) for path in (self.directory / name for name in sorted(names))]

    def _names(self):
        try:
            return {name for name in os.listdir(self.directory) if name.endswith(".eml")} if self.directory else set()
        except FileNotFoundError:  # no mail yet
            return set()

    @staticmethod
    def _headers(path):
        with open(path, "rb") as file:
            headers = BytesHeaderParser(policy=policy.default).parse(file)
        return one_line(parseaddr(str(headers["to"]))[1]), one_line(str(headers["subject"]))
