from django.apps import apps
from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import NoReverseMatch, reverse
from django.utils.decorators import method_decorator
from django.utils.html import format_html
from django.views.decorators.debug import sensitive_post_parameters
from unfold.contrib.filters.admin import (
    AutocompleteSelectFilter,
    BooleanRadioFilter,
    ChoicesDropdownFilter,
    DropdownFilter,
)
from unfold.decorators import action, display

from nexora.kernel import permissions
from nexora.kernel.admin import TenantModelAdmin, over_all_tenants
from nexora.kernel.admin.dashboard import Entries, Entry, panel
from nexora.kernel.admin.filters import MomentRangeFilter
from nexora.kernel.admin.history import source
from nexora.kernel.admin.links import change_url, list_url
from nexora.kernel.admin.lists import newest_first

from .forms import PasswordForm, UserAddForm, UserForm
from .models import AuditEvent, RefreshToken, User

ROLE_TONES = {
    User.Role.SUPER_ADMIN: "danger",
    User.Role.ADMIN: "primary",
    User.Role.MANAGER: "info",
    User.Role.USER: "success",
}
STATUS_TONES = {User.Status.ACTIVE: "success", User.Status.INACTIVE: "", User.Status.SUSPENDED: "danger"}
ACTION_TONES = {"created": "success", "updated": "info", "deleted": "danger"}


@admin.register(User)
class UserAdmin(TenantModelAdmin):
    icon = "person"
    form = UserForm
    list_display = ["name_and_email", "role_badge", "status_badge", "email_verified", "last_login"]
    list_filter = [
        ("role", ChoicesDropdownFilter),
        ("status", ChoicesDropdownFilter),
        ("email_verified", BooleanRadioFilter),
        ("last_login", MomentRangeFilter),
    ]
    search_fields = ["name", "email"]
    fieldsets = [
        (None, {"fields": ["name", "email", "avatar"]}),
        ("Access", {"fields": [("role", "status"), "email_verified", "last_login"]}),
    ]
    add_fieldsets = [
        (None, {"fields": ["name", "email"]}),
        ("Access", {"fields": ["role", "status"]}),
        ("Password", {"fields": ["password1", "password2"]}),
    ]
    readonly_fields = ["last_login"]
    actions_detail = ["set_password"]

    @display(description="Name", ordering="name", header=True)
    def name_and_email(self, user):
        initials = "".join(word[0] for word in user.name.split()[:2])
        return user.name, user.email, initials

    @display(description="Role", ordering="role", label=ROLE_TONES)
    def role_badge(self, user):
        return user.role, user.get_role_display()

    @display(description="Status", ordering="status", label=STATUS_TONES)
    def status_badge(self, user):
        return user.status, user.get_status_display()

    def get_form(self, request, obj=None, change=False, **kwargs):
        if obj is None:
            kwargs["form"] = UserAddForm
        return super().get_form(request, obj, change, **kwargs)

    def get_readonly_fields(self, request, obj=None):
        readonly = super().get_readonly_fields(request, obj)
        if obj is not None and permissions.reach(request.user, User, "update") == permissions.OWN:
            shown = [field.name for field in User._meta.concrete_fields]
            readonly = list(dict.fromkeys([*readonly, *(name for name in shown if name not in User.OWN_FIELDS)]))
        return readonly

    # -- Passwords

    def get_actions_detail(self, request, object_id):
        user = self.get_object(request, unquote(object_id))
        may_edit = user is not None and self.has_change_permission(request, user)
        return super().get_actions_detail(request, object_id) if may_edit else []

    @action(description="Set password", icon="key", url_path="set-password")
    @method_decorator(sensitive_post_parameters())
    def set_password(self, request, object_id):
        user = self.get_object(request, unquote(object_id))
        if user is None:
            raise Http404
        if not self.has_change_permission(request, user):
            raise PermissionDenied
        if user.pk == request.user.pk:
            # One's own is changed by who knows the old one.
            return HttpResponseRedirect(reverse("admin:password_change"))
        form = PasswordForm(user, request.POST if request.method == "POST" else None)
        if form.is_valid():
            form.save()
            self.log_change(request, user, [{"changed": {"fields": ["password"]}}])
            self.message_user(request, f"{user} has a new password; their sessions have ended.", messages.SUCCESS)
            return HttpResponseRedirect(change_url(user))
        context = {
            **self.admin_site.each_context(request),
            "title": f"Set the password of {user}",
            "form": form,
            "original": user,
            "opts": self.opts,
            "is_popup": False,
        }
        request.current_app = self.admin_site.name
        return TemplateResponse(request, "admin/auth/user/change_password.html", context)


@admin.register(RefreshToken)
class RefreshTokenAdmin(TenantModelAdmin):
    """Sessions of the API. Deleting one signs its holder out."""

    icon = "devices"
    list_display = ["user", "user_agent", "address", "created_at", "rotated_at", "expires_at"]
    list_select_related = ["user"]
    list_filter = [("user", AutocompleteSelectFilter), ("expires_at", MomentRangeFilter)]
    search_fields = ["user__name", "user__email"]
    fieldsets = [(None, {"fields": ["user", "user_agent", "address", "rotated_at", "expires_at"]})]
    readonly_fields = ["address"]

    @display(description="IP address", ordering="ip_address")
    def address(self, session):
        return session.ip_address


class ResourceFilter(DropdownFilter):
    title = "resource"
    parameter_name = "resource"

    def lookups(self, request, model_admin):
        return [(name, verbose(name)) for name in permissions.policy().resources]

    def queryset(self, request, queryset):
        return queryset.filter(resource=self.value()) if self.value() else queryset


@admin.register(AuditEvent)
class AuditEventAdmin(TenantModelAdmin):
    icon = "history"
    list_display = ["created_at", "action_badge", "what", "record_label", "changed", "who"]
    list_filter = [ResourceFilter, ("actor", AutocompleteSelectFilter), ("created_at", MomentRangeFilter)]
    search_fields = ["record_label"]
    fieldsets = [
        (None, {"fields": ["created_at", "action", "what", "record_link", "who", "address"]}),
        ("Details", {"fields": ["changes", "children"]}),
    ]
    readonly_fields = ["what", "record_link", "who", "address"]

    @display(description="Action", ordering="action", label=ACTION_TONES)
    def action_badge(self, event):
        return event.action

    @display(description="Resource", ordering="resource")
    def what(self, event):
        return verbose(event.resource)

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
        return event.actor_label or "the system"


def verbose(resource):
    """`crm.customer` in words; the resource of a model that is no more stays as it is."""
    try:
        return apps.get_model(resource)._meta.verbose_name
    except (LookupError, ValueError):
        return resource


def record_url(event):
    """Where the record of an event is shown, unless it is gone."""
    if event.record_id is None or event.action == "deleted":
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
    return happened.order_by(*newest_first("created_at"))


# -- Overview


@panel(order=65)
def latest_changes(request):
    if permissions.reach(request.user, AuditEvent, "view") is None:
        return None
    # On the platform its own trail: indexes find the newest rows of one tenant, not of all.
    found = AuditEvent.objects.filter(tenant_id=request.user.tenant_id).order_by(*newest_first("created_at"))
    entries = [
        Entry(
            f"{verbose(event.resource).capitalize()}: {event.record_label}",
            remark=f"{event.actor_label or 'the system'} · {event.created_at:%-d %b, %H:%M}",
            link=record_url(event),
            badge=event.action,
            tone=ACTION_TONES.get(event.action, ""),
        )
        for event in found[:8]
    ]
    title = "Latest changes of the platform" if over_all_tenants() else "Latest changes"
    return Entries(title, entries, empty="Nothing has changed yet.", link=list_url(AuditEvent))
