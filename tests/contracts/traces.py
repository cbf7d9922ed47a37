"""Finding a secret wherever it was left, in whatever writing; and all that a run leaves behind."""

import base64
import hashlib
import html
import json
import logging
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import quote, quote_plus

from django.contrib.sessions.models import Session
from psycopg import sql

from nexora.kernel.db.login import OWNER
from tests.database import another_session

# Base64 writes three bytes as four letters, so a text inside another begins at one of three places.
OFFSETS = range(3)


@dataclass
class Secrets:
    """Texts that were shown or sent, and what each is."""

    known: dict = field(default_factory=dict)

    def add(self, what, text, *, guessable=False):
        """`guessable`: what people make up. A bare hash of such a text is found by trying, so it counts as the text."""
        assert len(text) >= 12, f"{what}: what is this short is found everywhere"
        self.known.setdefault(text, (what, guessable))
        return text

    def traces(self, places):
        """[(what, form, place)] of every secret that stands in one of `places`, {name: text}."""
        found = []
        for text, (what, guessable) in self.known.items():
            for form, written in writings(text, guessable).items():
                found += [(what, form, name) for name, place in places.items() if written in place]
        return found


def writings(text, guessable=False):
    """{form: the text in it}"""
    raw = text.encode()
    found = {"plain": text, "end": text[-24:], "hex": raw.hex()}
    for offset in OFFSETS:
        # What lies beside it in the same four letters is not known, and left out.
        for name, encode in (("base64", base64.b64encode), ("urlsafe base64", base64.urlsafe_b64encode)):
            whole = encode(b"\0" * offset + raw).decode().rstrip("=")
            start, end = (0, 2, 3)[offset], len(whole) - (1 if (offset + len(raw)) % 3 else 0)
            found[f"{name}, {offset}"] = whole[start:end]
    for name, written in {
        "JSON": json.dumps(text)[1:-1],
        "JSON in JSON": json.dumps(json.dumps(text)[1:-1])[1:-1],
        "JSON in Unicode": json.dumps(text, ensure_ascii=False)[1:-1],
        "Python": repr(text)[1:-1],
        "percent": quote(text, safe=""),
        "path": quote(text),
        "form": quote_plus(text),
        "HTML": html.escape(text),
        "without hyphens": text.replace("-", ""),
    }.items():
        if written not in found.values():
            found[name] = written
    if guessable:
        for prefix in ("", "account|", "password|", "email|"):
            digested = prefix.encode() + raw
            found |= {
                f"{kind} of '{prefix}'": hashlib.new(kind, digested).hexdigest() for kind in ("sha256", "sha1", "md5")
            }
    return found


# -- The database


def database():
    """{table: every row as text} of what is committed, read as the owner; the texts inside JSON as they are, too."""
    with another_session(login=OWNER) as connection, connection.cursor() as cursor:
        cursor.execute("""
            SELECT relname FROM pg_class
            WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'm') AND NOT relispartition
        """)
        tables = [name for (name,) in cursor.fetchall()]
        found = {}
        for table in tables:
            query = sql.SQL("SELECT to_jsonb(row)::text FROM {} AS row").format(sql.Identifier(table))
            cursor.execute(query)
            found[table] = text_of([row for (row,) in cursor.fetchall()])
    found["sessions, decoded"] = "\n".join(str(session.get_decoded()) for session in Session.objects.all())
    return found


def text_of(rows):
    return "\n".join(line for row in rows for line in (row, *leaves(json.loads(row))))


def leaves(value):
    """Each name and each value of a document, as text."""
    if isinstance(value, dict):
        value = [part for pair in value.items() for part in pair]
    if isinstance(value, list):
        return [leaf for part in value for leaf in leaves(part)]
    return [str(value)]


# -- The logs


# At DEBUG, whatever production says: what is ours, Django's of requests, and the queue's.
TALKATIVE = ("nexora", "apps", "django.request", "django.security", "django.mail", "procrastinate")


# The request itself is no text, and `args` and the exception are in the line.
STANDARD = {*vars(logging.makeLogRecord({})), "message", "asctime", "request"}


class Written(logging.Handler):
    """What the log of production holds."""

    def __init__(self):
        super().__init__(logging.DEBUG)
        (console,) = [handler for handler in logging.getLogger().handlers if handler.name == "console"]
        self.setFormatter(console.formatter)
        self.lines = []

    def emit(self, record):
        self.lines.append(self.format(record))
        # What a formatter that writes JSON would add: a job's arguments, say.
        self.lines.append(str({name: value for name, value in vars(record).items() if name not in STANDARD}))

    @property
    def text(self):
        return "\n".join(self.lines)


@contextmanager
def logs():
    """Everything that is logged inside, as a Written."""
    written, root = Written(), logging.getLogger()
    levels = {logger: logger.level for logger in (root, *map(logging.getLogger, TALKATIVE))}
    for logger in levels:
        logger.setLevel(logging.INFO if logger is root else logging.DEBUG)
    root.addHandler(written)
    try:
        yield written
    finally:
        root.removeHandler(written)
        for logger, level in levels.items():
            logger.setLevel(level)
