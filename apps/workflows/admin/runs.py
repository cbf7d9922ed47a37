from django.contrib import admin
from django.utils.html import format_html
from unfold.contrib.filters.admin import AutocompleteSelectFilter, ChoicesDropdownFilter
from unfold.decorators import action, display

from nexora.kernel import permissions
from nexora.kernel.admin import TenantModelAdmin, over_all_tenants
from nexora.kernel.admin.dashboard import Entries, Entry, panel, seen_by
from nexora.kernel.admin.filters import MomentRangeFilter
from nexora.kernel.admin.links import change_url, list_url
from nexora.kernel.admin.lists import newest_first

from ..models import WorkflowExecution, WorkflowStep
from ..services import control
from . import words
from .buttons import Buttons
from .diagram import diagram, outcomes_of_run
from .summaries import Told, about, began_with, link, relatives, state_of
from .timeline import END_TONES, steps_of

Status = WorkflowExecution.Status


@admin.register(WorkflowExecution)
class WorkflowExecutionAdmin(Told, Buttons, TenantModelAdmin):
    icon = "play_circle"
    newest_by = "started_at"
    list_display = ["started_at", "workflow", "status_badge", "state_now", "took", "said"]
    list_select_related = ["workflow"]
    list_filter = [
        ("status", ChoicesDropdownFilter),
        ("workflow", AutocompleteSelectFilter),
        ("started_at", MomentRangeFilter),
    ]
    search_fields = ["workflow__name"]
    fieldsets = [("Data", {"fields": ["given", "gave"], "classes": ["collapse"]})]
    readonly_fields = ["given", "gave"]
    exported = ["status", "error", "state", "resume_at", "resource", "record_id"]
    actions_detail = ["cancel", "retry", "replay"]

    def narrow_queryset(self, request, queryset):
        # What is large is fetched when a page of one shows it.
        named = queryset.select_related("workflow")
        return named.defer("input", "output", "position", "workflow__trigger", "workflow__actions")

    # -- What it is

    @display(description="Input")
    def given(self, execution):
        return _json(execution.input)

    @display(description="Output of its steps")
    def gave(self, execution):
        return _json(execution.output)

    def render_change_form(self, request, context, add=False, change=False, form_url="", obj=None):
        if obj is not None:
            definition = obj.version or obj.workflow
            drawn = diagram(
                definition.trigger,
                definition.actions,
                outcomes=outcomes_of_run(obj),
                end=obj.get_status_display() if obj.is_over else "",
                end_tone=END_TONES.get(obj.status, "") if obj.is_over else "",
            )
            first, last, is_cut = steps_of(obj, drawn.titles)
            context |= {
                "run": obj,
                "tone": END_TONES.get(obj.status, ""),
                "state": state_of(obj),
                "facts": facts(obj),
                "first": first,
                "last": last,
                "is_cut": is_cut,
                "all_steps": list_url(WorkflowStep, execution__id__exact=obj.pk),
                "diagram": drawn,
            }
        context["show_history"] = False
        return super().render_change_form(request, context, add, change, form_url, obj)

    # -- What is done with it

    @action(description="Cancel", icon="cancel", url_path="cancel", permissions=["cancel"])
    def cancel(self, request, object_id):
        def do(execution):
            ended = control.cancel_run(actor=request.user, execution=execution)
            later = "It will be cancelled as soon as the step that is being done ends."
            return change_url(execution), "It is cancelled." if ended.is_over else later

        sentences = [
            "It ends before its next step, or in its wait. What it has done so far stays.",
            "A step that is being done just now is let finish.",
        ]
        return self.asked(
            request, object_id, title="Cancel this run", label="Cancel the run", sentences=sentences, do=do
        )

    @action(description="Retry", icon="replay", url_path="retry", permissions=["retry"])
    def retry(self, request, object_id):
        def do(execution):
            run = control.retry_run(actor=request.user, execution=execution)
            return change_url(run), "This is the retry. It goes on at the step that had failed."

        sentences = [
            "A new run goes on at the step at which this one failed, with what the steps before have given.",
            "It keeps to the same version of the workflow.",
        ]
        return self.asked(request, object_id, title="Retry this run", label="Retry", sentences=sentences, do=do)

    @action(description="Replay", icon="restart_alt", url_path="replay", permissions=["replay"])
    def replay(self, request, object_id):
        def do(execution):
            run = control.replay_run(actor=request.user, execution=execution)
            return change_url(run), "This is the replay. It begins at the first step."

        sentences = [
            "A new run begins at the first step, with what this one began with and the workflow as it is now.",
            "What this one has done is done once more: mails are sent again, records are made again.",
        ]
        return self.asked(request, object_id, title="Replay this run", label="Replay", sentences=sentences, do=do)

    # -- Who may, and when

    def get_actions_detail(self, request, object_id):
        run = self.found(request, object_id)
        meant = {"cancel": not run.is_over, "retry": run.status == Status.FAILED, "replay": run.is_over} if run else {}
        names = {f"workflows_workflowexecution_{name}" for name, is_meant in meant.items() if is_meant}
        return [one for one in super().get_actions_detail(request, object_id) if one.action_name in names]

    def has_cancel_permission(self, request, object_id=None):
        run = self.found(request, object_id)
        may = bool(run) and permissions.may(request.user, run, "update")
        return may and self.may_control(request, run.workflow)

    has_retry_permission = has_replay_permission = has_cancel_permission

    def has_change_permission(self, request, obj=None):
        """The right is to what the buttons do; no form writes what the engine has written."""
        return False


def facts(run):
    """[(name, text or link)] of what there is to say."""
    told = [
        ("Tenant", run.tenant if over_all_tenants() else None),
        ("Workflow", link(run.workflow)),
        ("Version", run.version and link(run.version, run.version.number)),
        ("Record", about(run)),
        ("Began with", began_with(run)),
        ("Started", words.moment(run.started_at)),
        ("Ended", words.moment(run.completed_at)),
        ("Took", words.between(run.started_at, run.completed_at)),
        ("Owner", run.owner and link(run.owner)),
        *relatives(run),
    ]
    return [(name, said) for name, said in told if said]


def _json(given):
    return None if given is None else format_html('<pre class="nx-json">{}</pre>', words.pretty(given))


# -- Overview


@panel(order=80)
def latest_runs(request):
    if over_all_tenants() or permissions.reach(request.user, WorkflowExecution, "view") is None:
        return None
    order = newest_first("started_at")
    found = seen_by(request, WorkflowExecution).select_related("workflow").order_by(*order)[:6]
    return Entries(
        "Latest workflow runs",
        [
            Entry(
                str(execution.workflow),
                remark=words.moment(execution.started_at),
                link=change_url(execution),
                badge=execution.get_status_display(),
                tone=END_TONES.get(execution.status, ""),
            )
            for execution in found
        ],
        empty="No workflow has run yet.",
        link=list_url(WorkflowExecution),
    )
