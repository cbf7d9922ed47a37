"""Lists as files: `GET …/export/?status=active&fields=name,email&format=jsonl`.

A file holds every row that the list would show to the person, in the list's order. It is sent after the request has
ended, when the middlewares have left the tenant: each page is read by a statement of its own, inside the scope that the
request had, and that scope is left before the page is sent. No transaction stays open while a client reads slowly.
"""

import csv
import io
import json
from functools import cached_property

from django.apps import apps
from django.conf import settings
from django.db import transaction
from django.db.models import Count
from django.http import StreamingHttpResponse
from django.utils.text import slugify
from rest_framework import serializers as drf
from rest_framework.decorators import action

from nexora.kernel import clock, events, scope
from nexora.kernel.api import fast, json_sql
from nexora.kernel.api.exceptions import NotAcceptable
from nexora.kernel.api.filters import FORMAT, FORMATS, requested_format
from nexora.kernel.api.formats import JSONNegotiation, JSONRenderer
from nexora.kernel.errors import NexoraError

MOST_ROWS = 1_000_000
PAGE = 500
# With which a spreadsheet takes a text for a formula, and does what it says.
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n")


class TooManyRows(NexoraError):
    """An export would hold more rows than a file may. Narrow it by filters, and fetch it in several parts."""

    status = 400
    code = "too_many_rows"
    title = "Too many rows"


# -- What is written


class CSVFile:
    """RFC 4180 with a header of field names. Empty is null; lists and objects are JSON."""

    title, media_types = "CSV", ("text/csv",)
    schema = {"type": "string"}

    def __init__(self, fields):
        self.fields = fields

    def head(self):
        return self._lines([self.fields])

    def page(self, documents):
        # Not by orjson, which reads whole numbers beyond 64 bits as floats.
        rows = map(json.loads, documents)
        return self._lines([cell(row[name], field) for name, field in self.fields.items()] for row in rows)

    @staticmethod
    def _lines(rows):
        text = io.StringIO(newline="")
        csv.writer(text).writerows(rows)
        return text.getvalue()


def cell(value, field):
    if value is None:
        return ""
    if isinstance(value, str) and not isinstance(field, drf.JSONField):
        is_formula = value.startswith(FORMULA_STARTS) and not isinstance(field, drf.DecimalField)
        return f"'{value}" if is_formula else value
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


class JSONLinesFile:
    """A JSON document a line, each as in the list."""

    title, media_types = "JSON lines", ("application/x-ndjson", "application/jsonl")
    schema = {"type": "string", "description": "Each line is one element of the list's `results`."}

    def __init__(self, fields):
        pass

    def head(self):
        return ""

    def page(self, documents):
        return "".join(f"{document}\n" for document in documents)


FILES = dict(zip(FORMATS, (CSVFile, JSONLinesFile), strict=True))


# -- The download


class Export:
    """Rows of `queryset`, which the caller has narrowed to the person's reach, as a file.

    order      the pagination.Order of the rows
    represent  function of records that answers their representations; None where PostgreSQL writes them
    by_tenant  over all tenants, one tenant's rows after the other's: the order then holds within each
    """

    def __init__(self, queryset, serializer_class, names, order, *, kind=FORMATS[0], represent=None, by_tenant=False):
        self.queryset, self.order, self.names = queryset, order, names
        self.model = queryset.model
        self.serializer_class, self.represent = serializer_class, represent
        self.by_tenant = by_tenant
        self.kind = kind
        fields = serializer_class().fields
        self.file = FILES[kind]({name: fields[name] for name in names})
        self.scope = scope.require("An export")

    def answer(self, request, asked):
        """The response. What was `asked`, {parameter: value}, goes into the trail before the first row is sent."""
        if request.method == "HEAD":
            return self._response(())
        count = self.queryset.order_by()[: MOST_ROWS + 1].count()
        if count > MOST_ROWS:
            raise TooManyRows(
                f"These are more than {MOST_ROWS:,} {self.model._meta.verbose_name_plural}. Narrow them by filters, "
                "such as a range of the time when they were made, and export them in several parts."
            )
        with transaction.atomic(), events.batch():
            self._tell(count, changes={"filters": [None, dict(asked)]})
            for tenant_id, rows in self._by_tenant():
                # Without the filters: what somebody looked for may be of another tenant.
                self._tell(rows, tenant_id=tenant_id)
        return self._response(self._chunks())

    def _tell(self, count, **where):
        label = f"{self.model._meta.verbose_name_plural}: {count:,} record{'s'[: count != 1]} as {self.file.title}"
        events.publish(events.list_change(events.EXPORTED, self.model, label, **where))

    def _by_tenant(self):
        """[(tenant's id, number of rows)] of the tenants whose rows the platform takes away with its own, or without
        any: their trails say so, too."""
        attname = self.model.tenant_attname
        if not self.scope.is_over_all_tenants or attname is None:
            return []
        others = self.queryset.order_by().exclude(**{attname: scope.PLATFORM_TENANT_ID})
        return list(others.values_list(attname).annotate(taken=Count("*")).order_by(attname))

    def _response(self, chunks):
        name = f"{slugify(self.model._meta.verbose_name_plural)}-{clock.now():%Y-%m-%d}.{self.kind}"
        return StreamingHttpResponse(
            chunks,
            content_type=f"{self.file.media_types[0]}; charset=utf-8",
            headers={"Content-Disposition": f'attachment; filename="{name}"'},
        )

    def _chunks(self):
        yield self.file.head()
        # Rows that change while they are read may come again in another place, though not for ever.
        left = MOST_ROWS
        with scope.resumed(self.scope):
            parts = self._parts()
        for queryset in parts:
            position, size = None, PAGE
            while size == PAGE and left:
                with scope.resumed(self.scope):
                    documents, position = self._page(queryset, position, min(PAGE, left))
                size = len(documents)
                left -= size
                if documents:
                    yield self.file.page(documents)

    def _parts(self):
        is_split = self.by_tenant and self.scope.is_over_all_tenants
        if not is_split or getattr(self.model, "tenant_field", None) != "tenant":
            return [self.queryset]
        tenants = apps.get_model(settings.TENANT_MODEL).objects.order_by("pk").values_list("pk", flat=True)
        return [self.queryset.filter(tenant=tenant_id) for tenant_id in tenants]

    def _page(self, queryset, position, size):
        """(documents, where they end)"""
        rows = self.order.page(queryset if self.represent else self._documents(queryset), position, size)
        if self.represent:
            documents = [JSONRenderer().render(shown).decode() for shown in self.represent(rows)]
        else:
            documents = [row.document for row in rows]
        return documents, self.order.position(rows[-1]) if rows else None

    def _documents(self, queryset):
        keys = dict.fromkeys([*(key.field for key in self.order.keys), self.order.tie.field])
        return queryset.annotate(document=self._document).values_list("document", *keys, named=True)

    @cached_property
    def _document(self):
        written = json_sql.fields_of(self.serializer_class)
        return fast.Document([(name, *written[name]) for name in self.names])


# -- The API


class FileNegotiation(JSONNegotiation):
    """The file of the `format` that is asked for, whichever of its types `Accept` names; errors are JSON as ever."""

    def select_renderer(self, request, renderers, format_suffix=None):
        file = FILES.get(request.query_params.get(FORMAT), CSVFile)
        families = [f"{kind.split('/')[0]}/*" for kind in file.media_types]
        accept = request.META.get("HTTP_ACCEPT") or "*/*"
        accepted = {part.split(";")[0].strip().lower() for part in accept.split(",")}
        if not accepted & {"*/*", *families, *file.media_types}:
            raise NotAcceptable(f"This is {file.title}. Send `Accept: {file.media_types[0]}`, or no Accept header.")
        return renderers[0], renderers[0].media_type


# No docstring: readers of the OpenAPI document would be shown it.
class Exported:
    @action(detail=False, content_negotiation_class=FileNegotiation)
    def export(self, request):
        """The rows that the list would show, all of them, as a file: CSV, or JSON lines.

        The CSV is as RFC 4180 has it, in UTF-8, with a header of field names. Nothing stands for null, lists and
        objects are JSON, and a text that begins with `=`, `+`, `-`, `@`, a tab or a line break gets an apostrophe
        before it, so that no spreadsheet takes it for a formula. JSON lines are as in the list. A file holds no more
        than 1,000,000 rows: if there are more, the answer is 400 `too_many_rows`. Each export is recorded in the
        audit trail.
        """
        rows = self.filter_queryset(self.get_queryset())
        params = request.query_params
        export = Export(
            rows,
            self.get_serializer_class(),
            self.shown_fields(request),
            self.get_order(),
            kind=requested_format(params),
            represent=None if self.fast else lambda records: self.get_serializer(records, many=True).data,
        )
        return export.answer(request, {name: params[name] for name in params if name != FORMAT})


PARAMETER = {
    "name": FORMAT,
    "in": "query",
    "required": False,
    "description": "The kind of file.",
    "schema": {"type": "string", "enum": list(FORMATS), "default": FORMATS[0]},
}  # of the OpenAPI document, beside those of the list
