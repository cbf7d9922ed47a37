"""What may be stored as JSON. One validator for the API's parser and fields, model fields and admin forms.

PostgreSQL refuses NUL and lone surrogates, JSON has no NaN, and a value nested deeper than its encoder goes would break
every list that holds it.
"""

import math
import re

from django.core.exceptions import ValidationError

MAX_DEPTH = 64
MAX_INTEGER = 2**63

_LONE_SURROGATE = re.compile(r"[\ud800-\udfff]")


def check_text(text):
    """Raises ValidationError if PostgreSQL could not store `text`."""
    if "\x00" in text:
        raise ValidationError("Remove the NUL character.", code="null_character")
    if not text.isascii() and _LONE_SURROGATE.search(text):
        raise ValidationError("Remove the lone surrogate: it is half a character.", code="surrogate")


def validate_json(value):
    """Raises ValidationError unless `value` is JSON of at most 64 levels, finite numbers and storable text."""
    # A list of what is left to look at, not recursion: the depth of hostile input is the sender's choice.
    waiting = [(value, 1)]
    while waiting:
        value, depth = waiting.pop()
        match value:
            case None | bool():
                pass
            case str():
                check_text(value)
            case int():
                if not -MAX_INTEGER <= value < MAX_INTEGER:
                    raise ValidationError("Send whole numbers beyond 64 bits as text.", code="integer_range")
            case float():
                if not math.isfinite(value):
                    raise ValidationError("Numbers must be finite.", code="not_finite")
            case dict() | list() | tuple():
                if depth > MAX_DEPTH:
                    raise ValidationError(f"Nest at most {MAX_DEPTH} levels.", code="too_deep")
                if isinstance(value, dict):
                    for key in value:
                        if not isinstance(key, str):
                            raise ValidationError("Keys must be text.", code="key")
                        check_text(key)
                    value = value.values()
                waiting.extend((item, depth + 1) for item in value)
            case _:
                raise ValidationError(f"{type(value).__name__} is not a JSON type.", code="type")


def validate_object(value):
    """`validate_json`, and an object at the top."""
    if not isinstance(value, dict):
        raise ValidationError('Must be an object: {"key": …}.', code="not_an_object")
    validate_json(value)


def validate_list(value):
    """`validate_json`, and a list at the top."""
    if not isinstance(value, list):
        raise ValidationError("Must be a list: […].", code="not_a_list")
    validate_json(value)
