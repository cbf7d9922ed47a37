"""The filters of `{{ path | filter }}`: these and no others.

Each takes the value on its left and literals. Nothing stays nothing, but for `default` and `json`. BadValue where the
value is not of its kind, a message that goes on after the filter's name; TooLarge where the answer would be.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Context, Decimal

from . import plain
from .plain import BadTemplate, BadValue

FILTERS = {}

# Wide enough for every number that is one, and an answer instead of an exception for every other.
EXACTLY = Context(prec=2 * plain.MOST_DIGITS + 100, rounding=ROUND_HALF_UP, traps=[])
MOST_DECIMALS = 12


@dataclass(frozen=True, slots=True)
class Argument:
    """A literal that a filter takes. `accepts` may raise BadTemplate to say more than `title`."""

    title: str
    accepts: Callable
    is_optional: bool = False


@dataclass(frozen=True, slots=True)
class Filter:
    """`apply(value, *arguments)`; `title` is what it does, and `example` how it is written, for people."""

    name: str
    title: str
    takes: tuple
    example: str
    apply: Callable

    def ensure_takes(self, given):
        """BadTemplate unless the literals are those that it takes."""
        fewest = sum(not argument.is_optional for argument in self.takes)
        fits = fewest <= len(given) <= len(self.takes)
        if not fits or not all(kind.accepts(literal) for kind, literal in zip(self.takes, given, strict=False)):
            wanted = " and ".join(argument.title for argument in self.takes)
            raise BadTemplate(
                f"{self.name} takes {wanted}, such as {self.example}."
                if wanted
                else f"{self.name} takes nothing after it."
            )


def apply(name, value, arguments):
    if value is None and name not in ("default", "json"):
        return None
    return FILTERS[name].apply(value, *arguments)


def _filter(title, *takes, example=None):
    def register(function):
        name = function.__name__.strip("_")
        FILTERS[name] = Filter(name, title, takes, example or name, function)
        return function

    return register


# -- What they take


def _is_whole(literal, lowest, highest):
    return isinstance(literal, int) and not isinstance(literal, bool) and lowest <= literal <= highest


def _is_step(literal):
    if isinstance(literal, str):
        return plain.duration(literal) is not None
    return not isinstance(literal, bool)


ANYTHING = Argument("a text, a number, true or false", lambda literal: True)
TEXT = Argument("a text", lambda literal: isinstance(literal, str))
OLD = Argument("a text that is not empty", lambda literal: isinstance(literal, str) and literal != "")
BETWEEN = Argument("a text", TEXT.accepts, is_optional=True)
LENGTH = Argument(
    f"a number of characters from 1 to {plain.MOST_IN_A_TEXT:,}",
    lambda literal: _is_whole(literal, 1, plain.MOST_IN_A_TEXT),
)
DECIMALS = Argument(
    f"a number of decimals up to {MOST_DECIMALS}",
    lambda literal: _is_whole(literal, 0, MOST_DECIMALS),
    is_optional=True,
)
STEP = Argument("a duration or a number", _is_step)


def _text_of(value):
    if isinstance(value, list | tuple | dict):
        raise BadValue(f"takes a text, not {plain.named(value)}.")
    return plain.text(value)


def _number_of(value):
    found = plain.number(value)
    if found is None:
        raise BadValue(f"takes a number, not {_unlike(value)}.")
    return found


def _day_or_moment_of(value):
    found = plain.day_or_moment(value)
    if found is None:
        raise BadValue(f"takes a date, not {_unlike(value)}.")
    return found


def _list_of(value):
    if not isinstance(value, list | tuple):
        raise BadValue(f"takes a list, not {plain.named(value)}.")
    return value


def _unlike(value):
    return "a text that is none" if isinstance(value, str) else plain.named(value)


def _known(value):
    if not value.is_finite() or abs(value.adjusted()) > plain.MOST_DIGITS:
        raise BadValue("makes a number that is too large.")
    return value


# -- Texts


@_filter("What to take where there is nothing, or an empty text", ANYTHING, example="default:'none'")
def _default(value, other):
    return other if value is None or (isinstance(value, str) and value == "") else value


@_filter("In capital letters")
def _upper(value):
    return _text_of(value).upper()


@_filter("In small letters")
def _lower(value):
    return _text_of(value).lower()


@_filter("With a capital letter at its beginning")
def _capitalize(value):
    found = _text_of(value)
    return found[:1].upper() + found[1:]


@_filter("Without spaces at its ends")
def _trim(value):
    return _text_of(value).strip()


@_filter("Cut to so many characters, the last of which is then …", LENGTH, example="truncate:80")
def _truncate(value, length):
    found = _text_of(value)
    return found if len(found) <= length else found[: length - 1] + "…"


@_filter("With one text put for another", OLD, TEXT, example="replace:'a','b'")
def _replace(value, old, new):
    found = _text_of(value)
    # Told beforehand: eight of them in a row would multiply.
    if len(found) + found.count(old) * (len(new) - len(old)) > plain.MOST_IN_A_TEXT:
        raise plain.too_long()
    return found.replace(old, new)


# -- Dates


@_filter("The day: 26 Nov 2026")
def _date(value):
    return plain.written_day(_day_or_moment_of(value))


@_filter("The day and the time: 26 Nov 2026, 09:30 UTC")
def _datetime(value):
    return plain.written_moment(plain.moment(_day_or_moment_of(value)))


@_filter("A date for machines: 2026-11-26 or 2026-11-26T09:30:00Z")
def _iso(value):
    return plain.jsonable(_day_or_moment_of(value))


@_filter("So much later, or more", STEP, example="plus:'P1D'")
def _plus(value, step):
    return _moved(value, step, 1)


@_filter("So much earlier, or less", STEP, example="minus:'PT2H'")
def _minus(value, step):
    return _moved(value, step, -1)


def _moved(value, step, sign):
    if isinstance(step, str):
        return _moved_in_time(_day_or_moment_of(value), sign * plain.duration(step))
    found = _known(EXACTLY.add(_number_of(value), sign * plain.number(step)))
    return int(found) if isinstance(value, int) and isinstance(step, int) else found


def _moved_in_time(value, span):
    # A day stays one unless hours are added to it.
    if not isinstance(value, datetime) and span % timedelta(days=1):
        value = plain.moment(value)
    try:
        return value + span
    except OverflowError:
        raise BadValue("leads beyond the years 1 to 9999.") from None


# -- Numbers


@_filter("With two decimals and commas: 1,234.50")
def _money(value):
    return f"{_rounded(_number_of(value), 2):,f}"


@_filter("With commas, and no decimals that are nought: 1,234.5")
def _number(value):
    whole, point, decimals = f"{_number_of(value):,f}".partition(".")
    decimals = decimals.rstrip("0")
    return f"{whole}{point}{decimals}" if decimals else whole


@_filter("To so many decimals; a half goes up", DECIMALS, example="round:2")
def _round(value, decimals=0):
    found = _number_of(value)
    return value if isinstance(value, int) else _rounded(found, decimals)


def _rounded(value, decimals):
    found = _known(EXACTLY.quantize(value, Decimal(1).scaleb(-decimals)))
    return abs(found) if found.is_zero() else found


# -- Lists


@_filter("Each on a line of its own, after a dash")
def _lines(value):
    return plain.joined(_list_of(value), "\n", before="- ")


@_filter("In one text, with another between them", BETWEEN, example="join:', '")
def _join(value, between=", "):
    return plain.joined(_list_of(value), between)


@_filter("How many there are")
def _count(value):
    if not isinstance(value, list | tuple | dict):
        raise BadValue(f"takes a list or an object, not {plain.named(value)}.")
    return len(value)


@_filter("The first of a list")
def _first(value):
    return next(iter(_list_of(value)), None)


@_filter("The last of a list")
def _last(value):
    return next(reversed(_list_of(value)), None)


@_filter("As JSON, in one text")
def _json(value):
    return plain.compact(value)
