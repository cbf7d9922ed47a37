"""Values in a definition: `{{ path | filter | filter:'argument' }}`, read, checked and filled in.

Not a language: a path leads to one value, and filters come from one list (filters.py). What is filled in is never read
again, so a record called "{{ owner.email }}" stays that text. There is no way to write two braces that are none.

Everything here takes hostile input: time and memory are bounded by the limits below and in plain.py.
"""

import re
from dataclasses import dataclass
from decimal import Decimal
from itertools import islice

from . import filters, plain
from .plain import BadTemplate, BadValue, TooLarge, Unresolved, duration, jsonable

__all__ = [
    "ROOTS",
    "BadTemplate",
    "BadValue",
    "Placeholder",
    "Rendering",
    "TooLarge",
    "Unresolved",
    "duration",
    "jsonable",
    "parse_path",
    "placeholders",
    "problems",
    "render",
]

ROOTS = ("record", "before", "trigger", "steps", "item", "now", "workflow", "owner")

LONGEST_TEXT = 20_000
MOST_PLACEHOLDERS = 50
MOST_FILTERS = 8
MOST_PARTS = 8
LONGEST_PART = 64
MOST_PROBLEMS = 100
# Characters that may go into filters, and come out of them, in one rendering.
MOST_WORK = 2_097_152
# What each value in a list or an object counts for among them.
AN_ITEM = 40

# Each is matched at one place and cannot match in two ways, so the whole is read in one pass.
_SPACE = re.compile(r"[ \t\r\n]*+")
_PATH = re.compile(r"[A-Za-z0-9_.-]++")
_PART = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*+|[0-9]{1,4}")
_NAME = re.compile(r"[A-Za-z0-9_]++")
_NUMBER = re.compile(r"-?[0-9]{1,18}(?:\.[0-9]{1,18})?(?![0-9.])")
_WORD = re.compile(r"(?:true|false)(?![A-Za-z0-9_])")


@dataclass(frozen=True, slots=True)
class Placeholder:
    """`text[start:end]`; `filters` is ((name, (argument, …)), …), arguments being text, int, Decimal or bool."""

    path: tuple
    filters: tuple
    start: int
    end: int


# -- Reading


def placeholders(text):
    """[Placeholder]; BadTemplate with the column, counted from 1, of what cannot be read."""
    if len(text) > LONGEST_TEXT:
        raise BadTemplate(f"The text is too long: at most {LONGEST_TEXT:,} characters.")
    found, place = [], 0
    while (start := text.find("{{", place)) >= 0:
        if len(found) == MOST_PLACEHOLDERS:
            raise _bad(f"There are too many {{{{ }}}}: at most {MOST_PLACEHOLDERS} in one text", start)
        one = _Reader(text, start).read()
        found.append(one)
        place = one.end
    return found


def parse_path(text):
    """The parts of a path such as record.assigned_to.email; BadTemplate."""
    parts = tuple(text.split(".", MOST_PARTS)) if text else ()
    if not parts:
        raise BadTemplate(f"A path is missing. It begins with {_listed(ROOTS)}.")
    if parts[0] not in ROOTS:
        raise BadTemplate(f"A path begins with {_listed(ROOTS)}, not with {_shown(parts[0])}.")
    if len(parts) > MOST_PARTS:
        raise BadTemplate(f"A path has at most {MOST_PARTS} parts.")
    for part in parts:
        if len(part) > LONGEST_PART:
            raise BadTemplate(f"A part of a path has at most {LONGEST_PART} characters.")
        if not _PART.fullmatch(part):
            raise BadTemplate(f"{_shown(part)} is no part of a path: a name, or the number of an item up to 9999.")
    return parts


def _bad(sentence, place):
    return BadTemplate(f"{sentence.removesuffix('.')} (column {place + 1}).")


def _shown(text):
    return f"'{text[:40]}…'" if len(text) > 40 else f"'{text}'"


def _listed(names):
    return f"{', '.join(names[:-1])} or {names[-1]}"


class _Reader:
    """Reads the one placeholder that begins at `start`."""

    def __init__(self, text, start):
        self.text, self.start, self.place = text, start, start + 2

    def read(self):
        path = self._path()
        found = []
        while not self._takes("}}"):
            if not self._takes("|"):
                self._refuse_what_follows()
            if len(found) == MOST_FILTERS:
                raise _bad(f"A value has at most {MOST_FILTERS} filters", self.place)
            found.append(self._filter())
        return Placeholder(path, tuple(found), self.start, self.place)

    def _skip(self):
        self.place = _SPACE.match(self.text, self.place).end()

    def _takes(self, sign):
        self._skip()
        if not self.text.startswith(sign, self.place):
            return False
        self.place += len(sign)
        return True

    def _match(self, pattern):
        self._skip()
        found = pattern.match(self.text, self.place)
        if found is None:
            return ""
        self.place = found.end()
        return found[0]

    def _refuse_what_follows(self):
        if self.place >= len(self.text):
            raise _bad("{{ is never closed by }}", self.start)
        raise _bad(f"{_shown(self.text[self.place])} is not expected: go on with | or }}}}", self.place)

    def _path(self):
        given, place = self._match(_PATH), self.place
        if not given and self.place >= len(self.text):
            self._refuse_what_follows()
        try:
            return parse_path(given)
        except BadTemplate as error:
            raise _bad(str(error), place - len(given)) from None

    def _filter(self):
        name, place = self._match(_NAME), self.place
        known = filters.FILTERS.get(name)
        if known is None:
            what = f"There is no filter {_shown(name)}" if name else "The name of a filter is missing"
            raise _bad(f"{what}. Filters are {', '.join(filters.FILTERS)}", place - len(name))
        arguments = []
        if self._takes(":"):
            arguments.append(self._literal())
            while self._takes(","):
                arguments.append(self._literal())
        try:
            known.ensure_takes(arguments)
        except BadTemplate as error:
            raise _bad(str(error), place - len(name)) from None
        return name, tuple(arguments)

    def _literal(self):
        self._skip()
        quote = self.text[self.place : self.place + 1]
        if quote in ("'", '"'):
            end = self.text.find(quote, self.place + 1)
            if end < 0:
                raise _bad(f"A text that begins with {quote} is never closed", self.place)
            found, self.place = self.text[self.place + 1 : end], end + 1
            return found
        if found := self._match(_NUMBER):
            return Decimal(found) if "." in found else int(found)
        if found := self._match(_WORD):
            return found == "true"
        raise _bad("After : and , comes a 'text', a number of at most 18 digits, true or false", self.place)


# -- Checking


def problems(value, resolves):
    """[(pointer, sentence)] of what cannot be filled in anywhere in a JSON value, at most 100.

    `resolves(path)` answers a sentence about a path that leads nowhere, else None. A pointer is such as "json/items/0",
    "" of the value itself. Keys of objects are not filled in.
    """
    return list(islice(_problems(value, resolves), MOST_PROBLEMS))


def _problems(value, resolves):
    # With each value goes the chain of keys that leads to it, shared, so that depth costs no more than breadth.
    waiting, seen = [(value, None)], 0
    while waiting:
        value, chain = waiting.pop()
        seen += 1
        if isinstance(value, str):
            for sentence in _text_problems(value, resolves):
                yield _pointer(chain), sentence
        elif isinstance(value, dict | list):
            if seen + len(waiting) + len(value) > plain.MOST_NODES:
                yield _pointer(chain), str(plain.too_many())
                return
            inner = value.items() if isinstance(value, dict) else enumerate(value)
            waiting += [(one, (chain, key)) for key, one in reversed([*inner])]


def _text_problems(text, resolves):
    try:
        found = placeholders(text)
    except BadTemplate as error:
        return [str(error)]
    paths = dict.fromkeys(one.path for one in found)
    return [sentence for path in paths if (sentence := resolves(path)) is not None]


def _pointer(chain):
    parts = []
    while chain is not None:
        chain, key = chain
        parts.append(str(key)[:LONGEST_PART])
    return "/".join(reversed(parts))


# -- Filling in


def render(value, look_up):
    """A copy of a JSON value with its placeholders filled in.

    A text that is one placeholder and nothing else becomes the value with its type (`jsonable` makes JSON of it). In
    any other text values are written as people read them: nothing as an empty text, yes or no, 26 Nov 2026, 09:30 UTC,
    a list with commas, an object as JSON.

    `look_up(path)` answers a value or raises Unresolved; it is asked once for each path. What it raises passes through,
    but for Unresolved where the first filter is `default`. BadValue where a filter does not fit, TooLarge, and
    BadTemplate where `problems` would have said so.
    """
    return Rendering(look_up).render(value)


class Rendering:
    """`render` of several values, which share what was looked up and how much may be done."""

    def __init__(self, look_up):
        self.look_up = look_up
        self.known = {}
        self.work = 0

    def render(self, value):
        found = plain.rebuilt(value, self._leaf, most=plain.MOST_NODES)
        plain.ensure_small(found)
        return found

    def _leaf(self, value):
        if not isinstance(value, str):
            return value
        found = placeholders(value)
        if not found:
            return value
        if len(found) == 1 and found[0].start == 0 and found[0].end == len(value):
            return self._value(found[0])
        return self._mixed(value, found)

    def _mixed(self, text, found):
        parts, place = [], 0
        length = len(text) - sum(one.end - one.start for one in found)
        for one in found:
            value = self._value(one)
            self._count(value)
            filled = _blamed(plain.text, _name(one), value)
            length += len(filled)
            if length > plain.MOST_IN_A_TEXT:
                raise plain.too_long()
            parts += [text[place : one.start], filled]
            place = one.end
        made = "".join([*parts, text[place:]])
        self._count(made)
        return made

    def _value(self, one):
        value = self._found(one)
        for name, arguments in one.filters:
            self._count(value)
            value = _blamed(filters.apply, f"{_name(one)} | {name}", name, value, arguments)
            self._count(value)
        return value

    def _found(self, one):
        if one.path in self.known:
            return self.known[one.path]
        try:
            value = self.look_up(one.path)
        except Unresolved as error:
            if one.filters and one.filters[0][0] == "default":
                return None
            error.path = error.path or one.path
            raise
        self.known[one.path] = value
        return value

    def _count(self, value):
        if isinstance(value, str):
            self.work += len(value)
        elif isinstance(value, list | tuple | dict):
            self.work += plain.weight_of(value) * AN_ITEM
        if self.work > MOST_WORK:
            raise TooLarge("The filters have too much to do here: take fewer, or truncate first.")


def _name(one):
    return ".".join(one.path)


def _blamed(function, name, *arguments):
    try:
        return function(*arguments)
    except BadValue as error:
        raise BadValue(f"{name} {error}") from None
    except TooLarge as error:
        raise TooLarge(f"{name}: {error}") from None
