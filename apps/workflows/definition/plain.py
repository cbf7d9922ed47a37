"""Values once they are known: what counts as a number or a moment, how each is written, and how large they may get.

Pure: JSON's own types, and Decimal, UUID, date and datetime as a record has them. Moments without an offset are UTC.
"""

import json
import math
import re
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from uuid import UUID

MOST_IN_A_TEXT = 65_536
MOST_CHARACTERS = 262_144
MOST_NODES = 10_000
MOST_LEVELS = 64
MOST_BITS = 4_096
MOST_DIGITS = 1_000
LONGEST_DURATION = timedelta(days=3_653)

NUMBERS = (int, float, Decimal)
MOMENTS = (date, datetime)
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")

_NUMBER = re.compile(r"[+-]?[0-9]{1,40}(?:\.[0-9]{1,40})?")
_ISO = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}(?:[T ][0-9:.,]{2,20}(?:Z|[+-][0-9:]{2,8})?)?")
_DURATION = re.compile(
    r"P(?=[0-9T])(?:([0-9]{1,12})W)?(?:([0-9]{1,12})D)?"
    r"(?:T(?=[0-9])(?:([0-9]{1,12})H)?(?:([0-9]{1,12})M)?(?:([0-9]{1,12}(?:\.[0-9]{1,6})?)S)?)?"
)


class Unresolved(Exception):
    """There is no value at `path`, a tuple of its parts; the message says why."""

    def __init__(self, sentence, path=None):
        super().__init__(sentence)
        self.path = path


class BadTemplate(ValueError):
    """What somebody wrote cannot be read; the message says what and where."""


class BadValue(ValueError):
    """A filter cannot be applied to the value that was found."""


class TooLarge(ValueError):
    """What came of a template is larger than anything is good for."""


# -- What values are


def number(value):
    """The Decimal that a number, or a text such as "12.50", is; else None. True and false are no numbers."""
    match value:
        case bool():
            return None
        case int():
            return Decimal(value) if value.bit_length() <= MOST_BITS else None
        case float():
            return Decimal(repr(value)) if math.isfinite(value) else None
        case Decimal():
            return value if value.is_finite() and abs(value.adjusted()) <= MOST_DIGITS else None
        case str():
            return Decimal(value) if _NUMBER.fullmatch(value) else None
    return None


def day_or_moment(value):
    """The date, or the datetime in UTC, that a value or an ISO 8601 text is; else None."""
    try:
        match value:
            case datetime():
                return value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)
            case date():
                return value
            case str() if _ISO.fullmatch(value):
                return date.fromisoformat(value) if len(value) == 10 else day_or_moment(datetime.fromisoformat(value))
    # No such day, or one outside the years 1 to 9999 of UTC.
    except (ValueError, OverflowError):
        return None
    return None


def moment(value):
    """The same as a datetime in UTC; a day is its midnight."""
    found = day_or_moment(value)
    return datetime.combine(found, time(), UTC) if found and not isinstance(found, datetime) else found


def duration(text):
    """The timedelta of an ISO 8601 duration of weeks, days, hours, minutes and seconds, at most ten years."""
    found = _DURATION.fullmatch(text) if isinstance(text, str) else None
    if found is None:
        if isinstance(text, str) and re.match(r"[+-]", text):
            raise BadTemplate("A duration has no sign; write P1D.")
        if isinstance(text, str) and re.match(r"P[0-9]{1,9}[YM]", text):
            raise BadTemplate("Years and months differ in length; count days, such as P30D, or weeks, such as P4W.")
        raise BadTemplate("A duration is written such as P4D, P2W, PT2H or P1DT12H30M.")
    weeks, days, hours, minutes, seconds = (float(part) if part else 0 for part in found.groups())
    try:
        found = timedelta(weeks=weeks, days=days, hours=hours, minutes=minutes, seconds=seconds)
    except OverflowError:
        found = timedelta.max
    if found > LONGEST_DURATION:
        raise BadTemplate("A duration is at most ten years.")
    return found


def named(value):
    """What it is, for a sentence."""
    match value:
        case None:
            return "nothing"
        case bool():
            return "true or false"
        case int() | float() | Decimal():
            return "a number"
        case str():
            return "a text"
        case datetime() | date():
            return "a date"
        case list() | tuple():
            return "a list"
        case dict():
            return "an object"
    return "a value of its own kind"


# -- How they are written


def text(value):
    """As people read it: a list with commas, an object as JSON."""
    if isinstance(value, list | tuple):
        return joined(value, ", ")
    return _of_one(value)


def joined(values, between, before=""):
    """The texts of a list with `between` between them, each after `before`; TooLarge beyond MOST_IN_A_TEXT."""
    found, length = [], 0
    for value in values:
        found.append(before + _of_one(value))
        length += len(found[-1]) + len(between)
        if length - len(between) > MOST_IN_A_TEXT:
            raise too_long()
    return between.join(found)


def too_long():
    return TooLarge(f"A text may have {MOST_IN_A_TEXT:,} characters once it is filled in, and here it would have more.")


def _of_one(value):
    match value:
        case None:
            return ""
        case bool():
            return "yes" if value else "no"
        case str():
            return value
        case float():
            known = number(value)
            return str(value) if known is None else f"{known:f}"
        case int():
            # Python refuses to write very many digits, because it takes so long.
            return str(value) if value.bit_length() <= MOST_BITS else f"{value:#x}"
        case Decimal():
            return str(value) if number(value) is None else f"{value:f}"
        case date():
            found = day_or_moment(value)
            return str(value) if found is None else written_moment(found)
        case dict() | list() | tuple():
            return compact(value)
    return str(value)


def written_day(value):
    return f"{value.day} {MONTHS[value.month - 1]} {value.year}"


def written_moment(value):
    """A date as 26 Nov 2026, a datetime in UTC as 26 Nov 2026, 09:30 UTC."""
    return f"{written_day(value)}, {value:%H:%M} UTC" if isinstance(value, datetime) else written_day(value)


def compact(value):
    """JSON without spaces; TooLarge beyond MOST_IN_A_TEXT."""
    ensure_small(value, characters=MOST_IN_A_TEXT)
    found = json.dumps(jsonable(value), ensure_ascii=False, separators=(",", ":"))
    if len(found) > MOST_IN_A_TEXT:
        raise too_long()
    return found


def jsonable(value):
    """A copy of it that is JSON: moments in ISO 8601 with Z; Decimal, UUID and numbers beyond 64 bits as text."""
    return rebuilt(value, _json_leaf)


def _json_leaf(value):
    match value:
        case None | bool() | str():
            return value
        case int():
            return value if -(2**63) <= value < 2**63 else text(value)
        case float():
            return value if math.isfinite(value) else None
        case date():
            found = day_or_moment(value)
            return (value if found is None else found).isoformat().replace("+00:00", "Z")
        case Decimal() | UUID():
            return str(value)
    return text(value)


# -- Walking, without recursion: how deep it goes is the sender's choice


def rebuilt(value, leaf, most=None):
    """A copy of lists and objects, with `leaf(…)` in place of everything else; TooLarge beyond `most` values."""
    top = [value]
    waiting, seen = [(top, 0)], 0
    while waiting:
        holder, key = waiting.pop()
        given = holder[key]
        seen += 1
        if not isinstance(given, dict | list | tuple):
            holder[key] = leaf(given)
            continue
        if most is not None and seen + len(waiting) + len(given) > most:
            raise too_many()
        holder[key] = made = dict(given) if isinstance(given, dict) else list(given)
        waiting += [(made, name) for name in reversed(made if isinstance(given, dict) else range(len(made)))]
    return top[0]


def ensure_small(value, *, characters=MOST_CHARACTERS):
    """TooLarge if there are more values, characters or levels in it than may be."""
    waiting, nodes = [(value, 1)], 0
    while waiting:
        value, level = waiting.pop()
        nodes += 1
        match value:
            case str():
                if len(value) > MOST_IN_A_TEXT:
                    raise too_long()
                characters -= len(value)
            case dict() | list() | tuple():
                if level > MOST_LEVELS:
                    raise TooLarge(
                        f"A value may have {MOST_LEVELS} levels once it is filled in, and this one has more."
                    )
                if nodes + len(waiting) + len(value) > MOST_NODES:
                    raise too_many()
                if isinstance(value, dict):
                    characters -= sum(len(key) for key in value if isinstance(key, str))
                    value = value.values()
                waiting += [(inner, level + 1) for inner in value]
        if characters < 0:
            raise TooLarge("There are too many characters in it once it is filled in.")


def weight_of(value):
    """What it costs to go over a list or an object: one for each value in it, five more for each that holds others.

    Beyond MOST_NODES it is not told how much more.
    """
    waiting, weight = [value], 0
    while waiting and weight <= MOST_NODES:
        value = waiting.pop()
        weight += len(value) + 5
        if weight <= MOST_NODES:
            inner = value.values() if isinstance(value, dict) else value
            waiting += [one for one in inner if isinstance(one, list | tuple | dict)]
    return weight


def too_many():
    return TooLarge(f"There may be {MOST_NODES:,} values once it is filled in, and here there are more.")
