from django.contrib import admin
from django.urls import NoReverseMatch, reverse
from django.utils.html import format_html
from unfold.contrib.filters.admin import (
    AutocompleteSelectFilter,
    DropdownFilter,
)
from unfold.decorators import display

from nexora.kernel import permissions
from nexora.kernel.admin import TenantModelAdmin, over_all_tenants
from nexora.kernel.admin.dashboard import Entries, Entry, panel
from nexora.kernel.admin.filters import MomentRangeFilter
from nexora.kernel.admin.history import source
from nexora.kernel.admin.links import list_url
from nexora.kernel.admin.lists import newest_first

from ..models import AuditEvent
from ..models.trail import kind_of

# Every deed that the trail can be filtered by, and its colour.
ACTION_TONES = {
    "created": "success",
    "updated": "info",
    "deleted": "danger",
    "exported": "primary",
    "signed_in": "",
    "sign_in_failed": "warning",
    "password_refused": "warning",
    "address_refused": "warning",
    "ended": "",
    "sessions_ended": "",
    "handed_over": "info",
    "second_factor_added": "success",
    "second_factor_replaced": "info",
    "second_factor_removed": "warning",
    "second_factor_reset": "warning",
    "recovery_code_used": "warning",
    "recovery_codes_renewed": "info",
    "signed_up": "success",
    "address_in_use": "",
    "entered": "warning",
    "left": "",
}


class ResourceFilter(DropdownFilter):
    title = "resource"
    parameter_name = "resource"

    def lookups(self, request, model_admin):
        return [(name, kind_of(name)) for name in permissions.policy().resources]

    def queryset(self, request, queryset):
        return queryset.filter(resource=self.value()) if self.value() else queryset


class ActionFilter(DropdownFilter):
    title = "action"
    parameter_name = "action"

    def lookups(self, request, model_admin):
        return [(name, AuditEvent(action=name).deed) for name in ACTION_TONES]

    def queryset(self, request, queryset):
        return queryset.filter(action=self.value()) if self.value() else queryset


@admin.register(AuditEvent)
class AuditEventAdmin(TenantModelAdmin):
    icon = "history"
    list_display = ["created_at", "action_badge", "what", "record_label", "changed", "who"]
    list_filter = [ActionFilter, ResourceFilter, ("actor", AutocompleteSelectFilter), ("created_at", MomentRangeFilter)]
    search_fields = ["record_label"]
    fieldsets = [
        (None, {"fields": ["created_at", "done", "what", "record_link", "who", "address"]}),
        ("Details", {"fields": ["changes", "children"]}),
    ]
    readonly_fields = ["done", "what", "record_link", "who", "address"]
    exported = ["action", "resource", "record_id", "actor", "actor_label", "changes", "children", "ip_address"]

    def get_fieldsets(self, request, obj=None):
        """Of the details only those that there are."""
        heading, (title, details), *rest = super().get_fieldsets(request, obj)
        told = [name for name in details["fields"] if obj is None or getattr(obj, name)]
        return [heading, *([(title, {**details, "fields": told})] if told else []), *rest]

    @display(description="Action")
    def done(self, event):
        return event.deed

    @display(description="Action", ordering="action", label=ACTION_TONES)
    def action_badge(self, event):
        return event.action, event.deed

    @display(description="Resource", ordering="resource")
    def what(self, event):
        return event.kind

    @display(description="Record")
    def record_link(self, event):
        address = record_url(event)
        label = event.record_label or event.record_id
        return format_html('<a class="text-link" href="{}">{}</a>', address, label) if address else label

    @display(description="Fields")
    def changed(self, event):
        return ", ".join(name.replace("_", " ") for name in event.changes) if isinstance(event.changes, dict) else None

    @display(description="IP address", ordering="ip_address")
    def address(self, event):
        return event.ip_address

    @display(description="By", ordering="actor_label")
    def who(self, event):
        return event.who


def record_url(event):
    """Where the record of an event is shown, unless it is gone."""
    if event.record_id is None or event.action in ("deleted", "ended"):
        return ""
    try:
        return reverse(f"admin:{event.resource.replace('.', '_')}_change", args=[event.record_id])
    except NoReverseMatch:
        return ""


@source
def trail(user, record):
    if permissions.reach(user, AuditEvent, "view") is None:
        return None
    if record is None:
        return AuditEvent.objects.none()
    happened = AuditEvent.objects.filter(
        tenant_id=record.owning_tenant_id, record_id=record.pk, resource=record._meta.label_lower
    )
    return permissions.narrow(happened, user, "view").order_by(*newest_first("created_at"))


# -- Overview


@panel(order=65)
def latest_changes(request):
    if permissions.reach(request.user, AuditEvent, "view") is None:
        return None
    # On the platform its own trail: indexes find the newest rows of one tenant, not of all.
    found = permissions.narrow(AuditEvent.objects.filter(tenant_id=request.user.tenant_id), request.user, "view")
    entries = [
        Entry(
            f"{event.kind[:1].upper()}{event.kind[1:]}: {event.record_label}",
            remark=f"{event.who} · {event.created_at:%-d %b, %H:%M}",
            link=record_url(event),
            badge=event.deed,
            tone=ACTION_TONES.get(event.action, ""),
        )
        for event in found.order_by(*newest_first("created_at"))[:8]
    ]
    title = "Latest changes of the platform" if over_all_tenants() else "Latest changes"
    return Entries(title, entries, empty="Nothing has changed yet.", link=list_url(AuditEvent))
