"""What a viewset must declare and may not replace, checked when the class is made: a mistake never serves a request."""

from nexora.kernel.api.filters import TenantFilterSet, can_order_by
from nexora.kernel.api.pagination import KeysetPagination
from nexora.kernel.api.serializers import TenantModelSerializer
from nexora.kernel.models import Record
from nexora.kernel.permissions import METHOD_RIGHTS

TENANT, PLATFORM = "tenant", "platform"
HOSTS = (TENANT, PLATFORM)
# Whose classes may define what is guarded.
BASES = (
    "nexora.kernel.api.viewsets",
    "nexora.kernel.api.fast",
    "nexora.kernel.api.exports",
    "nexora.kernel.api.bulk",
    "rest_framework.",
    "django.",
)

# What a subclass may not replace, and what it replaces instead.
BY_POLICY = "but rights are read from nexora.policy. Change the table there; extra actions go into action_rights"
GUARDED = {
    "get_queryset": "which carries the tenant. Override narrow_queryset(qs)",
    "get_object": "which finds and locks the row inside the policy's reach. Override narrow_queryset(qs)",
    "rows": "which knows the host. Name a platform_queryset beside queryset",
    "export": "which streams and is recorded. Override narrow_queryset(qs)",
    "bulk_update": "which takes all or none. Override perform_update(serializer)",
    "bulk_delete": "which takes all or none. Override perform_destroy(record)",
    "get_objects": "which finds and locks the rows inside the policy's reach. Override narrow_queryset(qs)",
    "ensure_may_touch": BY_POLICY,
    "find": "which finds and locks the row inside the policy's reach. Override narrow_queryset(qs)",
    "locked": "which locks the row of a write. Override narrow_queryset(qs)",
    "filter_queryset": "which checks every parameter by name. Declare filters in filterset_class",
    "filter_backends": "which check every parameter by name. Declare filters in filterset_class",
    "permission_classes": BY_POLICY,
    "get_permissions": BY_POLICY,
    "check_permissions": BY_POLICY,
    "check_object_permissions": BY_POLICY,
    "authentication_classes": "but who may sign in is the project's setting, the same everywhere",
    "dispatch": "which holds the transaction. Override perform_create, perform_update or perform_destroy",
    "initial": "which checks host and rights. Override perform_create, perform_update or perform_destroy",
    "list": "which pages by key. Override narrow_queryset(qs), or name a subclass of KeysetPagination",
    "create": "which answers 201. Override perform_create(serializer)",
    "update": "which locks the row. Override perform_update(serializer)",
    "partial_update": "which locks the row. Override perform_update(serializer)",
    "destroy": "which locks the row. Override perform_destroy(record)",
    "get_serializer_class": "which knows the host. Name a platform_serializer_class beside serializer_class",
}  # fmt: skip


def refuse_overrides(cls):
    for parent in cls.__mro__:
        if parent.__module__.startswith(BASES):
            continue
        for name in GUARDED.keys() & vars(parent).keys():
            raise TypeError(f"{parent.__name__} overrides {name}, {GUARDED[name]}.")


def check(cls):
    def refuse(sentence):
        raise TypeError(f"{cls.__name__} {sentence}")

    model = cls.queryset.model
    if not issubclass(model, Record):
        refuse(f"serves {model.__name__}, which is no Record of nexora.kernel.models.")
    if set(cls.hosts) - set(HOSTS) or not cls.hosts or isinstance(cls.hosts, str):
        refuse(f'has hosts = {cls.hosts!r}; it takes ("tenant",), ("platform",) or both.')
    if cls.platform_queryset is not None and cls.platform_queryset.model is not model:
        refuse(
            f"has a platform_queryset of {cls.platform_queryset.model.__name__}, and a queryset of {model.__name__}."
        )
    for name in ("serializer_class", "platform_serializer_class", "secret_serializer_class"):
        serializer = getattr(cls, name)
        if serializer is None and name != "serializer_class":
            continue
        if serializer is None or not issubclass(serializer, TenantModelSerializer):
            refuse(f"needs {name}, a TenantModelSerializer.")
        if serializer.Meta.model is not model:
            refuse(f"serves {model.__name__}, but {name} is for {serializer.Meta.model.__name__}.")
    if cls.filterset_class is None or not issubclass(cls.filterset_class, TenantFilterSet):
        refuse("needs filterset_class, a TenantFilterSet.")
    if not issubclass(cls.pagination_class, KeysetPagination):
        refuse("needs a KeysetPagination.")
    if not cls.ordering or isinstance(cls.ordering, str):
        refuse('needs ordering, a tuple such as ("-created_at",).')
    columns = {field.name for field in model._meta.concrete_fields}
    for name in (*(name.removeprefix("-") for name in cls.ordering), *cls.ordering_fields, *cls.search_fields):
        if name not in columns:
            refuse(f"orders or searches by {name}, which is no column of {model.__name__}.")
    reserved = {"search", "ordering", "fields", "count", "format", *cls.pagination_class.parameters}
    if clash := reserved & cls.filterset_class.base_filters.keys():
        refuse(f"has a filter called {clash.pop()}, a name that lists keep for themselves.")
    for action in cls.get_extra_actions():
        name = action.__name__
        if action.kwargs.keys() & GUARDED.keys():
            refuse(f"gives its action {name} permissions of its own. Name its right in action_rights.")
        if name not in METHOD_RIGHTS and name not in cls.action_rights:
            refuse(f'has the action {name} but no right for it: action_rights = {{"{name}": "update"}}.')


def orderable(cls):
    """Columns that an answer shows. By no other: the order tells of it, and the cursor is made of its values."""
    model, written_only = cls.queryset.model, write_only(cls.serializer_class)
    shown = {*cls.serializer_class.Meta.fields} - model.redacted - written_only
    return tuple(column.name for column in model._meta.concrete_fields if column.name in shown and can_order_by(column))


def write_only(serializer_class):
    options = getattr(serializer_class.Meta, "extra_kwargs", {})
    declared = {name for name, field in serializer_class._declared_fields.items() if field.write_only}
    return declared | {name for name, given in options.items() if given.get("write_only")}
