"""JSON in, JSON out."""

import json
import math

import orjson
from django.core.exceptions import ValidationError
from django.http import HttpResponse
from rest_framework.exceptions import NotAcceptable, ParseError
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.parsers import JSONParser
from rest_framework.renderers import JSONRenderer as FrameworkJSONRenderer
from rest_framework.utils.encoders import JSONEncoder

from nexora.kernel.api.exceptions import invalid
from nexora.kernel.json import validate_json

ANY = ("*/*", "application/*", "application/json", "application/problem+json")


def _no_constant(name):
    raise ValueError(f"{name} is not JSON")


def _unique_keys(pairs):
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key is given twice in one object")
    return found


def _as_stored(text):
    """A number with a fraction or an exponent, as PostgreSQL gives it back: large ones whole, zero unsigned."""
    number = float(text)
    # Below, Python writes the fraction ".0", and PostgreSQL keeps it.
    return int(number) if 1e16 <= abs(number) < math.inf else number + 0.0


# Not orjson: it turns whole numbers beyond 64 bits into floats without a word. Made once: json.loads would make its own
# for each request.
decode = json.JSONDecoder(parse_float=_as_stored, parse_constant=_no_constant, object_pairs_hook=_unique_keys).decode


class StrictJSONParser(JSONParser):
    """UTF-8 JSON without NaN and double keys, every value of which could be stored; errors name the key."""

    def parse(self, stream, media_type=None, parser_context=None):
        try:
            data = decode(stream.read().decode())
        except RecursionError:
            raise ParseError("it is nested too deeply.") from None
        except ValueError as error:
            raise ParseError(f"{error}.") from None
        errors = {}
        for key, value in data.items() if isinstance(data, dict) else [("non_field_errors", data)]:
            try:
                validate_json(key)
                validate_json(value)
            except ValidationError as error:
                errors[key.encode(errors="replace").decode()[:100]] = error.messages
        if errors:
            raise invalid(errors)
        return data


class JSONRenderer(FrameworkJSONRenderer):
    """Compact UTF-8. An orjson.Fragment is JSON already: see nexora.kernel.api.fast."""

    encode = JSONEncoder().default

    def render(self, data, accepted_media_type=None, renderer_context=None):
        if data is None:
            return b""
        try:
            return orjson.dumps(data, self.encode, orjson.OPT_UTC_Z)
        except orjson.JSONEncodeError:
            # Whole numbers beyond 64 bits, written to a column by SQL.
            return super().render(data, accepted_media_type, renderer_context)


class JSONDocument(HttpResponse):
    """An answer that is JSON already: bytes, or text in UTF-8."""

    def __init__(self, text):
        super().__init__(text, content_type="application/json")


class JSONNegotiation(DefaultContentNegotiation):
    """One renderer. An Accept header that admits no JSON is refused; there is no `?format=`."""

    def select_renderer(self, request, renderers, format_suffix=None):
        renderer = renderers[0]
        accept = request.META.get("HTTP_ACCEPT")
        if accept and not any(part.split(";")[0].strip().lower() in ANY for part in accept.split(",")):
            raise NotAcceptable()
        return renderer, renderer.media_type

    def select_parser(self, request, parsers):
        return parsers[0] if request.content_type == parsers[0].media_type else super().select_parser(request, parsers)
