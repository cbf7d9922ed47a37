"""The base of every record's viewset. A viewset is a table of contents:

    class DealViewSet(TenantViewSet):
        queryset = Deal.objects.all()
        serializer_class = DealSerializer
        filterset_class = DealFilterSet
        ordering = ("-created_at",)
        search_fields = ("title",)

The base does the rest: which host serves it, who may do what (nexora.policy), one transaction around every write with
the row locked, and the same 404 for another tenant's id, an unknown id and no id at all.
"""

import re
from contextlib import nullcontext
from functools import cache
from uuid import UUID

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils.encoding import escape_uri_path
from rest_framework import mixins, viewsets
from rest_framework.permissions import SAFE_METHODS
from rest_framework.response import Response

from nexora.kernel import events, scope
from nexora.kernel.api import conditional, declarations, fast, idempotency
from nexora.kernel.api.bulk import Bulk
from nexora.kernel.api.declarations import PLATFORM, TENANT
from nexora.kernel.api.exceptions import NotFound, WrongHost, invalid
from nexora.kernel.api.exports import Exported
from nexora.kernel.api.filters import (
    FIELDS,
    FilterBackend,
    refused_parameters,
    requested_fields,
    requested_ordering,
)
from nexora.kernel.api.formats import JSONNegotiation, StrictJSONParser
from nexora.kernel.api.pagination import KeysetPagination, Order
from nexora.kernel.errors import Forbidden
from nexora.kernel.permissions import (
    PolicyPermission,
    ensure_may_take_along,
    ensure_person,
    may,
    narrow,
    why_not,
)
from nexora.kernel.statements import KEY, Statements

CANONICAL_ID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
# Actions whose answers `fields` narrows.
READS = ("list", "retrieve", "export")
# Actions that answer with a record, and so with its ETag.
TAGGED = ("retrieve", "create", "update", "partial_update")


@cache
def one_of_each(classes):
    """Instances that all requests share: none of them keeps anything of a request."""
    return [made() for made in classes]


def on_platform():
    return scope.require("Choosing the host's records").is_platform


def ensure_served_here(hosts):
    """WrongHost, naming the right one, unless this host is one of `hosts`."""
    is_platform = on_platform()
    if (PLATFORM if is_platform else TENANT) not in hosts:
        raise WrongHost(
            f"The platform's host, {settings.BASE_DOMAIN}, serves this."
            if not is_platform
            else f"An organisation's host serves this: <subdomain>.{settings.BASE_DOMAIN}."
        )


class TenantRecords(viewsets.GenericViewSet):
    """
    queryset                   the model's rows; the tenant, the policy's reach and narrow_queryset() are put to it
    serializer_class           a TenantModelSerializer
    platform_queryset          other rows, for the platform's host
    platform_serializer_class  the serializer for the platform's host, where that differs
    filterset_class            a TenantFilterSet
    ordering                   the order of a list that asks for none
    ordering_fields            what a list may be ordered by; default: every plain column that is shown
    search_fields              columns that `search` looks at; none: no search
    action_rights              {extra action: right of nexora.policy}
    for_people                 actions that no program may do, whatever its key's scopes
    lock_for_themselves        extra actions that get their record unlocked, as their service locks it with others
    filtered_actions           those that take filters and more; the others take no parameter
    hosts                      which hosts serve it: "tenant", "platform" or both
    created_status             what a POST to the list is answered with: 202 where what it asks for is yet to be done
    fast                       list and retrieve take the fast path: see nexora.kernel.api.fast
    bulk                       of a TenantViewSet: bulk-update and bulk-delete, see nexora.kernel.api.bulk
    secret_actions             extra actions whose answers show a secret, likewise
    secret_serializer_class    the serializer of a create's answer that shows a secret, this once: no answer is kept, so
                               an Idempotency-Key is refused; it has no ETag, and no cache may store it
    """

    filterset_class = None
    platform_queryset = None
    platform_serializer_class = None
    secret_serializer_class = None
    secret_actions = ()
    ordering = ()
    ordering_fields = ()
    search_fields = ()
    action_rights = {}
    for_people = ()
    lock_for_themselves = ()
    filtered_actions = ("list", "export")
    hosts = (TENANT,)
    created_status = 201
    # The writes (all: True) that ask the database if the person is still who the token says, and its session lives:
    # where people could undo being suspended, or make a way in that outlasts it. Elsewhere an access token holds for
    # its few minutes.
    confirms_account = ()
    # Whether what a refused write has left is stored: said by whoever has taken back what must not be.
    keeps_refusal = False
    is_platform = False
    fast = False

    lookup_value_regex = "[^/]+"
    filter_backends = (FilterBackend,)
    pagination_class = KeysetPagination
    permission_classes = (PolicyPermission,)
    parser_classes = (StrictJSONParser,)
    content_negotiation_class = JSONNegotiation
    metadata_class = None

    def __init_subclass__(cls, **kwargs):
        super().__init_subclass__(**kwargs)
        declarations.refuse_overrides(cls)
        if cls.queryset is not None:
            declarations.check(cls)
            cls.resource = cls.queryset.model
            cls.ordering_fields = cls.ordering_fields or declarations.orderable(cls)
            cls.statements = Statements()
            if cls.fast:
                fast.check(cls)

    # -- The request

    def get_authenticators(self):
        return one_of_each(tuple(self.authentication_classes))

    def get_permissions(self):
        return one_of_each(tuple(self.permission_classes))

    def get_parsers(self):
        return one_of_each(tuple(self.parser_classes))

    def get_renderers(self):
        return one_of_each(tuple(self.renderer_classes))

    def dispatch(self, request, *args, **kwargs):
        """DRF's, with the handler of a write inside one transaction, and on the platform's host outside any tenant."""
        self.args, self.kwargs = args, kwargs
        self.request = request = self.initialize_request(request, *args, **kwargs)
        self.headers = self.default_response_headers
        try:
            self.initial(request, *args, **kwargs)
            handler = getattr(self, request.method.lower(), self.http_method_not_allowed)
            if request.method.lower() not in self.http_method_names:
                handler = self.http_method_not_allowed
            with self.across_tenants():
                response = self.read(handler) if request.method in SAFE_METHODS else self.write(handler)
        except Exception as exc:
            response = self.handle_exception(exc)
        self.response = self.finalize_response(request, response, *args, **kwargs)
        return self.response

    def across_tenants(self):
        if not self.is_platform:
            return nullcontext()
        # Escaped and by id: this becomes a line of the log, and both path and name are other people's text.
        path = escape_uri_path(self.request.path)
        return scope.unscoped(reason=f"platform API: {self.request.method} {path} by {self.request.user.pk}")

    def read(self, handler):
        return self.answer(handler)

    def write(self, handler):
        self.before_transaction()
        with transaction.atomic():
            if self.confirms_account is True or self.action in self.confirms_account:
                self.confirm_account()
            with events.batch():
                if self.shows_secret():
                    idempotency.refuse(self.request)
                response = idempotency.once(self.request, lambda: self.answer(handler))
            if response.status_code >= 400 and not self.keeps_refusal:
                transaction.set_rollback(True)
        return response

    def before_transaction(self):
        """Override for what must stay although the write is refused."""

    def confirm_account(self):
        self.request.successful_authenticator.ensure_current(self.request.user)

    def answer(self, handler):
        response = handler(self.request, *self.args, **self.kwargs)
        if self.shows_secret():
            response["Cache-Control"] = "no-store"
            return response
        # Of an answer that `fields` narrowed, the ETag would be another one: it has none.
        if self.action in TAGGED and response.status_code < 300 and FIELDS not in self.request.query_params:
            return conditional.tagged(self.request, response)
        return response

    def shows_secret(self):
        shows = self.action == "create" and self.secret_serializer_class is not None
        return shows or self.action in self.secret_actions

    def initial(self, request, *args, **kwargs):
        self.is_platform = on_platform()
        ensure_served_here(self.hosts)
        super().initial(request, *args, **kwargs)
        if self.action is None:
            return
        if self.is_platform:
            if request.user.role != "super_admin":
                raise Forbidden("Only a super admin works across organisations. Sign in on your organisation's host.")
            ensure_person(request.user)
        if self.action in self.for_people:
            ensure_person(request.user)
        known = (FIELDS,) if self.action == "retrieve" else ()
        if self.action not in self.filtered_actions and (errors := refused_parameters(request.query_params, known)):
            raise invalid(errors)

    def permission_denied(self, request, message=None, code=None):
        if request.authenticators and not request.successful_authenticator:
            super().permission_denied(request, message, code)
        raise why_not(request.user, self.resource, PolicyPermission.right(self))

    def options(self, request, *args, **kwargs):
        """The methods of this address, in the Allow header."""
        return Response(status=204)

    # -- The rows

    def get_queryset(self):
        return self.narrow_queryset(narrow(self.rows(), self.request.user, "view"))

    def rows(self):
        """What this host shows, before anybody's reach."""
        widened = self.is_platform and self.platform_queryset is not None
        return (self.platform_queryset if widened else self.queryset).all()

    def narrow_queryset(self, queryset):
        """Override to show less than the tenant and the policy allow."""
        return queryset

    def get_object(self):
        record_id = self.requested_id()
        record = record_id and self.find(record_id)
        if record is None:
            raise self.not_found()
        self.ensure_may_touch(record)
        if self.request.method not in SAFE_METHODS and conditional.is_conditional(self.request):
            conditional.ensure_as_expected(self.request, conditional.etag_of(self.get_serializer(record).data))
        return record

    def ensure_may_touch(self, record):
        """Forbidden, unless the policy lets the person do to this record what the request is about."""
        right = PolicyPermission.right(self)
        if right != "view" and record.is_above(self.request.user):
            raise Forbidden(f"{record} is above your own role, {self.request.user.role}.")
        if not may(self.request.user, record, right):
            raise Forbidden(
                f"Your role, {self.request.user.role}, may {right} only those "
                f"{self.resource._meta.verbose_name_plural} that name you as theirs."
            )

    def find(self, record_id):
        """The record, or None; locked, where the request is a write."""
        is_locked_later = self.action in self.lock_for_themselves
        if self.fast and not is_locked_later and (statement := fast.finding(self)):
            return statement.record({fast.PERSON: self.request.user.pk, KEY: record_id})
        rows = self.get_queryset()
        return (rows if is_locked_later else self.locked(rows)).filter(pk=record_id).first()

    def locked(self, queryset):
        if self.request.method in SAFE_METHODS:
            return queryset
        # An edit leaves the key alone, so it need not hold up inserts that point at the row; a deletion must.
        deletes = self.request.method == "DELETE" or self.action == "bulk_delete"
        return queryset.select_for_update(of=("self",), no_key=not deletes)

    def requested_id(self):
        """The id in the address; None if it is none."""
        text = self.kwargs[self.lookup_field]
        return UUID(text) if CANONICAL_ID.fullmatch(text) else None

    def not_found(self):
        return NotFound(f"There is no {self.resource._meta.verbose_name} with this id that you may see.")

    def get_order(self):
        return Order(self.resource, requested_ordering(self, self.request.query_params))

    # -- The fields

    def shown_names(self):
        """Names of every field of an answer."""
        return self.get_serializer_class().shown_names()

    def shown_fields(self, request):
        """Names of the fields that this answer shows, in order: all of them unless `fields` asks for less."""
        try:
            return requested_fields(self.shown_names(), request.query_params)
        except ValidationError as error:
            raise invalid({FIELDS: error.messages}) from error

    def get_serializer(self, *args, **kwargs):
        if self.action in READS and FIELDS in self.request.query_params:
            kwargs["shown"] = self.shown_fields(self.request)
        return super().get_serializer(*args, **kwargs)

    def get_serializer_class(self):
        # Also asked by the documentation, which is written for the host that it is read on.
        current = scope.current()
        if self.platform_serializer_class and (self.is_platform or (current and current.is_platform)):
            return self.platform_serializer_class
        return self.serializer_class


class CreateRecord(mixins.CreateModelMixin):
    def create(self, request, *args, **kwargs):
        serializer = self.get_serializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        self.perform_create(serializer)
        shown = self.secret_serializer_class(serializer.instance) if self.shows_secret() else serializer
        return Response(shown.data, status=self.created_status, headers=self.get_success_headers(shown.data))

    def perform_create(self, serializer):
        serializer.save(**self.maker(serializer.validated_data))

    def maker(self, given):
        """{attname: id} making the record the person's own, where the body names nobody."""
        if self.is_platform:
            return {}
        names = {attname: attname.removesuffix("_id") for attname in self.resource.owner_fields if attname != "id"}
        return {attname: self.request.user.pk for attname, name in names.items() if name not in given}

    def get_success_headers(self, data):
        return {"Location": f"{self.request.path}{data['id']}/"}


class TenantViewSet(
    Bulk,
    Exported,
    fast.FastList,
    CreateRecord,
    fast.FastRetrieve,
    mixins.UpdateModelMixin,
    mixins.DestroyModelMixin,
    TenantRecords,
):
    """Everything that ModelViewSet does, and exports; writes of many records where it says `bulk = True`."""

    def perform_destroy(self, record):
        ensure_may_take_along(self.request.user, record)
        record.delete()


class ReadOnlyTenantViewSet(Exported, fast.FastList, fast.FastRetrieve, TenantRecords):
    """List, retrieve and export."""
