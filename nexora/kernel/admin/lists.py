"""Lists of any length: counts that stop, searches by prefix, order by an index."""

import uuid

from django.apps import apps
from django.conf import settings
from django.contrib.admin.utils import get_fields_from_path
from django.contrib.admin.views.main import ORDER_VAR
from django.contrib.admin.views.main import ChangeList as DjangoChangeList
from django.core.exceptions import FieldDoesNotExist, ValidationError
from django.core.paginator import Paginator
from django.db.models import BooleanField, F, Func, OrderBy
from django.db.models.constants import LOOKUP_SEP
from django.utils.functional import cached_property

from nexora.kernel import scope
from nexora.kernel.api.filters import MAX_SEARCH_LENGTH, MAX_SEARCH_WORDS, search_condition
from nexora.kernel.copies import Copy

# An exact count reads every row; nobody pages further than this.
MOST_COUNTED = 10_000


class CappedPaginator(Paginator):
    """Counts to MOST_COUNTED and no further: the rows beyond are reached by searching and filtering."""

    template_name = "admin/pagination_capped.html"

    @cached_property
    def count(self):
        if isinstance(self.object_list, (list, tuple)):
            return len(self.object_list)
        # In the list's order, out of its index: in no order a table would be read from its beginning, past the rows of
        # every older tenant.
        return self.object_list[: MOST_COUNTED + 1].count()

    @cached_property
    def is_capped(self):
        return self.count > MOST_COUNTED

    @property
    def count_text(self):
        return f"{MOST_COUNTED:,}+" if self.is_capped else f"{self.count:,}"


def newest_first(column):
    """The order that `nexora.kernel.db.indexes.newest_first` serves."""
    return [F(column).desc(nulls_last=True), "-id"]


# -- Over all tenants


class OfSomeTenant(Func):
    """True of every row, and says so in a way that lets PostgreSQL look tenant by tenant.

    Every index begins with the tenant. Without a word about it one would have to be read from end to end, or a second
    one kept for the few people of the platform at the price of every tenant's writes.
    """

    output_field = BooleanField()
    arity = 1

    def as_sql(self, compiler, connection, **context):
        column, params = compiler.compile(self.source_expressions[0])
        tenants = connection.ops.quote_name(apps.get_model(settings.TENANT_MODEL)._meta.db_table)
        return f"{column} = ANY (ARRAY(SELECT id FROM {tenants}))", params  # noqa: S608 (a name)


def name_tenant(queryset, model=None, path=()):
    """`queryset` with a word about the tenant of its rows, or of those of `model` to which `path` leads from them."""
    model = model or queryset.model
    if getattr(model, "tenant_field", None) != "tenant" or not model._meta.managed:
        return queryset
    current = scope.require("A list")
    tenant = LOOKUP_SEP.join([*path, "tenant"])
    if current.is_over_all_tenants:
        return queryset.filter(OfSomeTenant(F(tenant)))
    # Of its own rows the queryset says so by itself. The policy alone leaves the planner with a tenant of average size.
    return queryset.filter(**{tenant: current.tenant_id}) if path else queryset


# -- Order


def order_of(model, name):
    """The ascending order by a column that an index has: [OrderBy], the tenant's first; None where none has it."""
    try:
        column = model._meta.get_field(name)
    except FieldDoesNotExist:
        return None
    if column.is_relation:
        return None
    if name in model.scaled:
        return [OrderBy(F("tenant")), OrderBy(Copy(name)), OrderBy(F("id"))]
    if name in model.searched:
        # Equal ones stand as the index has them; to sort those by id could be to sort them all.
        return [OrderBy(F("tenant")), OrderBy(Copy(name))]
    for index in model._meta.indexes:
        keys = _keys(index)
        names = [key.expression.name for key in keys]
        if names[:2] == ["tenant", name] and names[-1] == "id":
            return backwards(keys) if keys[1].descending else keys
    return None


def backwards(keys):
    turned = [key.copy() for key in keys]
    for key in turned:
        key.reverse_ordering()
    return turned


def _keys(index):
    """The keys of an index of plain columns, as what one orders by."""
    if index.fields_orders:
        return [OrderBy(F(name), descending=bool(direction)) for name, direction in index.fields_orders]
    return [key if isinstance(key, OrderBy) else OrderBy(key) for key in index.expressions]


class RecordList(DjangoChangeList):
    """Titled with what is listed; Django's own says "Select deal to change". Counted once, below the rows."""

    def __init__(self, request, *args, **kwargs):
        super().__init__(request, *args, **kwargs)
        if not self.is_popup:
            self.title = self.opts.verbose_name_plural[:1].upper() + self.opts.verbose_name_plural[1:]

    @property
    def is_tenant_by_tenant(self):
        """Whether the order holds within each tenant only, as no index has the rows of all in one order."""
        return not self.model_admin.has_few_rows and scope.require("A list").is_over_all_tenants

    def get_queryset(self, request, exclude_parameters=None):
        queryset = super().get_queryset(request, exclude_parameters)
        # Not where the list is only walked in its order: how many rows there are is not told well in that way.
        return name_tenant(queryset) if self.has_active_filters or request.method == "POST" else queryset

    def get_ordering(self, request, queryset):
        if self.model_admin.has_few_rows:
            return super().get_ordering(request, queryset)
        clicked = self._clicked()
        if clicked is None:
            return list(self.model_admin.get_ordering(request))
        number, is_descending = clicked
        tenant, *keys = self.model_admin.order_by(self.list_display[number])
        keys = [tenant, *keys] if scope.require("A list").is_over_all_tenants else keys
        return backwards(keys) if is_descending else keys

    def _clicked(self):
        """(number, whether descending) of the first column asked for that an index has in order; None: no such one."""
        for asked in self.params.get(ORDER_VAR, "").split("."):
            number = asked.removeprefix("-")
            if number.isascii() and number.isdigit() and len(number) < 4 and int(number) < len(self.list_display):
                name = self.list_display[int(number)]
                if name in self.sortable_by:
                    return int(number), asked.startswith("-")
        return None

    def get_ordering_field_columns(self):
        if self.model_admin.has_few_rows or ORDER_VAR not in self.params:
            return super().get_ordering_field_columns()
        clicked = self._clicked()
        return {clicked[0]: "desc" if clicked[1] else "asc"} if clicked else {}

    def get_results(self, request):
        super().get_results(request)
        self.full_result_count = self.result_count


# -- Search


def searched_words(model, fields):
    """What to type into the search box: "How name, email or company begins"."""
    *others, last = [get_fields_from_path(model, path)[-1].verbose_name for path in fields] or [""]
    return f"How {', '.join(others)}{' or ' if others else ''}{last} begins" if last else ""


def search_problem(model, lookup):
    """What is wrong with a search by `lookup`, a column or a path to one; None if an index serves it."""
    target = model
    *path, name = lookup.split(LOOKUP_SEP)
    try:
        for step in path:
            target = target._meta.get_field(step).related_model
        target._meta.get_field(name)
    except (FieldDoesNotExist, AttributeError):
        return f"{lookup} is no column that {model.__name__} leads to"
    if name not in target.searched:
        return f"no index serves prefixes of {target.__name__}.{name}: it is not in `searched`"
    return None


def find_by_prefix(queryset, term, fields):
    """Rows whose id is `term`, or one of whose `fields` begins with it; of several words, each begins one of them."""
    words = term.split()
    if not words:
        return queryset
    queryset = name_tenant(queryset)
    try:
        return queryset.filter(pk=uuid.UUID(term.strip()))
    except ValueError:
        pass
    for path in {tuple(field.split(LOOKUP_SEP)[:-1]) for field in fields} - {()}:
        model = queryset.model
        for step in path:
            model = model._meta.get_field(step).related_model
        queryset = name_tenant(queryset, model, path)
    try:
        # What is typed beyond that is left out: it would find fewer rows, not others.
        found = search_condition(fields, " ".join(words[:MAX_SEARCH_WORDS])[:MAX_SEARCH_LENGTH])
    except ValidationError:
        return queryset.none()
    return queryset.filter(found)
