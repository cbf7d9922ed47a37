"""The base of every admin class."""

from urllib.parse import parse_qs

from django.contrib import messages
from django.contrib.admin import ModelAdmin as DjangoModelAdmin
from django.contrib.admin import ShowFacets
from django.contrib.admin.options import ActionLocation
from django.contrib.admin.utils import flatten_fieldsets, quote, unquote
from django.contrib.admin.widgets import AutocompleteSelect
from django.contrib.postgres.fields import ArrayField
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import DatabaseError, DataError, models
from django.forms import BooleanField
from django.http import HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from unfold.admin import ModelAdmin
from unfold.contrib.filters.admin import AutocompleteSelectFilter
from unfold.widgets import UnfoldAdminTextareaWidget, UnfoldBooleanSwitchWidget

from nexora.kernel import permissions, scope
from nexora.kernel.admin import deletion
from nexora.kernel.admin.exports import ExportedList
from nexora.kernel.admin.filters import RecordFilter
from nexora.kernel.admin.forms import PrettyJSONField, RecordForm, TextListField
from nexora.kernel.admin.history import history_of
from nexora.kernel.admin.lists import (
    CappedPaginator,
    RecordList,
    find_by_prefix,
    name_tenant,
    newest_first,
    order_of,
    search_problem,
    searched_words,
)
from nexora.kernel.admin.refusals import refusal_of
from nexora.kernel.admin.rights import PolicyRights
from nexora.kernel.errors import NexoraError

FORM_CLASSES = {models.JSONField: PrettyJSONField, ArrayField: TextListField}
# Parts of a lookup that a filter may put behind its field's name.
FILTER_LOOKUPS = frozenset({"exact", "isnull", "in", "gt", "gte", "lt", "lte", "id"})
# What the range filters put behind their field's name.
RANGE_ENDS = ("from", "to", "from_0", "from_1", "to_0", "to_1")
HISTORY_LENGTH = 100
BOOKKEEPING = ("id", "created_by", "created_at", "updated_at")


def refuse_override(cls, method, instead):
    """A subclass that replaces `method` loses what the base does in it: refused when the class is made."""
    if method in cls.__dict__:
        raise TypeError(f"{cls.__name__} overrides {method}, which carries the person's reach. Override {instead}.")


class RecordSelect(AutocompleteSelect):
    """As Django's, which asks the database for whatever was sent as an id."""

    def optgroups(self, name, value, attr=None):
        return super().optgroups(name, [key for key in value if self._may_be_key(key)], attr)

    def _may_be_key(self, value):
        try:
            self.field.target_field.to_python(value)
        except ValidationError:
            return False
        return True


class RecordFields:
    """Form fields that admin classes and their inlines share."""

    formfield_overrides = {models.TextField: {"widget": UnfoldAdminTextareaWidget(attrs={"rows": 4})}}

    def formfield_for_dbfield(self, db_field, request, **kwargs):
        for kind, form_class in FORM_CLASSES.items():
            if isinstance(db_field, kind):
                return db_field.formfield(form_class=form_class)
        return super().formfield_for_dbfield(db_field, request, **kwargs)

    def formfield_for_foreignkey(self, db_field, request, **kwargs):
        if db_field.name in self.get_autocomplete_fields(request):
            kwargs.setdefault("widget", RecordSelect(db_field, self.admin_site))
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    def formfield_for_nullboolean_field(self, db_field, request, **kwargs):
        # The seed's booleans may be NULL, which means no; two states are enough for a form.
        return BooleanField(
            required=False,
            label=db_field.verbose_name.capitalize(),
            help_text=db_field.help_text,
            initial=db_field.get_default() or False,
            widget=UnfoldBooleanSwitchWidget(),
        )

    def get_autocomplete_fields(self, request):
        """Every relation whose target has an admin page with a search."""
        return [
            field.name
            for field in self.opts.fields
            if field.is_relation
            and self.admin_site.is_registered(field.remote_field.model)
            and self.admin_site.get_model_admin(field.remote_field.model).search_fields
        ]


class RecordAdmin(PolicyRights, RecordFields, ExportedList, ModelAdmin):
    """Admin of a record: rights from the policy, lists that stay fast, refusals as messages.

    Subclasses declare columns, filters, search fields (columns in `searched` of their model), fieldsets and `icon`.

    newest_by      column that lists are ordered by, newest first
    has_few_rows   no more of them than organisations, or than a person has made by hand: any column sorts them
    icon           name of a Material symbol, for the navigation
    """

    newest_by = "created_at"
    has_few_rows = False
    icon = "table_rows"

    form = RecordForm
    list_per_page = 25
    list_max_show_all = 200
    list_disable_select_all = True
    list_filter_submit = True
    show_full_result_count = False
    show_facets = ShowFacets.NEVER
    paginator = CappedPaginator
    actions = [deletion.delete_selected]
    save_on_top = False
    warn_unsaved_form = True
    empty_value_display = "-"

    def __init_subclass__(cls, **kwargs):
        super().__init_subclass__(**kwargs)
        refuse_override(cls, "get_queryset", "narrow_queryset(request, queryset)")

    def __init__(self, model, admin_site):
        super().__init__(model, admin_site)
        for lookup in self.search_fields:
            if problem := search_problem(model, lookup):
                raise TypeError(f"{type(self).__name__} searches by {lookup}, but {problem}.")
        self.search_help_text = self.search_help_text or searched_words(model, self.search_fields)

    # -- Lists

    def get_queryset(self, request):
        queryset = permissions.narrow(super().get_queryset(request), request.user, "view")
        return self.narrow_queryset(request, queryset)

    def narrow_queryset(self, request, queryset):
        """Override to select fewer rows or more columns."""
        return queryset

    def get_object(self, request, object_id, from_field=None):
        column = self.opts.get_field(from_field) if from_field else self.opts.pk
        try:
            return name_tenant(self.get_queryset(request)).get(**{column.name: column.to_python(object_id)})
        except (self.model.DoesNotExist, ValidationError, ValueError):
            return None

    def get_ordering(self, request):
        return self.ordering or newest_first(self.newest_by)

    def get_sortable_by(self, request):
        columns = super().get_sortable_by(request)
        return columns if self.has_few_rows else [name for name in columns if self.order_by(name)]

    def order_by(self, column):
        """The order, ascending, that a click on the heading of `column` asks for, if an index has it."""
        shown = getattr(self, column, None) or getattr(self.model, column, None)
        name = getattr(shown, "admin_order_field", None) or column
        return order_of(self.model, name) if isinstance(name, str) else None

    def get_list_filter(self, request):
        filters = super().get_list_filter(request)
        own = {AutocompleteSelectFilter: RecordFilter}
        return [(one[0], own.get(one[1], one[1])) if isinstance(one, tuple) else one for one in filters]

    def get_search_results(self, request, queryset, search_term):
        return find_by_prefix(queryset, search_term, self.get_search_fields(request)), False

    def lookup_allowed(self, lookup, value, request):
        """Only what a filter of the list asks for: Django would take any lookup on any column, regular ones too."""
        return any(_asks_for(declared, lookup) for declared in self.get_list_filter(request))

    def changelist_view(self, request, extra_context=None):
        try:
            response = super().changelist_view(request, extra_context)
            if hasattr(response, "render"):
                # Rows are fetched while the page is written: now, so that a value the database refuses is caught here.
                response.render()
        except (DataError, OverflowError, ValidationError):
            self.message_user(request, "That filter holds a value that no record can have.", messages.WARNING)
            return HttpResponseRedirect(request.path)
        return response

    def get_changelist(self, request, **kwargs):
        return RecordList

    def get_action_choices(self, request, default_choices=None, action_location=ActionLocation.CHANGE_LIST):
        # Not the theme's, which does not know of locations.
        choices = default_choices or [("", "Select action")]
        return DjangoModelAdmin.get_action_choices(self, request, choices, action_location)

    # -- Forms

    def get_form(self, request, obj=None, change=False, **kwargs):
        form = super().get_form(request, obj, change, **kwargs)
        form.actor = request.user
        form.refusal = getattr(request, "refusal", None)
        return form

    def get_fieldsets(self, request, obj=None):
        """The declared ones; below them, on a stored record, what it is called and when and by whom it was made.

        On a record to come, what nobody can fill in is left out.
        """
        fieldsets = [(title, {**options}) for title, options in super().get_fieldsets(request, obj)]
        if obj is None:
            return list(_without(self.get_readonly_fields(request), fieldsets))
        shown = flatten_fieldsets(fieldsets)
        bookkeeping = [name for name in self._bookkeeping() if name not in shown]
        if bookkeeping:
            fieldsets.append(("Record", {"fields": bookkeeping, "classes": ["collapse"]}))
        return fieldsets

    def get_readonly_fields(self, request, obj=None):
        return [*super().get_readonly_fields(request, obj), *self._bookkeeping()]

    def _bookkeeping(self):
        columns = {field.name for field in self.opts.concrete_fields}
        return [name for name in dict.fromkeys((*BOOKKEEPING, self.newest_by)) if name in columns]

    def get_changeform_initial_data(self, request):
        """Who may edit only what is theirs starts as the one it is assigned to, or could not edit it afterwards."""
        initial = {
            name: value
            for name, value in super().get_changeform_initial_data(request).items()
            if self._fits(name, value)
        }
        if permissions.reach(request.user, self.model, "update") == permissions.OWN and self._has("assigned_to"):
            initial.setdefault("assigned_to", request.user.pk)
        return initial

    def _fits(self, name, value):
        """Whether the column could hold what an address wants a form to start with."""
        column = next((field for field in self.opts.concrete_fields if field.name == name), None)
        if column is None:
            return name.startswith("_")
        try:
            # A moment's widget shows what to_python makes of it, and text has no zone.
            return not isinstance(column, models.DateTimeField) and column.to_python(value) is not None
        except ValidationError:
            return False

    def save_model(self, request, obj, form, change):
        # The key holds within the tenant only: the platform's people are none of a tenant's.
        if not change and self._has("created_by") and obj.tenant_id == request.user.tenant_id:
            obj.created_by = request.user
        super().save_model(request, obj, form, change)

    def _has(self, name):
        return any(field.name == name for field in self.opts.concrete_fields)

    # -- History

    def history_view(self, request, object_id, extra_context=None):
        """The audit trail's rows of the record: the API's writes are among them, unlike in Django's own log."""
        record = self.get_object(request, unquote(object_id))
        if record is None:
            return self._get_obj_does_not_exist_redirect(request, self.opts, object_id)
        happened = history_of(request.user, record) if self.has_view_permission(request, record) else None
        if happened is None:
            raise PermissionDenied
        context = {
            **self.admin_site.each_context(request),
            "title": f"History of {record}",
            "subtitle": None,
            "happened": happened[:HISTORY_LENGTH],
            "object": record,
            "opts": self.opts,
            **(extra_context or {}),
        }
        request.current_app = self.admin_site.name
        return TemplateResponse(request, "admin/object_history.html", context)

    # -- Refusals

    def changeform_view(self, request, object_id=None, form_url="", extra_context=None):
        """As Django's; what save() or the database refuses comes back as the form with the error in it."""
        try:
            return super().changeform_view(request, object_id, form_url, extra_context)
        except (NexoraError, DatabaseError) as error:
            refusal = refusal_of(error)
            if refusal is None or request.method != "POST" or hasattr(request, "refusal"):
                raise
            request.refusal = refusal
            self.note_refusal(request, error)
            return super().changeform_view(request, object_id, form_url, extra_context)

    def note_refusal(self, request, error):
        """Override for what is to be stored of a write that has been taken back."""

    # -- Deletion

    def get_deleted_objects(self, objs, request):
        return deletion.describe(objs, request, self.admin_site)

    def delete_view(self, request, object_id, extra_context=None):
        try:
            return super().delete_view(request, object_id, extra_context)
        except (NexoraError, DatabaseError) as error:
            refusal = refusal_of(error, deleting=True)
            if refusal is None or request.method != "POST":
                raise
            self.message_user(request, refusal.detail, messages.ERROR)
            name = f"{self.admin_site.name}:{self.opts.app_label}_{self.opts.model_name}_change"
            return HttpResponseRedirect(reverse(name, args=[quote(object_id)]))

    def delete_queryset(self, request, queryset):
        for record in queryset:
            record.delete()


def _without(names, fieldsets):
    for title, options in fieldsets:
        lines = [line if isinstance(line, (list, tuple)) else [line] for line in options["fields"]]
        kept = [[name for name in line if name not in names] for line in lines]
        if any(kept):
            yield title, {**options, "fields": [tuple(line) for line in kept if line]}


def _asks_for(declared, lookup):
    """Whether a declared list filter puts `lookup` into its address."""
    if not isinstance(declared, (str, tuple)):
        return lookup == declared.parameter_name
    name = declared if isinstance(declared, str) else declared[0]
    if lookup.startswith(f"{name}__"):
        return set(lookup.removeprefix(f"{name}__").split("__")) <= FILTER_LOOKUPS
    # To the letter: `<name>_id__password__startswith` would ask a colleague's row for its secrets.
    return lookup in (name, *(f"{name}_{end}" for end in RANGE_ENDS))


class TenantModelAdmin(RecordAdmin):
    """Admin of a record that belongs to a tenant.

    On a tenant's host nothing shows that there are others. On the platform's, lists have a column and a filter for the
    tenant, create forms ask for it, and nothing changes it afterwards.
    """

    class Media:
        js = ["nexora/tenant-autocomplete.js"]

    def get_list_display(self, request):
        columns = [*super().get_list_display(request)]
        return [*columns[:1], "tenant", *columns[1:]] if over_all_tenants() else columns

    def get_list_filter(self, request):
        filters = super().get_list_filter(request)
        return [("tenant", AutocompleteSelectFilter), *filters] if over_all_tenants() else filters

    def get_list_select_related(self, request):
        related = super().get_list_select_related(request)
        return [*(related or []), "tenant"] if over_all_tenants() else related

    def get_ordering(self, request):
        # Tenant by tenant: every newest-first index begins with it, and without one the whole table would be sorted.
        ordering = super().get_ordering(request)
        return ["tenant_id", *ordering] if over_all_tenants() else ordering

    def get_fieldsets(self, request, obj=None):
        fieldsets = super().get_fieldsets(request, obj)
        if over_all_tenants():
            title, options = fieldsets[0]
            fieldsets[0] = (title, {**options, "fields": ["tenant", *options["fields"]]})
        return fieldsets

    def get_readonly_fields(self, request, obj=None):
        fixed = ["tenant"] if obj is not None and over_all_tenants() else []
        return [*super().get_readonly_fields(request, obj), *fixed]

    def get_changeform_initial_data(self, request):
        """A list filtered by tenant leads to a form for that tenant."""
        initial = super().get_changeform_initial_data(request)
        if over_all_tenants():
            filters = parse_qs(initial.pop("_changelist_filters", "") or request.GET.get("_changelist_filters", ""))
            for tenant_id in filters.get("tenant__id__exact", []):
                initial.setdefault("tenant", tenant_id)
        return initial


def over_all_tenants():
    """True on the platform's host for those who see every tenant's records."""
    current = scope.current()
    return current is not None and current.is_over_all_tenants
