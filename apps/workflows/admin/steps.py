from django.contrib import admin
from unfold.contrib.filters.admin import AutocompleteSelectFilter, ChoicesDropdownFilter, DropdownFilter
from unfold.decorators import display

from nexora.kernel.admin import TenantModelAdmin
from nexora.kernel.admin.filters import MomentRangeFilter

from ..definition.registry import actions as known_actions
from ..models import WorkflowStep
from . import words
from .diagram import STEP_TONES
from .timeline import stored


class TypeFilter(DropdownFilter):
    title = "action"
    parameter_name = "type"

    def lookups(self, request, model_admin):
        return [(name, kind.title) for name, kind in sorted(known_actions.items(), key=lambda pair: pair[1].title)]

    def queryset(self, request, queryset):
        return queryset.filter(type=self.value()) if self.value() else queryset


@admin.register(WorkflowStep)
class WorkflowStepAdmin(TenantModelAdmin):
    """Steps of all runs: what fails, wherever it does. What one run did is shown on its own page."""

    icon = "footprint"
    newest_by = "started_at"
    list_display = ["started_at", "key", "action", "status_badge", "attempts", "took", "execution", "said"]
    list_select_related = ["execution__workflow"]
    list_filter = [
        ("status", ChoicesDropdownFilter),
        TypeFilter,
        ("execution", AutocompleteSelectFilter),
        ("started_at", MomentRangeFilter),
    ]
    fieldsets = [
        (None, {"fields": ["execution", ("key", "path"), ("action", "status"), ("started_at", "took")]}),
    ]
    readonly_fields = ["action", "took"]
    exported = ["type", "status", "attempts", "completed_at", "error"]

    def narrow_queryset(self, request, queryset):
        named = queryset.select_related("execution__workflow")
        heavy = ("input", "output", "position", "workflow__trigger", "workflow__actions")
        return named.defer("input", "output", *(f"execution__{name}" for name in heavy))

    @display(description="Action", ordering="type")
    def action(self, step):
        kind = known_actions.get(step.type)
        return kind.title if kind else step.type

    @display(description="Status", ordering="status", label=STEP_TONES)
    def status_badge(self, step):
        return step.status, step.get_status_display()

    @display(description="Took")
    def took(self, step):
        return words.between(step.started_at, step.completed_at)

    @display(description="Error")
    def said(self, step):
        return words.shortened(step.error or "", 100)

    def render_change_form(self, request, context, add=False, change=False, form_url="", obj=None):
        if obj is not None:
            context["steps"] = [stored(obj)]
        context["show_history"] = False
        return super().render_change_form(request, context, add, change, form_url, obj)
