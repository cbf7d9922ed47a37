"""A run in words and links: what it is about, what it is doing, what it led to."""

from django.template.loader import render_to_string
from django.urls import NoReverseMatch
from django.utils.html import format_html, format_html_join
from unfold.decorators import display

from nexora.kernel.admin import ReadOnlyInline
from nexora.kernel.admin.links import change_url

from ..definition.registry import triggers as known_triggers
from ..definition.resources import resource_named
from ..models import WorkflowExecution
from . import words
from .timeline import END_TONES

State = WorkflowExecution.State
STATES = {
    State.PENDING: "In line: other runs of this organisation come first",
    State.READY: "About to begin or to go on",
    State.STEPPING: "At work",
    State.CALLING: "Waiting for an answer from outside",
    State.WAITING: "Waiting until {moment}",
    State.RETRYING: "Trying again at {moment}, attempt {attempt}",
}
MOST_RELATED = 10


class Told:
    """Columns that a run has as a page and as a line in its workflow."""

    @display(description="Status", ordering="status", label=END_TONES)
    def status_badge(self, execution):
        return execution.status, execution.get_status_display()

    @display(description="Took")
    def took(self, execution):
        return words.between(execution.started_at, execution.completed_at)

    @display(description="State")
    def state_now(self, execution):
        return state_of(execution)

    @display(description="Error")
    def said(self, execution):
        return words.shortened(execution.error or "", 100)


class RunInline(Told, ReadOnlyInline):
    model = WorkflowExecution
    verbose_name_plural = "runs"
    newest_by = "started_at"
    show_title = False
    fields = readonly_fields = ["page", "badge", "state_now", "took", "said"]

    def narrow_queryset(self, request, queryset):
        return queryset.defer("input", "output", "position")

    @display(description="Started")
    def page(self, execution):
        return link(execution, words.moment(execution.started_at) or "Not begun")

    @display(description="Status")
    def badge(self, execution):
        # Which the theme writes in lists only.
        label = {"text": execution.get_status_display(), "type": END_TONES.get(execution.status)}
        return render_to_string("unfold/helpers/label.html", label)


def state_of(execution):
    """What it is doing, while it is not over."""
    if execution.is_over:
        return None
    if execution.cancel_requested_at is not None:
        return "To be cancelled as soon as its step ends"
    said = STATES.get(execution.state)
    return said and said.format(moment=words.moment(execution.resume_at), attempt=execution.attempt)


def about(execution):
    """The record that it is about, with a link: everybody who sees runs sees records."""
    if execution.resource is None or execution.record_id is None:
        return None
    resource = resource_named(execution.resource)
    record = resource and resource.model.objects.filter(tenant_id=execution.tenant_id, pk=execution.record_id).first()
    if record is None:
        return f"{execution.resource}: {execution.record_id}, which is gone"
    noun = resource.model._meta.verbose_name
    return format_html("{}: {}", f"{noun[:1].upper()}{noun[1:]}", link(record))


def began_with(execution):
    """What has started it."""
    trigger = execution.input.get("trigger") if isinstance(execution.input, dict) else None
    if not isinstance(trigger, dict):
        return None
    name = trigger.get("type")
    kind = known_triggers.get(name) if isinstance(name, str) else None
    said = kind.title if kind else words.value(name)
    return f"{said}: started by hand" if trigger.get("manual") and name != "manual" else said


def relatives(execution):
    """[(what it is, link)] of the runs that led to it or that it led to."""
    runs = WorkflowExecution.objects.filter(tenant_id=execution.tenant_id).select_related("workflow")
    found = []
    for what, key in (("Started by", execution.parent_id), ("Retry of", execution.retry_of_id)):
        found += [(what, link(run)) for run in runs.filter(pk=key)] if key else []
    for what, column in (("Has started", "parent_id"), ("Retried by", "retry_of_id")):
        rows = runs.filter(**{column: execution.pk}).order_by("started_at", "id")[:MOST_RELATED]
        if links := format_html_join(", ", "{}", [(link(run),) for run in rows]):
            found.append((what, links))
    return found


def link(record, title=None):
    title = str(record) if title is None else title
    try:
        return format_html('<a class="text-link" href="{}">{}</a>', change_url(record), title)
    except NoReverseMatch:
        return title
