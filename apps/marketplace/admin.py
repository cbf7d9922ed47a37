from django.contrib import admin
from unfold.contrib.filters.admin import (
    AutocompleteSelectFilter,
    BooleanRadioFilter,
    ChoicesDropdownFilter,
    RangeNumericFilter,
)
from unfold.decorators import display

from nexora.kernel import events, scope
from nexora.kernel.admin import ReadOnlyInline, RecordAdmin, TenantModelAdmin, over_all_tenants

from .models import Plugin, PluginInstallation
from .services import install_plugin


class InstallationInline(ReadOnlyInline):
    model = PluginInstallation
    verbose_name_plural = "installations"
    newest_by = "installed_at"
    fields = readonly_fields = ["tenant", "version", "enabled", "installed_at"]

    def narrow_queryset(self, request, queryset):
        return queryset.select_related("tenant")


@admin.register(Plugin)
class PluginAdmin(RecordAdmin):
    icon = "extension"
    has_few_rows = True
    list_display = ["name", "category_badge", "cost", "rating", "downloads", "version", "published"]
    list_filter = [
        ("category", ChoicesDropdownFilter),
        ("published", BooleanRadioFilter),
        ("price", RangeNumericFilter),
    ]
    search_fields = ["name", "slug"]
    fieldsets = [
        (None, {"fields": ["name", "slug", "category", "description", "author", "published"]}),
        ("Release", {"fields": [("version", "price"), "compatibility", "manifest"]}),
        ("Reception", {"fields": [("rating", "downloads")]}),
    ]
    readonly_fields = ["downloads"]
    prepopulated_fields = {"slug": ["name"]}
    inlines = [InstallationInline]

    @display(description="Category", ordering="category", label=True)
    def category_badge(self, plugin):
        return plugin.get_category_display()

    @display(description="Price", ordering="price")
    def cost(self, plugin):
        return f"{plugin.price:,.2f}" if plugin.price else "free"

    def narrow_queryset(self, request, queryset):
        # Drafts are the platform's own business.
        return queryset if over_all_tenants() else queryset.filter(published=True)

    def get_inlines(self, request, obj):
        return super().get_inlines(request, obj) if over_all_tenants() else []

    def get_fieldsets(self, request, obj=None):
        fieldsets = super().get_fieldsets(request, obj)
        if over_all_tenants():
            return fieldsets
        # People of one tenant have no page of the author's, who is another's.
        return [
            (title, {**options, "fields": [name for name in options["fields"] if name != "author"]})
            for title, options in fieldsets
        ]


@admin.register(PluginInstallation)
class PluginInstallationAdmin(TenantModelAdmin):
    icon = "download_done"
    has_few_rows = True
    newest_by = "installed_at"
    list_display = ["plugin", "version", "enabled", "installed_at"]
    list_select_related = ["plugin"]
    list_filter = [("enabled", BooleanRadioFilter), ("plugin", AutocompleteSelectFilter)]
    search_fields = ["plugin__name"]
    fieldsets = [(None, {"fields": ["plugin", "version", "enabled", "settings"]})]

    def formfield_for_foreignkey(self, db_field, request, **kwargs):
        if db_field.name == "plugin" and not over_all_tenants():
            # A draft's name is the platform's own business too.
            kwargs["queryset"] = Plugin.objects.published()
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    def get_readonly_fields(self, request, obj=None):
        fixed = ["plugin"] if obj is not None else []
        return [*super().get_readonly_fields(request, obj), *fixed]

    def save_model(self, request, obj, form, change):
        if change:
            super().save_model(request, obj, form, change)
            return
        with scope.tenant_scope(obj.tenant_id):
            installed = install_plugin(
                actor=events.actor(), plugin=obj.plugin, version=obj.version, enabled=obj.enabled, settings=obj.settings
            )
        obj.pk, obj._state.adding = installed.pk, False
