"""How a condition compares what it found with its value.

* What is missing counts as null, on either side, and so does a value whose filters do not fit. eq with null holds if
  both are, and ne is always the opposite of eq; gt, gte, lt, lte, contains and starts_with with null never hold. An
  empty text or list is not null.
* Numbers compare exactly. A text such as "12.50" counts as a number if the other side is one; true and false do not.
* Dates and moments: a text in ISO 8601 counts as one if the other side is one. Without an offset it is UTC; a day is
  its midnight.
* An id is the same as its text, in capital or small letters.
* Two texts compare letter by letter, capitals apart from small ones, also if they look like numbers or dates.
* contains looks for a text in a text, and starts_with at its beginning, both whatever the case; in a list, contains
  looks for an item that is equal.
* Lists and objects are equal if all that is in them is. Whatever else is of different types is unequal, and neither
  greater nor less.
* changed, changed_to and changed_from ask whether the event that starts a run changed the field, and to or from what.
  Where there is no event they do not hold.

Nothing raises, and what a comparison costs grows with the length of its sides only.
"""

import operator
from uuid import UUID

from . import plain

ORDERS = {"gt": operator.gt, "gte": operator.ge, "lt": operator.lt, "lte": operator.le}


def is_change(op, before, after, value):
    if _same(before, after):
        return False
    return op == "changed" or _same(after if op == "changed_to" else before, value)


def compares(op, found, value):
    match op:
        case "eq":
            return _same(found, value)
        case "ne":
            return not _same(found, value)
        case "in":
            return isinstance(value, list) and any(_same(found, one) for one in value)
        case "contains" if isinstance(found, list | tuple):
            return value is not None and any(_same(one, value) for one in found)
        case "contains":
            return isinstance(found, str) and isinstance(value, str) and value.casefold() in found.casefold()
        case "starts_with":
            return isinstance(found, str) and isinstance(value, str) and found.casefold().startswith(value.casefold())
        case "is_null":
            return (found is None) is not (value is False)
    pair = _comparable(found, value)
    return pair is not None and ORDERS[op](*pair)


def _comparable(one, other):
    """Both as what can be compared, or None."""
    if isinstance(one, str) and isinstance(other, str):
        return one, other
    for kind, read in ((plain.NUMBERS, plain.number), (plain.MOMENTS, plain.moment)):
        if isinstance(one, kind) or isinstance(other, kind):
            pair = read(one), read(other)
            return None if None in pair else pair
    return None


def _same(one, other):
    """Whether two values are equal. What it costs grows with the smaller of them."""
    waiting = [(one, other)]
    while waiting:
        one, other = waiting.pop()
        if isinstance(one, dict) and isinstance(other, dict):
            if one.keys() != other.keys():
                return False
            waiting += [(one[key], other[key]) for key in one]
        elif isinstance(one, list | tuple) and isinstance(other, list | tuple):
            if len(one) != len(other):
                return False
            waiting += zip(one, other, strict=True)
        elif not _same_scalar(one, other):
            return False
    return True


def _same_scalar(one, other):
    if one is None or other is None or isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, UUID) or isinstance(other, UUID):
        return _id(one) is not None and _id(one) == _id(other)
    pair = _comparable(one, other)
    return pair is not None and pair[0] == pair[1]


def _id(value):
    return str(value).lower() if isinstance(value, UUID | str) else None
