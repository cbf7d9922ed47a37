"""The fast read path: PostgreSQL writes the JSON, and each shape of query is compiled by the ORM once.

A viewset that says `fast = True` answers list and retrieve from here. What it cannot honour is refused when the class
is made; a request whose shape it does not know (a filter on an array) takes the plain path, and so does every
request with a mistake in it, so that there is one place where mistakes are put into words.

A compiled statement holds slots where values go. Its key holds whatever changes the SQL: fields, the role's reach, the
kind of scope, filters, the number of words, order, cursor and page size. The tenant is a slot of every statement, and
the session's scope is set as for any other: see nexora.kernel.db.backend.
"""

from itertools import pairwise

import orjson
from django.core.exceptions import ValidationError
from django.db import connection
from django.db.models import Expression, F, IntegerField, TextField
from rest_framework.mixins import ListModelMixin, RetrieveModelMixin

from nexora.kernel import scope
from nexora.kernel.api import json_sql
from nexora.kernel.api.filters import (
    SEARCH,
    TenantFilterSet,
    requested_fields,
    requested_ordering,
    search_words,
    words_begin,
)
from nexora.kernel.api.formats import JSONDocument, JSONRenderer
from nexora.kernel.api.pagination import Order, decode_cursor
from nexora.kernel.permissions import ALL, OWN, narrow, reach
from nexora.kernel.statements import KEY, Find, Slot, Statement

SLOTTED = ("exact", "gt", "gte", "lt", "lte", "in")
PERSON = "person"
# One row: how many were found, one more than the page among them; the page; and where it ends.
PAGE = """SELECT count(*), string_agg(document, ',') FILTER (WHERE number <= {size}){last}{beside}
FROM (SELECT *, row_number() OVER () FROM ({rows}) found) page (document, {keys}, number)"""
COUNTED = ", (SELECT count(*) FROM ({}) counted)"


class Unsuited(Exception):
    """The plain path answers this request."""


class Document(Expression):
    """The row as JSON, written as its serializer would."""

    output_field = TextField()

    def __init__(self, fields):
        super().__init__()
        self.fields = tuple(fields)
        self.columns = [F(column) for _, column, _ in fields]

    def get_source_expressions(self):
        return self.columns

    def set_source_expressions(self, expressions):
        self.columns = list(expressions)

    def as_sql(self, compiler, connection):
        quote, parts, params = connection.ops.quote_name, [], []
        for (name, _, written), column in zip(self.fields, self.columns, strict=True):
            sql, found = compiler.compile(column)
            parts.append(f"{written.format(column=sql)} AS {quote(name)}")
            params += found * written.count("{column}")
        sql = f"row_to_json((SELECT written FROM (SELECT {', '.join(parts)}) written))::text"  # noqa: S608 (names)
        return sql, tuple(params)


class Person:
    """Stands for whoever asks, while a statement is compiled for their role.

    Without scopes: those of a key say whether it reads such records at all, never which of them.
    """

    def __init__(self, role, field):
        self.role = role
        self.pk = Slot(PERSON, field)


# -- Which statement a request needs


class Wanted:
    """A list's request: the key of its statement, the values of its slots, and how the statement is made."""

    def __init__(self, view, request):
        self.view, self.params, self.values = view, request.query_params, {PERSON: request.user.pk}
        self.model = view.resource
        self.names = requested_fields(view.shown_names(), self.params)
        self.order = Order(self.model, requested_ordering(view, self.params))
        self.size = view.paginator.get_page_size(request)
        self.filters = self._filters() if self.params else ()
        self.words = self._words() if SEARCH in self.params else 0
        self.is_after = self._cursor() if "cursor" in self.params else False
        self.counts = view.paginator.wants_count(request)

    @property
    def key(self):
        return (
            shape_of_reader(self.view), self.names, self.order.signature, self.size, self.is_after, self.counts,
            self.words, tuple((name, count) for name, _, count in self.filters),
        )  # fmt: skip

    def _filters(self):
        known = set(self.view.filter_backends[0].known_parameters(self.view))
        found = []
        filterset = self.view.filterset_class
        for name, given in self.params.lists():
            if name not in known or len(given) > 1:
                raise Unsuited
            one = filterset.base_filters.get(name)
            if one is None:
                continue
            if one.method or one.exclude or one.distinct or one.lookup_expr not in SLOTTED or "__" in one.field_name:
                raise Unsuited
            value = filterset._clean(name, one, self.params)
            values = value if one.lookup_expr == "in" else [value]
            if any(item is None or item == "" for item in values):
                raise Unsuited
            if isinstance(column := self.model._meta.get_field(one.field_name), IntegerField):
                _ensure_storable(column, values)
            self.values |= {(name, number): item for number, item in enumerate(values)}
            found.append((name, one, len(values)))
        return sorted(found, key=lambda item: item[0])

    def _words(self):
        words = search_words(self.params[SEARCH])
        self.values |= {(SEARCH, number): word for number, word in enumerate([" ".join(words), *words])}
        return len(words)

    def _cursor(self):
        position = decode_cursor(self.order, self.params["cursor"])
        keys = [*self.order.keys, self.order.tie]
        is_one_range = all(a.descending == b.descending for a, b in pairwise(keys))
        if not is_one_range or None in position or (len(keys) > 2 and any(key.nullable for key in keys)):
            raise Unsuited
        self.values |= {("cursor", number): value for number, value in enumerate(position)}
        return True

    def statement(self):
        queryset = compiled_queryset(self.view)
        column = self.model._meta.get_field
        for name, one, count in self.filters:
            slots = [Slot((name, number), column(one.field_name)) for number in range(count)]
            queryset = one.filter(queryset, slots if one.lookup_expr == "in" else slots[0])
        if self.words:
            slots = [
                {name: Slot((SEARCH, number), column(name)) for name in self.view.search_fields}
                for number in range(self.words + 1)
            ]
            queryset = queryset.filter(words_begin(*slots))
        counted = queryset.order_by().values_list("pk")
        names = [*(key.field for key in self.order.keys), "id"]
        if self.is_after:
            *values, last_id = [Slot(("cursor", number), column(name)) for number, name in enumerate(names)]
            queryset = queryset.filter(self.order._beyond(values, last_id))
        rows = self.order.apply(queryset).annotate(document=document(self.view, self.names))
        rows = rows.values_list("document", *names)[: self.size + 1]
        keys = [f"k{number}" for number in range(len(names))]
        last = "".join(f", (array_agg({key}))[{self.size}]" for key in keys)
        facts = list(self.view.paginator.facts.values())
        beside = ", ({})" * len(facts)
        if self.counts:
            facts, beside = [*facts, counted], beside + COUNTED
        template = PAGE.format(size=self.size, last=last, beside=beside, keys=", ".join(keys), rows="{}")
        return Statement(*facts, rows, template=template)


def _ensure_storable(column, numbers):
    """Unsuited unless PostgreSQL could hold all of them in such a column: as its values they could not be sent."""
    least, most = connection.ops.integer_field_range(column.get_internal_type())
    if any(not least <= number <= most for number in numbers):
        raise Unsuited


def shape_of_reader(view):
    """What of the person and the host changes a statement."""
    current = scope.require("Choosing a compiled query")
    allowed = reach(view.request.user, view.resource, "view")
    if allowed not in (ALL, OWN):
        raise Unsuited
    return view.get_serializer_class(), current.is_over_all_tenants, view.request.user.role, allowed


def finding(view):
    """The statement that finds a record by its key, locked as the request needs it; None where the plain path does."""
    try:
        key = Find, view.request.method, shape_of_reader(view)
    except Unsuited:
        return None
    return view.statements.get(
        key, lambda: Find(view.locked(compiled_queryset(view)).filter(pk=Slot(KEY, view.resource._meta.pk)))
    )


def compiled_queryset(view):
    person = Person(view.request.user.role, view.resource._meta.pk)
    return narrow(view.rows(), person, "view")


def document(view, names):
    written = json_sql.fields_of(view.get_serializer_class())
    return Document([(name, *written[name]) for name in names])


# -- What a viewset mixes in

# Methods that only the plain path calls.
CALLED_IN_VAIN = ("narrow_queryset", "retrieve", "get_serializer", "paginate_queryset", "get_order", "shown_fields")


def check(cls):
    """Raises TypeError, in a sentence, for a viewset that says `fast = True` and could not keep its word."""
    for parent in cls.__mro__:
        if parent.__module__.startswith(("nexora.kernel.api.", "rest_framework.", "django.")):
            continue
        if name := next((name for name in CALLED_IN_VAIN if name in vars(parent)), None):
            raise TypeError(f"{cls.__name__} is fast, but overrides {name}, which that path never calls. Drop one.")
    if cls.filterset_class.narrow.__func__ is not TenantFilterSet.narrow.__func__:
        raise TypeError(f"{cls.__name__} is fast, but {cls.filterset_class.__name__} overrides narrow. Drop one.")
    for serializer in filter(None, (cls.serializer_class, cls.platform_serializer_class)):
        try:
            json_sql.fields_of(serializer)
        except json_sql.Unwritable as error:
            raise TypeError(f"{cls.__name__} is fast, but {error}. Leave `fast` out.") from error


class FastList(ListModelMixin):
    def list(self, request, *args, **kwargs):
        page = self.fast_page(request) if self.fast else None
        if page is None:
            return super().list(request, *args, **kwargs)
        return JSONDocument(JSONRenderer().render(self.paginator.page(page)))

    def fast_page(self, request):
        try:
            wanted = Wanted(self, request)
            statement = self.statements.get(wanted.key, wanted.statement)
        except (Unsuited, ValidationError, ValueError):
            return None
        count, rows, *rest = statement.fetch(wanted.values)
        more = count > wanted.size
        if wanted.is_after and not more and wanted.order.keys and wanted.order.keys[-1].nullable:
            return None  # the rows without a value follow, which is another statement
        self.paginator.count = rest.pop() if wanted.counts else None
        last = [rest.pop(0) for _ in range(len(wanted.order.keys) + 1)]
        self.paginator.found = dict(zip(self.paginator.facts, rest, strict=True))
        self.paginator.next = self.paginator.next_address(request, wanted.order, last) if more else None
        return orjson.Fragment(f"[{rows or ''}]")


class FastRetrieve(RetrieveModelMixin):
    def retrieve(self, request, *args, **kwargs):
        found = self.fast_record(request) if self.fast else None
        if found is None:
            return super().retrieve(request, *args, **kwargs)
        return JSONDocument(found)

    def fast_record(self, request):
        record_id = self.requested_id()
        if record_id is None:
            return None
        names = self.shown_fields(request)
        try:
            key = KEY, shape_of_reader(self), names
        except Unsuited:
            return None
        statement = self.statements.get(key, lambda: self._one(names))
        row = statement.fetch({PERSON: request.user.pk, KEY: record_id})
        if row is None:
            raise self.not_found()
        return row[0].encode()

    def _one(self, names):
        rows = compiled_queryset(self).filter(pk=Slot(KEY, self.resource._meta.pk))
        return Statement(rows.annotate(document=document(self, names)).values_list("document"), keeps_plan=True)
