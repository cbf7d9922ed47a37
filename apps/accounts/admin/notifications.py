from django.apps import apps
from django.contrib import admin, messages
from django.utils.html import format_html
from unfold.contrib.filters.admin import ChoicesDropdownFilter, DropdownFilter
from unfold.decorators import display

from nexora.kernel import permissions
from nexora.kernel.admin import TenantModelAdmin, over_all_tenants
from nexora.kernel.admin.dashboard import Entries, Entry, panel
from nexora.kernel.admin.deletion import delete_selected
from nexora.kernel.admin.filters import MomentRangeFilter
from nexora.kernel.admin.links import change_url, list_url
from nexora.kernel.admin.lists import RecordList, name_tenant, newest_first
from nexora.kernel.scope import current_tenant_id

from ..models import Notification
from ..models.trail import kind_of
from ..services.notifications import mark_read

LEVEL_TONES = {level: level.value for level in Notification.Level}


class ReadFilter(DropdownFilter):
    title = "read"
    parameter_name = "read"

    def lookups(self, request, model_admin):
        return [("no", "Unread"), ("yes", "Read")]

    def queryset(self, request, queryset):
        match self.value():
            case "no":
                return queryset.unread()
            case "yes":
                return queryset.exclude(read_at=None)
        return queryset


class NotificationList(RecordList):
    def get_results(self, request):
        super().get_results(request)
        find_links(request, self.result_list)


@admin.action(permissions=["view"], description="Mark as read")
def mark_selected_as_read(model_admin, request, queryset):
    marked = mark_read(actor=request.user, ids=list(queryset.values_list("pk", flat=True)))
    noun = "notification" if marked == 1 else "notifications"
    model_admin.message_user(request, f"Marked {marked} {noun} as read.", messages.SUCCESS)


@admin.register(Notification)
class NotificationAdmin(TenantModelAdmin):
    """One's own, whatever one's role."""

    icon = "notifications"
    list_display = ["__str__", "level_badge", "about", "created_at", "read_at"]
    list_filter = [ReadFilter, ("level", ChoicesDropdownFilter), ("created_at", MomentRangeFilter)]
    actions = [mark_selected_as_read, delete_selected]
    fieldsets = [(None, {"fields": ["text", "level", "about", "read_at"]})]
    readonly_fields = ["about"]
    exported = ["resource", "record_id"]

    def narrow_queryset(self, request, queryset):
        return queryset.of(request.user)

    def get_changelist(self, request, **kwargs):
        return NotificationList

    def get_object(self, request, object_id, from_field=None):
        notification = super().get_object(request, object_id, from_field)
        find_links(request, [notification] if notification else [])
        return notification

    def has_change_permission(self, request, obj=None):
        # Marking one as read is all that there is to change, and no form does that.
        return obj is None and super().has_change_permission(request)

    def change_view(self, request, object_id, form_url="", extra_context=None):
        # It publishes nothing, so its history would always be empty.
        return super().change_view(request, object_id, form_url, {"show_history": False, **(extra_context or {})})

    @display(description="Level", label=LEVEL_TONES)
    def level_badge(self, notification):
        return notification.level, notification.get_level_display()

    @display(description="About")
    def about(self, notification):
        if notification.resource is None:
            return None
        kind = kind_of(notification.resource)
        link = notification.link
        return format_html('<a class="text-link" href="{}">{}</a>', link, kind) if link else kind


def find_links(request, notifications):
    """Give each its `link`: where the record that it is about is shown, if there is one that the person may see."""
    wanted = {}
    for notification in notifications:
        notification.link = ""
        if notification.resource and notification.record_id:
            wanted.setdefault(notification.resource, set()).add(notification.record_id)
    found = {
        (resource, record.pk): record for resource, ids in wanted.items() for record in seen(request, resource, ids)
    }
    for notification in notifications:
        if record := found.get((notification.resource, notification.record_id)):
            notification.link = change_url(record)


def seen(request, resource, ids):
    """Those of the records of these ids that have a page for the person."""
    try:
        model_admin = admin.site.get_model_admin(apps.get_model(resource))
    except (LookupError, ValueError, admin.exceptions.NotRegistered):
        return []
    return name_tenant(model_admin.get_queryset(request)).filter(pk__in=ids).order_by().only("pk")


# -- Overview


@panel(order=25)
def notifications(request):
    if permissions.reach(request.user, Notification, "view") is None:
        return None
    if not over_all_tenants() and current_tenant_id() != request.user.tenant_id:
        return None  # a super_admin inside a tenant: what they are told is of the platform
    unread = list(Notification.objects.of(request.user).unread().order_by(*newest_first("created_at"))[:6])
    find_links(request, unread)
    entries = [
        Entry(
            str(notification),
            remark=" · ".join(filter(None, [kind_of(notification.resource or ""), told_at(notification)])),
            link=notification.link or change_url(notification),
            badge=notification.get_level_display(),
            tone=LEVEL_TONES.get(notification.level, ""),
        )
        for notification in unread
    ]
    return Entries("Notifications", entries, empty="Nothing unread.", link=list_url(Notification))


def told_at(notification):
    return f"{notification.created_at:%-d %b, %H:%M}" if notification.created_at else ""
