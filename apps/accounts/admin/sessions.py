from django.contrib import admin, messages
from django.http import HttpResponseRedirect
from unfold.contrib.filters.admin import (
    AutocompleteSelectFilter,
    ChoicesDropdownFilter,
)
from unfold.decorators import display

from nexora.kernel import events, permissions
from nexora.kernel.admin import TenantModelAdmin
from nexora.kernel.admin.filters import MomentRangeFilter
from nexora.kernel.admin.links import list_url
from nexora.kernel.admin.site import account_link

from ..models import RefreshToken
from .leaving import sessions_url

KIND_TONES = {RefreshToken.Kind.API: "info", RefreshToken.Kind.BROWSER: "primary"}


@admin.action(permissions=["delete"], description="Sign out of selected sessions")
def sign_out(model_admin, request, queryset):
    ended = 0
    for session in queryset.select_related("user"):
        if permissions.may(request.user, session, "delete"):
            session.delete()
            ended += 1
        else:
            model_admin.message_user(request, f"You may not end the {session}.", messages.ERROR)
    if ended:
        noun = "session" if ended == 1 else "sessions"
        model_admin.message_user(request, f"Ended {ended} {noun}.", messages.SUCCESS)


@admin.register(RefreshToken)
class RefreshTokenAdmin(TenantModelAdmin):
    """Where people are signed in, by browser and by API; most see but their own. Deleting ends a session."""

    icon = "devices"
    list_display = ["person", "kind_badge", "where", "address", "last_used_at", "created_at"]
    list_select_related = ["user"]
    list_filter = [
        ("user", AutocompleteSelectFilter),
        ("kind", ChoicesDropdownFilter),
        ("last_used_at", MomentRangeFilter),
        ("expires_at", MomentRangeFilter),
    ]
    search_fields = ["user__name", "user__email"]
    actions = [sign_out]
    fieldsets = [
        (None, {"fields": ["user", "kind", "where", "user_agent", "address"]}),
        ("Use", {"fields": ["last_used_at", "rotated_at", "expires_at"]}),
    ]
    readonly_fields = ["where", "address"]
    exported = ["user_agent", "ip_address", "expires_at"]

    def get_list_filter(self, request):
        filters = super().get_list_filter(request)
        if permissions.reach(request.user, RefreshToken, "view") == permissions.OWN:
            return [declared for declared in filters if declared[0] != "user"]
        return filters

    def delete_view(self, request, object_id, extra_context=None):
        return super().delete_view(request, object_id, {"title": "End a session", **(extra_context or {})})

    def response_delete(self, request, obj_display, obj_id):
        # Django leads whoever may not edit a record to the overview.
        self.message_user(request, f"The {obj_display} has ended.", messages.SUCCESS)
        return HttpResponseRedirect(list_url(RefreshToken))

    @display(description="Person", header=True)
    def person(self, session):
        return session.user.name, session.user.email

    @display(description="Kind", ordering="kind", label=KIND_TONES)
    def kind_badge(self, session):
        return session.kind, session.get_kind_display()

    @display(description="Device")
    def where(self, session):
        is_this = events.actor() and events.actor().session_id == session.pk
        return f"{session.device or 'Unknown'}, this session" if is_this else session.device

    @display(description="IP address", ordering="ip_address")
    def address(self, session):
        return session.ip_address


@account_link
def own_sessions(request):
    return {"title": "Your sessions", "link": sessions_url(request.user, of=request.user)}
