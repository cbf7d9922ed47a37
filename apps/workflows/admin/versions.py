from django.contrib import admin
from unfold.contrib.filters.admin import AutocompleteSelectFilter
from unfold.decorators import display

from nexora.kernel import permissions
from nexora.kernel.admin import TenantModelAdmin
from nexora.kernel.admin.filters import MomentRangeFilter

from ..models import Workflow, WorkflowVersion
from .diagram import diagram
from .member_order import Arranged


@admin.register(WorkflowVersion)
class WorkflowVersionAdmin(Arranged, TenantModelAdmin):
    """Reached from the workflow whose version it is."""

    icon = "history"
    list_display = ["created_at", "workflow", "number", "created_by"]
    list_select_related = ["workflow", "created_by"]
    list_filter = [("workflow", AutocompleteSelectFilter), ("created_at", MomentRangeFilter)]
    search_fields = ["workflow__name"]
    fieldsets = [
        (None, {"fields": ["workflow", ("number", "is_present"), ("created_at", "created_by")]}),
        ("Definition", {"fields": ["trigger", "actions"]}),
    ]
    readonly_fields = ["is_present"]

    def get_model_perms(self, request):
        # Not in the navigation.
        return {}

    def narrow_queryset(self, request, queryset):
        # Whoever sees some workflows only sees their versions only.
        if permissions.reach(request.user, Workflow, "view") == permissions.OWN:
            queryset = queryset.filter(workflow__created_by=request.user.pk)
        return queryset.select_related("workflow").defer("workflow__trigger", "workflow__actions")

    @display(description="In use", boolean=True)
    def is_present(self, version):
        return version.number == version.workflow.version

    def render_change_form(self, request, context, add=False, change=False, form_url="", obj=None):
        if obj is not None:
            context["diagram"] = diagram(obj.trigger, obj.actions)
        context["show_history"] = False
        return super().render_change_form(request, context, add, change, form_url, obj)
