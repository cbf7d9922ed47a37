"""Keyset pages: a page starts after the last row of the one before, however deep, and nothing is counted unless asked.

The order is the requested fields, then the id. NULLs come last in both directions, because `created_at` may be NULL and
`idx_<table>_tenant_id_created_at_id` is built so.
"""

import base64
import hashlib
import json
from dataclasses import dataclass
from functools import cache, cached_property
from uuid import UUID

import orjson
from django.conf import settings
from django.core.exceptions import ValidationError
from django.db.models import F, Q
from django.db.models.fields.tuple_lookups import Tuple, TupleGreaterThan, TupleLessThan
from rest_framework.pagination import BasePagination
from rest_framework.response import Response
from rest_framework.utils.urls import replace_query_param

from nexora.kernel import scope
from nexora.kernel.api.exceptions import invalid
from nexora.kernel.models import plain

MAX_PAGE_SIZE = 200
COUNT = "count"
SEAL_BYTES = 9
BAD_CURSOR = "Not a cursor of this list in this order. Take it from `next`, or leave it out to start again."


@dataclass(frozen=True, slots=True)
class Key:
    """One field of an order."""

    field: str
    descending: bool
    nullable: bool

    def __str__(self):
        return f"-{self.field}" if self.descending else self.field

    def order(self):
        if self.descending:
            return F(self.field).desc(nulls_last=True) if self.nullable else F(self.field).desc()
        # Ascending is NULLS LAST in PostgreSQL anyway; saying so would hide indexes from the planner.
        return F(self.field).asc()

    def after(self, value):
        """Rows that come after `value`; None if none can."""
        if value is None:
            return None
        beyond = Q(**{f"{self.field}__{'lt' if self.descending else 'gt'}": value})
        return beyond | Q(**{f"{self.field}__isnull": True}) if self.nullable else beyond

    def same(self, value):
        return Q(**{f"{self.field}__isnull": True}) if value is None else Q(**{self.field: value})


class Order:
    """A total order of a model's rows: keys, and the id in the direction of the last of them."""

    def __init__(self, model, names):
        self.model = model
        self.keys = [self._key(name) for name in names]
        self.tie = Key("id", self.keys[-1].descending if self.keys else False, nullable=False)

    def _key(self, name):
        field = self.model._meta.get_field(name.lstrip("-"))
        return Key(field.name, name.startswith("-"), field.null)

    @cached_property
    def signature(self):
        return ",".join(map(str, self.keys))

    def apply(self, queryset):
        return queryset.order_by(*(key.order() for key in (*self.keys, self.tie)))

    def position(self, row):
        """The values by which `row` is placed."""
        return [getattr(row, key.field) for key in (*self.keys, self.tie)]

    def page(self, queryset, position, size):
        """Up to `size` rows after `position` (None: from the start), in order."""
        queryset = self.apply(queryset)
        if position is None:
            return list(queryset[:size])
        *values, last_id = position
        if len(self.keys) == 1 and self.keys[0].nullable:
            return self._single_key_page(queryset, values[0], last_id, size)
        return list(queryset.filter(self._after(values, last_id))[:size])

    def _single_key_page(self, queryset, value, last_id, size):
        """Two queries at most, each of which walks the index: the rows with a value, then those without."""
        key = self.keys[0]
        without = queryset.filter(**{f"{key.field}__isnull": True})
        if value is None:
            return list(without.filter(self.tie.after(last_id))[:size])
        rows = list(queryset.filter(self._beyond([value], last_id))[:size])
        if len(rows) < size:
            rows += without[: size - len(rows)]
        return rows

    def _beyond(self, values, last_id):
        """`(a, b, id) > (…)`: one range of an index. Leaves out rows with a NULL among the keys."""
        comparison = TupleLessThan if self.tie.descending else TupleGreaterThan
        names = [*(key.field for key in self.keys), "id"]
        return comparison(Tuple(*map(F, names)), (*values, last_id))

    def _after(self, values, last_id):
        position = [*values, last_id]
        keys = [*self.keys, self.tie]
        if len({key.descending for key in keys}) == 1 and not any(key.nullable for key in keys):
            return self._beyond(values, last_id)
        # (a after va) or (a same and b after vb) or (a and b same and id after): any directions, NULLs included.
        found, same = Q(pk__in=[]), Q()
        for key, value in zip(keys, position, strict=True):
            beyond = key.after(value)
            if beyond is not None:
                found |= same & beyond
            same &= key.same(value)
        return found


# -- Cursors


def _seal(order, payload):
    """Binds a cursor to its list, order and tenant, so that an altered or borrowed one is refused."""
    current = scope.current()
    context = f"{order.model._meta.label_lower}|{order.signature}|{current.tenant_id if current else None}|"
    key = _seal_key(settings.SECRET_KEY)
    return hashlib.blake2b(context.encode() + payload, key=key, digest_size=SEAL_BYTES).digest()


@cache
def _seal_key(secret):
    return hashlib.blake2b(secret.encode(), person=b"nexora-cursor").digest()


def encode_cursor(order, position):
    payload = orjson.dumps([plain(value) for value in position])
    return _text(_seal(order, payload) + payload)


def _text(sealed):
    return base64.urlsafe_b64encode(sealed).decode().rstrip("=")


def decode_cursor(order, text):
    """The position that `encode_cursor` was given. ValueError for anything else."""
    try:
        sealed = base64.b64decode(text.encode("ascii") + b"=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except ValueError as error:
        raise ValueError(BAD_CURSOR) from error
    seal, payload = sealed[:SEAL_BYTES], sealed[SEAL_BYTES:]
    # The last letter of base64 has spare bits: compared as text, there is one spelling only.
    if seal != _seal(order, payload) or _text(sealed) != text:
        raise ValueError(BAD_CURSOR)
    *values, last_id = json.loads(payload)
    columns = [order.model._meta.get_field(key.field) for key in order.keys]
    try:
        return [*(column.to_python(value) for column, value in zip(columns, values, strict=True)), UUID(last_id)]
    except ValidationError as error:
        # Sealed by us, so only a column that changed its type since can get here.
        raise ValueError(BAD_CURSOR) from error


# -- DRF


class KeysetPagination(BasePagination):
    """`{"results": […], "next": address or null}`, and "count" where `count=true` asks for it.

    facts   {name: queryset of one value} of what else every page says
    """

    page_size = 50
    facts = {}
    parameters = ("cursor", "page_size", COUNT)

    def paginate_queryset(self, queryset, request, view=None):
        order = view.get_order()
        errors = {}
        position = size = None
        try:
            size = self.get_page_size(request)
        except ValueError as error:
            errors["page_size"] = [str(error)]
        try:
            if "cursor" in request.query_params:
                position = decode_cursor(order, request.query_params["cursor"])
        except ValueError as error:
            errors["cursor"] = [str(error)]
        try:
            counted = self.wants_count(request)
        except ValueError as error:
            errors[COUNT] = [str(error)]
        if errors:
            raise invalid(errors)
        # Django's count() is count(*): an index alone answers it, where count(id) would read the rows.
        self.count = queryset.count() if counted else None
        self.found = {name: values.first() for name, values in self.facts.items()}
        rows = order.page(queryset, position, size + 1)
        self.next = None
        if len(rows) > size:
            del rows[size:]
            self.next = self.next_address(request, order, order.position(rows[-1]))
        return rows

    @staticmethod
    def next_address(request, order, position):
        address, cursor = request.build_absolute_uri(), encode_cursor(order, position)
        if "cursor" in request.query_params:
            return replace_query_param(address, "cursor", cursor)
        # The cursor is made of letters that stand for themselves.
        return f"{address}{'&' if '?' in address else '?'}cursor={cursor}"

    def get_page_size(self, request):
        text = request.query_params.get("page_size")
        if text is None:
            return self.page_size
        if text.isascii() and text.isdigit() and len(text) < 10 and 1 <= int(text) <= MAX_PAGE_SIZE:
            return int(text)
        raise ValueError(f"A whole number from 1 to {MAX_PAGE_SIZE}.")

    @staticmethod
    def wants_count(request):
        try:
            return {None: False, "false": False, "true": True}[request.query_params.get(COUNT)]
        except KeyError:
            raise ValueError("true or false.") from None

    def page(self, rows):
        page = {**self.found, "results": rows, "next": self.next}
        return page if self.count is None else page | {COUNT: self.count}

    def get_paginated_response(self, data):
        return Response(self.page(data))

    def get_paginated_response_schema(self, schema):
        return {
            "type": "object",
            "required": ["results", "next"],
            "properties": {
                "results": schema,
                "next": {
                    "type": ["string", "null"],
                    "format": "uri",
                    "description": "Address of the next page; null on the last.",
                },
                COUNT: {
                    "type": "integer",
                    "minimum": 0,
                    "description": "Rows on all pages together; only where `count=true` asks for it.",
                },
            },
        }

    def get_schema_operation_parameters(self, view):
        return [
            {
                "name": "cursor",
                "in": "query",
                "required": False,
                "description": "Where the page starts: taken from `next`, never made up.",
                "schema": {"type": "string"},
            },
            {
                "name": "page_size",
                "in": "query",
                "required": False,
                "description": "Rows of a page.",
                "schema": {"type": "integer", "minimum": 1, "maximum": MAX_PAGE_SIZE, "default": self.page_size},
            },
            {
                "name": COUNT,
                "in": "query",
                "required": False,
                "description": "Whether to count the rows of all pages: exact, over every page.",
                "schema": {"type": "boolean", "default": False},
            },
        ]
