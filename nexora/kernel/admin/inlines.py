"""Records shown inside the record they hang on."""

from django.contrib.admin.widgets import RelatedFieldWidgetWrapper
from unfold.admin import TabularInline

from nexora.kernel import permissions
from nexora.kernel.admin.forms import RecordForm, RecordFormSet
from nexora.kernel.admin.lists import newest_first
from nexora.kernel.admin.records import RecordFields, refuse_override


class RecordInline(RecordFields, TabularInline):
    """A page of the newest records that point at the one shown, each with a link to its own form.

    Django gives an inline one right for all of its rows. Where a person may change only what is theirs, rows are
    therefore read here and changed on their own pages.
    """

    form = RecordForm
    formset = RecordFormSet
    newest_by = "created_at"
    per_page = 10
    extra = 0
    tab = True
    show_change_link = True

    def __init_subclass__(cls, **kwargs):
        super().__init_subclass__(**kwargs)
        refuse_override(cls, "get_queryset", "narrow_queryset(request, queryset)")

    def get_queryset(self, request):
        queryset = permissions.narrow(super().get_queryset(request), request.user, "view")
        return self.narrow_queryset(request, queryset.order_by(*newest_first(self.newest_by)))

    def narrow_queryset(self, request, queryset):
        """Override to select fewer rows or more columns."""
        return queryset

    def formfield_for_dbfield(self, db_field, request, **kwargs):
        field = super().formfield_for_dbfield(db_field, request, **kwargs)
        if field is not None and isinstance(field.widget, RelatedFieldWidgetWrapper):
            # A row has no room for buttons that open the related record.
            field.widget = field.widget.widget
        return field

    def get_formset(self, request, obj=None, **kwargs):
        formset = super().get_formset(request, obj, **kwargs)
        formset.form.actor = request.user
        return formset

    # `obj` is the record that holds the inline, so rights are those on all rows.

    def has_view_permission(self, request, obj=None):
        return self._reach(request, "view") is not None

    def has_add_permission(self, request, obj=None):
        return self._reach(request, "create") is not None

    def has_change_permission(self, request, obj=None):
        return self._reach(request, "update") == permissions.ALL

    def has_delete_permission(self, request, obj=None):
        return self._reach(request, "delete") == permissions.ALL

    def _reach(self, request, action):
        return permissions.reach(request.user, self.model, action)


class ReadOnlyInline(RecordInline):
    """Records that nobody edits here, whatever the policy allows elsewhere."""

    can_delete = False
    max_num = 0

    def has_add_permission(self, request, obj=None):
        return False

    def has_change_permission(self, request, obj=None):
        return False

    def has_delete_permission(self, request, obj=None):
        return False
