"""What the router holds, found by walking it: a route added tomorrow is tested tomorrow."""

from dataclasses import dataclass
from uuid import UUID, uuid4

from django.urls import NoReverseMatch, get_resolver, reverse
from rest_framework import serializers

from apps.accounts.models import User
from nexora.kernel.api.viewsets import TenantRecords
from nexora.kernel.models import TenantModel
from nexora.kernel.permissions import METHOD_RIGHTS
from nexora.kernel.scope import tenant_scope, unscoped
from tests.factories import FACTORIES, PASSWORD

ROLES = ("guest", "user", "manager", "admin")


@dataclass(frozen=True)
class Route:
    """One address pattern of a viewset: `methods` maps HTTP methods to actions."""

    name: str
    viewset: type
    methods: tuple
    is_detail: bool

    def __str__(self):
        return self.name

    @property
    def model(self):
        return self.viewset.resource

    def address(self, record_id=None):
        return reverse(self.name, kwargs={"pk": str(record_id)} if self.is_detail else None)

    def right(self, action):
        return self.viewset.action_rights.get(action) or METHOD_RIGHTS[action]


def routes():
    found = []

    def walk(patterns, namespace):
        for pattern in patterns:
            if hasattr(pattern, "url_patterns"):
                inner = [*namespace, pattern.namespace] if pattern.namespace else namespace
                walk(pattern.url_patterns, inner)
                continue
            viewset = getattr(pattern.callback, "cls", None)
            actions = getattr(pattern.callback, "actions", None)
            if viewset and actions and issubclass(viewset, TenantRecords):
                name = ":".join([*namespace, pattern.name])
                methods = tuple((m, a) for m, a in actions.items() if m != "head")
                found.append(Route(name, viewset, methods, "pk" in pattern.pattern.regex.groupindex))

    walk(get_resolver().url_patterns, [])
    return found


def views_of_no_record():
    """Names of the API's other addresses."""
    found = set()

    def walk(patterns, namespace):
        for pattern in patterns:
            if hasattr(pattern, "url_patterns"):
                walk(pattern.url_patterns, [*namespace, pattern.namespace] if pattern.namespace else namespace)
            elif not issubclass(getattr(pattern.callback, "cls", object), TenantRecords):
                found.add(":".join([*namespace, pattern.name]))

    walk(next(p for p in get_resolver().url_patterns if str(p.pattern) == "api/v1/").url_patterns, [])
    return found


def door(name):
    """An address of a view of no record; what it wants to know of itself is the id of nothing."""
    try:
        return reverse(name)
    except NoReverseMatch:
        return reverse(name, args=[str(UUID(int=7))])


ALL = routes()
ON_TENANT = [route for route in ALL if "tenant" in route.viewset.hosts]
# Of records that belong to a tenant: the catalogue of plugins is the same for all.
DETAIL = [route for route in ON_TENANT if route.is_detail and issubclass(route.model, TenantModel)]
LISTS = [route for route in ON_TENANT if not route.is_detail and ("get", "list") in route.methods]


def writable_relations():
    """(route, method, field) for every writable relation to a tenant's records, of every viewset on a tenant's host."""
    found = []
    for route in ON_TENANT:
        for method, action in route.methods:
            if action not in ("create", "partial_update"):
                continue
            serializer = route.viewset.serializer_class
            create_only = getattr(serializer.Meta, "create_only", ()) if action == "partial_update" else ()
            for name, field in serializer().fields.items():
                if not isinstance(field, serializers.RelatedField) or field.read_only or name in create_only:
                    continue
                if issubclass(route.model._meta.get_field(name).related_model, TenantModel):
                    found.append((route, method, name))
    return found


def make(model, tenant, owner=None):
    """A row of `model`: the tenant's, where the table has tenants, and `owner`'s, where rows can be somebody's."""
    if model is type(tenant):
        return tenant
    factory = FACTORIES.get(model)
    if factory is None:
        return None
    names = [attname.removesuffix("_id") for attname in model.owner_fields if attname != "id"]
    owners = dict.fromkeys(names, owner) if owner else {}
    return factory(tenant=tenant, **owners) if issubclass(model, TenantModel) else factory(**owners)


# What a record must be like for an action to be possible, by attribute.
READY = {
    "cancel": {"status": "running"},
    "retry": {"status": "failed", "position": {"stack": [{"at": 0}], "chain": []}},
}


def ready_for(action, record):
    """The record, in a state in which the action makes sense."""
    if action in READY:
        with unscoped(reason="test data"):
            type(record).objects.filter(pk=record.pk).unpublished("test data").update(**READY[action])
            record.refresh_from_db()
    return record


def body_for(route, record, *, on_platform=False):
    """The body that would create a record like this one: its own representation, less what is read-only."""
    serializer = (on_platform and route.viewset.platform_serializer_class) or route.viewset.serializer_class
    with unscoped(reason="test data"):
        fresh = type(record).objects.get(pk=record.pk)
    with tenant_scope(fresh.owning_tenant_id):
        shown = serializer(fresh).data
    fields = serializer().fields
    body = {name: value for name, value in shown.items() if not fields[name].read_only}
    if "password" in fields:
        body |= {"password": f"correct-horse-{uuid4()}", "current_password": PASSWORD}
    return body


def bulk_body(action, *records):
    """The body of a bulk request about these records that changes as little as can be."""
    return {"ids": [str(record.pk) for record in records]} | ({"set": {}} if action == "bulk_update" else {})


def body_of_action(action, tenant):
    """What an action that is none of DRF's must be told."""
    return {"to": str(make(User, tenant).pk)} if action == "hand_over" else {}


def without_id(answer, record_id):
    """The answer's document with the id blanked out, to compare answers about different ids."""
    return answer.content.decode().replace(str(record_id), "<id>")


def unused(route, body, record):
    """The body with unique values that nobody has: the record itself is deleted where its whole body is its key."""
    if "email" in body:
        body["email"] = f"{uuid4()}@example.com"
    if "slug" in body:
        body["slug"] = uuid4().hex
    if "subdomain" in body:
        body["subdomain"] = f"t{uuid4().hex}"
    if "plugin" in body:
        with tenant_scope(record.tenant_id):
            type(record).objects.get(pk=UUID(str(record.pk))).delete()
    return body
