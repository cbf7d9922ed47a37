from django.contrib import admin
from unfold.contrib.filters.admin import (
    AutocompleteSelectFilter,
    BooleanRadioFilter,
    ChoicesDropdownFilter,
)
from unfold.decorators import display

from nexora.kernel import permissions
from nexora.kernel.admin import ReadOnlyInline, TenantModelAdmin, over_all_tenants
from nexora.kernel.admin.dashboard import Entries, Entry, panel, seen_by
from nexora.kernel.admin.filters import MomentRangeFilter
from nexora.kernel.admin.links import change_url, list_url
from nexora.kernel.admin.lists import newest_first

from .models import Workflow, WorkflowExecution

STATUS_TONES = {
    WorkflowExecution.Status.RUNNING: "info",
    WorkflowExecution.Status.COMPLETED: "success",
    WorkflowExecution.Status.FAILED: "danger",
    WorkflowExecution.Status.CANCELLED: "warning",
}


class Took:
    """Columns that a run has as a page and as a line in its workflow."""

    @display(description="Status", ordering="status", label=STATUS_TONES)
    def status_badge(self, execution):
        return execution.status, execution.get_status_display()

    @display(description="Took")
    def took(self, execution):
        if execution.started_at is None or execution.completed_at is None:
            return None
        seconds = (execution.completed_at - execution.started_at).total_seconds()
        for unit, size in (("days", 86_400), ("hours", 3_600), ("minutes", 60)):
            if seconds >= 2 * size:
                return f"{seconds / size:,.0f} {unit}"
        return f"{seconds:,.1f} s"


class ExecutionInline(Took, ReadOnlyInline):
    model = WorkflowExecution
    verbose_name_plural = "executions"
    newest_by = "started_at"
    fields = readonly_fields = ["status_badge", "started_at", "took", "error"]


@admin.register(Workflow)
class WorkflowAdmin(TenantModelAdmin):
    icon = "account_tree"
    list_display = ["name", "starts_on", "steps", "enabled", "created_by", "updated_at"]
    list_select_related = ["created_by"]
    list_filter = [("enabled", BooleanRadioFilter), ("created_by", AutocompleteSelectFilter)]
    search_fields = ["name"]
    fieldsets = [
        (None, {"fields": ["name", "description", "enabled"]}),
        ("Definition", {"fields": ["trigger", "actions"]}),
    ]
    inlines = [ExecutionInline]

    @display(description="Starts on", label=True)
    def starts_on(self, workflow):
        return workflow.trigger.get("type") if isinstance(workflow.trigger, dict) else None

    @display(description="Steps")
    def steps(self, workflow):
        return len(workflow.actions) if isinstance(workflow.actions, list) else None


@admin.register(WorkflowExecution)
class WorkflowExecutionAdmin(Took, TenantModelAdmin):
    icon = "play_circle"
    newest_by = "started_at"
    list_display = ["started_at", "workflow", "status_badge", "took", "error"]
    list_select_related = ["workflow"]
    list_filter = [
        ("status", ChoicesDropdownFilter),
        ("workflow", AutocompleteSelectFilter),
        ("started_at", MomentRangeFilter),
    ]
    search_fields = ["workflow__name"]
    fieldsets = [
        (None, {"fields": ["workflow", "status", "started_at", "completed_at", "error"]}),
        ("Data", {"fields": ["input", "output"]}),
    ]


@panel(order=80)
def latest_executions(request):
    if over_all_tenants() or permissions.reach(request.user, WorkflowExecution, "view") is None:
        return None
    order = newest_first("started_at")
    found = seen_by(request, WorkflowExecution).select_related("workflow").order_by(*order)[:6]
    return Entries(
        "Latest workflow runs",
        [
            Entry(
                str(execution.workflow),
                remark=f"{execution.started_at:%-d %b %Y, %H:%M}" if execution.started_at else "",
                link=change_url(execution),
                badge=execution.get_status_display(),
                tone=STATUS_TONES.get(execution.status, ""),
            )
            for execution in found
        ],
        empty="No workflow has run yet.",
        link=list_url(WorkflowExecution),
    )
