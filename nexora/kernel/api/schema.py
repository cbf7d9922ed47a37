"""The OpenAPI document: written for the host that it is read on, with every error described once."""

from drf_spectacular.contrib.django_filters import DjangoFilterExtension
from drf_spectacular.extensions import OpenApiSerializerFieldExtension
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.plumbing import get_lib_doc_excludes
from drf_spectacular.utils import OpenApiParameter

from nexora.kernel import scope
from nexora.kernel.api import bulk, exceptions, exports, idempotency, viewsets
from nexora.kernel.api.conditional import IF_MATCH, IF_NONE_MATCH, PreconditionFailed
from nexora.kernel.api.declarations import PLATFORM, TENANT
from nexora.kernel.api.filters import FIELDS, MAX_ORDERING, MAX_VALUES, ORDERING, SEARCH
from nexora.kernel.api.serializers import TenantModelSerializer
from nexora.kernel.errors import Conflict, Forbidden, Invalid, NotSignedIn
from nexora.kernel.json import validate_list, validate_object

DOCUMENTED = {
    "400": (Invalid, "A parameter or a field is wrong; `errors` says which and why."),
    "401": (NotSignedIn, "No access token, or one that is no longer good."),
    "403": (Forbidden, "The person's role does not allow this."),
    "404": (exceptions.NotFound, "No such record, or none that the person may see."),
    "406": (exceptions.NotAcceptable, "The Accept header admits no JSON."),
    "409": (Conflict, "The records are in a state that forbids it, or the value is taken."),
    "412": (PreconditionFailed, "The record has changed: its ETag is not the one in `If-Match`."),
    "413": (exceptions.TooLarge, "The body is too large."),
    "414": (exceptions.UriTooLong, "The query is too long."),
    "415": (exceptions.UnsupportedMediaType, "The body is not declared as JSON."),
    "422": (idempotency.KeyReused, "The `Idempotency-Key` has been used for another body."),
    "429": (exceptions.TooManyRequests, "Too many requests; `Retry-After` says how long to wait."),
}
# Of every answer to people and programs of the organisation.
HEADERS = {
    "RateLimit-Policy": {
        "description": "How many requests the organisation's plan allows: `q` in each window of `w` seconds.",
        "schema": {"type": "string", "pattern": '^"plan";q=[0-9]+;w=[0-9]+$'},
    },
    "RateLimit": {
        "description": "How many of them are left: `r`, for the next `t` seconds, after which a new window begins.",
        "schema": {"type": "string", "pattern": '^"plan";r=[0-9]+;t=[0-9]+$'},
    },
}
RETRY_AFTER = {"description": "Seconds to wait before the next request.", "schema": {"type": "integer", "minimum": 1}}
PROBLEM = {
    "type": "object",
    "description": "An error, as RFC 9457 has it.",
    "required": ["type", "title", "status", "code", "detail", "instance"],
    "properties": {
        "type": {"type": "string", "description": "Path of a page about this kind of error."},
        "title": {"type": "string", "description": "The kind in a few words."},
        "status": {"type": "integer", "minimum": 400, "maximum": 599},
        "code": {
            "type": "string",
            "description": "The kind in a word that never changes: what a program should look at.",
        },
        "detail": {"type": "string", "description": "What happened, and what to do."},
        "instance": {"type": "string", "description": "Path of the request."},
        "errors": {
            "type": "object",
            "description": "Sentences by field or parameter.",
            "additionalProperties": {"type": "array", "items": {"type": "string"}},
        },
    },
}


class ApiSchema(AutoSchema):
    def get_tags(self):
        return [self.path.removeprefix("/api/v1/").split("/")[0]]

    def get_operation_id(self):
        action = self._action()
        is_ours = action == "export" or action in bulk.ANSWERS
        return f"{self.get_tags()[0].replace('-', '_')}_{action}" if is_ours else super().get_operation_id()

    def get_filter_backends(self):
        is_filtered = self._action() in getattr(self.view, "filtered_actions", ())
        return self.view.filter_backends if is_filtered else super().get_filter_backends()

    def get_request_serializer(self):
        if self._action() in bulk.ANSWERS:
            return {"application/json": self._bulk_body()}
        return super().get_request_serializer()

    def _get_request_body(self, direction="request"):
        body = super()._get_request_body(direction)
        if self._action() in bulk.ANSWERS:
            body["required"] = True
        return body

    def get_response_serializers(self):
        match self._action():
            case "aggregate":
                return {200: self.view.aggregates.answer_schema(self.view.queryset.model)}
            case "export":
                return {(200, file.media_types[0]): file.schema for file in exports.FILES.values()}
            case "bulk_update" | "bulk_delete" as action:
                counted = {bulk.ANSWERS[action]: {"type": "integer", "minimum": 1, "maximum": bulk.MOST_RECORDS}}
                return {200: {"type": "object", "required": list(counted), "properties": counted}}
        if self._shows_secret():
            return self.view.secret_serializer_class()
        serializers = super().get_response_serializers()
        is_put_off = self._action() == "create" and getattr(self.view, "created_status", 201) != 201
        return {self.view.created_status: serializers} if is_put_off else serializers

    def _action(self):
        return getattr(self.view, "action", None)

    def _bulk_body(self):
        ids = {"type": "array", "items": {"type": "string", "format": "uuid"}, "uniqueItems": True}
        properties = {bulk.IDS: ids | {"minItems": 1, "maxItems": bulk.MOST_RECORDS}}
        if self.view.action == "bulk_update":
            changes = self.view.get_serializer_class()(self.view.queryset.model(), partial=True)
            properties[bulk.SET] = self.resolve_serializer(changes, "request").ref
        return {"type": "object", "required": list(properties), "properties": properties, "additionalProperties": False}

    def _shows_secret(self):
        return isinstance(self.view, viewsets.TenantRecords) and self.view.shows_secret()

    def get_override_parameters(self):
        if not isinstance(self.view, viewsets.TenantRecords):
            return []
        return [*self._fields_parameter(), *self._conditional_parameters(), *self._idempotency_parameters()]

    def _idempotency_parameters(self):
        if self.method == "POST" and not self._shows_secret():
            words = "Any text of your own: within 24 hours, the same request with it is answered again, not repeated."
            yield _header(idempotency.HEADER, words, {"type": "string", "pattern": f"^{idempotency.KEY.pattern}$"})
            words = "`true` where this is the answer of an earlier request with the same `Idempotency-Key`."
            yield _header(idempotency.REPLAYED, words, response=[self._good_status()])

    def _conditional_parameters(self):
        action = self.view.action
        if action == "retrieve":
            yield _header(IF_NONE_MATCH, "ETags that you have; 304 without a body if the record still has one of them.")
        elif action in ("update", "partial_update", "destroy"):
            yield _header(IF_MATCH, "The ETag of the record as you know it; 412 if it has changed since. `*`: any.")
        if action in viewsets.TAGGED and not self._shows_secret():
            words = "Hash of the full representation; not given with `fields`."
            yield _header("ETag", words, response=[self._good_status()])

    def _good_status(self):
        return self.view.created_status if self.view.action == "create" else 200

    def _fields_parameter(self):
        view = self.view
        if view.action not in viewsets.READS:
            return []
        names = {"type": "array", "items": {"type": "string", "enum": list(view.shown_names())}, "minItems": 1}
        description = "The only fields to show, between commas. The answer then lacks the others, required or not."
        return [OpenApiParameter(FIELDS, names, required=False, description=description, style="form", explode=False)]


def _header(name, description, schema=str, **where):
    return OpenApiParameter(name, schema, OpenApiParameter.HEADER, required=False, description=description, **where)


class FilterBackendExtension(DjangoFilterExtension):
    """A list's filters, and `search` and `ordering`, which django-filter does not know."""

    target_class = "nexora.kernel.api.filters.FilterBackend"
    priority = 1

    def get_schema_operation_parameters(self, auto_schema, *args, **kwargs):
        view = auto_schema.view
        action = getattr(view, "action", None)
        if action not in getattr(view, "filtered_actions", ()):
            return []
        parameters = super().get_schema_operation_parameters(auto_schema, *args, **kwargs)
        for parameter in parameters:
            _refuse_blanks(parameter["schema"])
        if view.search_fields:
            parameters.append(
                {
                    "name": SEARCH,
                    "in": "query",
                    "required": False,
                    "description": f"How {' or '.join(view.search_fields)} begins; of several words, each one of them.",
                    "schema": {"type": "string", "maxLength": 200},
                }
            )
        if action == "aggregate":
            return [*view.aggregates.parameters(), *parameters]
        if action == "export":
            parameters.insert(0, exports.PARAMETER)
        fields = "|".join(view.ordering_fields)
        parameters.append(
            {
                "name": ORDERING,
                "in": "query",
                "required": False,
                "description": f"Up to {MAX_ORDERING} of {', '.join(view.ordering_fields)}; `-` for descending.",
                "schema": {
                    "type": "string",
                    "pattern": f"^-?({fields})(,-?({fields})){{0,{MAX_ORDERING - 1}}}$",
                    "default": ",".join(view.ordering),
                },
            }
        )
        return parameters


def _refuse_blanks(schema):
    """An empty value is no filter: TenantFilterSet refuses it."""
    if schema["type"] == "array":
        schema |= {"minItems": 1, "maxItems": MAX_VALUES}
        if schema["items"].keys() == {"type"}:
            schema["items"]["pattern"] = r"^[^,]*[^,\s][^,]*$"
    elif schema == {"type": "string"}:
        schema["pattern"] = r"\S"


class JSONExtension(OpenApiSerializerFieldExtension):
    """What the column's validator takes. Never just `{}`: with null added that would be `oneOf: [{}, null]`, which null
    itself does not satisfy."""

    target_class = "nexora.kernel.api.serializers.JSONField"

    def map_serializer_field(self, auto_schema, direction):
        column = self.target.parent.Meta.model._meta.get_field(self.target.source)
        is_filled = direction == "request" and not column.blank
        if validate_object in column.validators:
            return {"type": "object"} | ({"minProperties": 1} if is_filled else {})
        if validate_list in column.validators:
            return {"type": "array", "items": {}} | ({"minItems": 1} if is_filled else {})
        return {"type": ["object", "array", "string", "number", "boolean"]}


class MoneyExtension(OpenApiSerializerFieldExtension):
    """Answers are text; requests may be numbers too."""

    target_class = "nexora.kernel.api.serializers.MoneyField"

    def map_serializer_field(self, auto_schema, direction):
        whole = self.target.max_digits - self.target.decimal_places
        limits = {"minimum": self.target.min_value, "maximum": self.target.max_value}
        sign = "" if direction == "request" and limits["minimum"] is not None and limits["minimum"] >= 0 else "-?"
        pattern = rf"{sign}\d{{1,{whole}}}(\.\d{{1,{self.target.decimal_places}}})?"
        # Empty text is null, as in every other field that takes null.
        pattern = f"^({pattern})?$" if direction == "request" and self.target.allow_null else f"^{pattern}$"
        text = {"type": "string", "format": "decimal", "pattern": pattern}
        number = {"type": "number"} | {name: float(limit) for name, limit in limits.items() if limit is not None}
        return {"oneOf": [text, number]} if direction == "request" else text


# -- Hooks of drf-spectacular (settings.SPECTACULAR_SETTINGS)


def own_words_only():
    """Classes whose docstrings speak to authors of viewsets and serializers, not to readers of the document."""
    bases = (viewsets.TenantRecords, viewsets.TenantViewSet, viewsets.ReadOnlyTenantViewSet, TenantModelSerializer)
    return [*get_lib_doc_excludes(), *bases]


def host_endpoints(endpoints):
    """The endpoints that this host serves; outside any scope (the command) a tenant's."""
    current = scope.current()
    host = PLATFORM if current and current.is_platform else TENANT
    return [endpoint for endpoint in endpoints if host in getattr(endpoint[3].cls, "hosts", (host,))]


def document_problems(result, generator, request, public):
    """Every operation gets the errors it may answer, all of one shape."""
    _drop(result, "x-spec-enum-id")
    components = result.setdefault("components", {})
    components.setdefault("schemas", {})["Problem"] = PROBLEM
    components["responses"] = {
        kind.__name__: {
            "description": sentence,
            "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
        }
        for kind, sentence in DOCUMENTED.values()
    }
    components["headers"] = HEADERS
    references = {name: {"$ref": f"#/components/headers/{name}"} for name in HEADERS}
    for response in components["responses"].values():
        response["headers"] = dict(references)
    components["responses"]["TooManyRequests"]["headers"] = references | {"Retry-After": RETRY_AFTER}
    for path, operations in result["paths"].items():
        for method, operation in operations.items():
            answers = {"400", "406", "414", "429"}
            if any(operation.get("security") or ()):
                answers |= {"401", "403"}
            elif method == "post":
                answers |= {"401"}
            if "{" in path or path.endswith(bulk.ADDRESSES):
                answers.add("404")
            if method != "get":
                answers.add("409")
            names = {parameter["name"] for parameter in operation.get("parameters", ())}
            if idempotency.HEADER in names:
                answers.add("422")
            if IF_MATCH in names:
                answers.add("412")
            if IF_NONE_MATCH in names:
                operation["responses"]["304"] = {"description": "The record is as you have it."}
            if "requestBody" in operation:
                answers |= {"413", "415"}
            for response in operation["responses"].values():
                response["headers"] = response.get("headers", {}) | references
            for status in sorted(answers - operation["responses"].keys()):
                operation["responses"][status] = {"$ref": f"#/components/responses/{DOCUMENTED[status][0].__name__}"}
    return result


def _drop(node, key):
    """drf-spectacular's own note, which its hook for enums would have removed."""
    if isinstance(node, dict):
        node.pop(key, None)
        node = node.values()
    elif not isinstance(node, list):
        return
    for inner in node:
        _drop(inner, key)
