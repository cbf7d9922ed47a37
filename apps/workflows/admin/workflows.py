from datetime import timedelta

from django.contrib import admin
from django.core.exceptions import ValidationError
from unfold.contrib.filters.admin import AutocompleteSelectFilter, BooleanRadioFilter
from unfold.decorators import display

from nexora.kernel import clock
from nexora.kernel.admin import ReadOnlyInline, TenantModelAdmin, lists, over_all_tenants
from nexora.kernel.admin.dashboard import Figure, Figures

from ..definition.check import check_definition
from ..definition.registry import actions as known_actions
from ..definition.registry import triggers as known_triggers
from ..models import Workflow, WorkflowVersion
from ..models.definitions import DEFINITION
from ..services.statistics import statistics_of
from . import words
from .controls import Running, runs_url
from .diagram import diagram, icon_of
from .member_order import Arranged
from .summaries import RunInline, link
from .templates import FromTemplate, chosen


class VersionInline(ReadOnlyInline):
    model = WorkflowVersion
    verbose_name_plural = "versions"
    show_title = False
    fields = readonly_fields = ["page", "created_at", "created_by"]

    def narrow_queryset(self, request, queryset):
        return queryset.select_related("created_by").defer(*DEFINITION)

    @display(description="Version")
    def page(self, version):
        return link(version, f"Version {version.number}")


@admin.register(Workflow)
class WorkflowAdmin(Running, FromTemplate, Arranged, TenantModelAdmin):
    icon = "account_tree"
    list_display = ["name", "begins_with", "steps", "switch", "created_by", "updated_at"]
    list_select_related = ["created_by"]
    list_filter = [("enabled", BooleanRadioFilter), ("created_by", AutocompleteSelectFilter)]
    search_fields = ["name"]
    fieldsets = [
        (None, {"fields": ["name", "description", ("enabled", "runs_per_minute"), ("created_by", "version")]}),
        ("Definition", {"fields": ["trigger", "actions"]}),
    ]
    readonly_fields = ["version"]
    exported = ["enabled", "notice", "next_run_at"]
    actions_detail = ["run", "try_out", "secrets", "take_over"]
    inlines = [RunInline, VersionInline]

    def narrow_queryset(self, request, queryset):
        # Whether somebody may run it depends on its owner's role.
        return queryset.select_related("created_by")

    @display(description="Starts when")
    def begins_with(self, workflow):
        kind = known_triggers.get(workflow.starts_on)
        return kind.title if kind else workflow.starts_on

    @display(description="Enabled", ordering="enabled", label={"on": "success", "stopped": "danger"})
    def switch(self, workflow):
        if workflow.enabled:
            return "on", "On"
        return ("stopped", "Switched off by itself") if workflow.notice else ("off", "Off")

    @display(description="Steps")
    def steps(self, workflow):
        return len(workflow.actions) if isinstance(workflow.actions, list) else None

    def get_form(self, request, obj=None, change=False, **kwargs):
        form = super().get_form(request, obj, change, **kwargs)
        for name in form.base_fields.keys() & {*DEFINITION}:
            form.base_fields[name].help_text = "What may stand in it is listed below, with an example of each."
        return form

    def get_inlines(self, request, obj):
        return [] if obj is None else super().get_inlines(request, obj)

    def render_change_form(self, request, context, add=False, change=False, form_url="", obj=None):
        context |= {"kinds": kinds(), "is_outside": over_all_tenants()}
        if add:
            if (template := chosen(request)) and request.method == "GET":
                context["diagram"] = diagram(template.trigger, template.actions)
        elif obj is not None:
            form = context["adminform"].form
            is_typed = bool(form.errors) and not {*DEFINITION}.isdisjoint(form.changed_data)
            problems = problems_of(obj)
            context |= {
                "diagram": diagram(obj.trigger, obj.actions, problems=problems),
                "is_typed": is_typed,
                "is_broken": bool(problems) and not is_typed,
                "panel": figures(obj),
            }
        return super().render_change_form(request, context, add, change, form_url, obj)


def problems_of(workflow):
    """Sentences that begin with the place that they are about. What was right when it was saved need not be so now."""
    try:
        check_definition(trigger=workflow.trigger, actions=workflow.actions, owner=workflow.created_by)
    except ValidationError as error:
        return error.messages
    return []


def kinds():
    """What may stand in a definition: [(heading, [{title, type, …}])]."""
    return [
        (
            heading,
            [
                {
                    "title": kind.title,
                    "type": kind.type,
                    "icon": icon_of(kind.type),
                    "description": words.marked(kind.description),
                    "example": words.pretty(kind.example) if kind.example else "",
                }
                for _, kind in sorted(known.items())
            ],
        )
        for heading, known in (("Triggers", known_triggers), ("Actions", known_actions))
    ]


def figures(workflow):
    """How it has done in the last 30 days."""
    found = statistics_of(workflow, most=lists.MOST_COUNTED + 1)
    since = f"{clock.now() - timedelta(days=found['days']):%Y-%m-%d}"
    failed = found["failed"]
    is_capped = found["runs"] > lists.MOST_COUNTED
    runs = f"{lists.MOST_COUNTED:,}+" if is_capped else f"{found['runs']:,}"
    other = [f"{found[name]:,} {name}" for name in ("running", "cancelled") if found[name]]
    last, over = found["last_started_at"], found["completed"] + failed
    share, seconds = found["success_rate"], found["mean_seconds"]
    timed = (kind := known_triggers.get(workflow.starts_on)) is not None and kind.is_timed
    return Figures(
        [
            Figure(
                "Runs",
                runs,
                hint=", ".join([f"{'the newest of' if is_capped else 'in'} {found['days']} days", *other]),
                link=runs_url(workflow, started_at_from_0=since),
                icon="play_circle",
            ),
            Figure(
                "Completed",
                "–" if share is None else f"{share * 100:.3g} %",
                hint=f"{found['completed']:,} of {over:,} that are over" if over else "none is over",
                link=runs_url(workflow, started_at_from_0=since, status__exact="completed"),
                icon="check_circle",
            ),
            Figure(
                "Failed",
                f"{failed:,}",
                hint=f"last {words.moment(found['last_failed_at'])}" if failed else "none",
                link=runs_url(workflow, started_at_from_0=since, status__exact="failed"),
                icon="error",
                is_bad=bool(failed),
            ),
            Figure(
                "Takes",
                "–" if seconds is None else words.span(seconds),
                hint="on average, waits included",
                icon="timer",
            ),
            _clock(workflow)
            if timed
            else Figure(
                "Last run",
                f"{last:%-d %b}" if last else "–",
                hint=f"at {last:%H:%M} UTC" if last else f"none in {found['days']} days",
                icon="history",
            ),
        ]
    )


def _clock(workflow):
    if not workflow.enabled:
        return Figure("Next run", "–", hint="it is switched off", icon="schedule")
    if workflow.next_run_at is None:
        return Figure("Next run", "Soon", hint="known within a minute", icon="schedule")
    is_schedule = workflow.starts_on == "schedule"
    return Figure(
        "Next run" if is_schedule else "Dates looked at",
        f"{workflow.next_run_at:%-d %b}",
        hint=f"at {workflow.next_run_at:%H:%M} UTC" if is_schedule else f"until {workflow.next_run_at:%H:%M} UTC",
        icon="schedule",
    )
