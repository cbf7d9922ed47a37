from django import forms
from django.apps import apps
from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.db.models import Q
from django.http import HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from unfold.contrib.filters.admin import AutocompleteSelectFilter, DropdownFilter
from unfold.decorators import action, display
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget

from nexora.kernel import clock, permissions
from nexora.kernel.admin import TenantModelAdmin
from nexora.kernel.admin.links import change_url, list_url

from ..models import APIKey
from ..services.keys import issue_key, revoke_key

STATUS_TONES = {"active": "success", "expired": "warning", "revoked": "danger"}


class StatusFilter(DropdownFilter):
    title = "status"
    parameter_name = "status"

    def lookups(self, request, model_admin):
        return [(status, status.capitalize()) for status in STATUS_TONES]

    def queryset(self, request, queryset):
        gone = Q(expires_at__lte=clock.now())
        match self.value():
            case "active":
                return queryset.filter(~gone | Q(expires_at=None), revoked_at=None)
            case "expired":
                return queryset.filter(gone, revoked_at=None)
            case "revoked":
                return queryset.exclude(revoked_at=None)
        return queryset


@admin.action(description="Revoke selected API keys", permissions=["delete"])
def revoke_selected(model_admin, request, queryset):
    revoked = [revoke_key(key=key) for key in queryset if permissions.may(request.user, key, "delete")]
    model_admin.log_deletions(request, revoked)
    noun = "API key is" if len(revoked) == 1 else "API keys are"
    model_admin.message_user(request, f"{len(revoked)} {noun} revoked.", messages.SUCCESS)


@admin.register(APIKey)
class APIKeyAdmin(TenantModelAdmin):
    """Keys of programs. Deleting one, as everywhere, revokes it."""

    icon = "key"
    has_few_rows = True
    list_display = ["name", "status_badge", "user", "shown_prefix", "shown_scopes", "last_used_at", "expires_at"]
    list_filter = [StatusFilter, ("user", AutocompleteSelectFilter)]
    list_select_related = ["user"]
    actions = [revoke_selected]
    actions_detail = ["revoke"]
    fieldsets = [
        (None, {"fields": ["name", "user", "status", "shown_prefix", "scopes", "expires_at"]}),
        ("Use", {"fields": ["last_used_at", "address", "revoked_at"]}),
    ]
    readonly_fields = ["user", "status", "shown_prefix", "last_used_at", "address", "revoked_at"]

    @display(description="Status", label=STATUS_TONES)
    def status_badge(self, key):
        return key.status, key.status.capitalize()

    @display(description="Key", ordering="prefix")
    def shown_prefix(self, key):
        return f"{key.prefix}…"

    @display(description="Scopes")
    def shown_scopes(self, key):
        return ", ".join(key.scopes)

    @display(description="Last used from", ordering="last_used_ip")
    def address(self, key):
        return key.last_used_ip

    def formfield_for_dbfield(self, db_field, request, **kwargs):
        if db_field.name != "scopes":
            return super().formfield_for_dbfield(db_field, request, **kwargs)
        return forms.MultipleChoiceField(
            choices=[(scope, in_words(scope)) for scope in useful_scopes(request.user)],
            widget=UnfoldAdminCheckboxSelectMultipleWidget,
            help_text="The program never does more than your own role may, and never changes people, keys or settings.",
        )

    def get_readonly_fields(self, request, obj=None):
        fixed = [] if obj is None else ["scopes", "expires_at"]
        return [*super().get_readonly_fields(request, obj), *fixed]

    # -- Shown once

    def add_view(self, request, form_url="", extra_context=None):
        one_way_on = {"show_save_and_continue": False, "show_save_and_add_another": False}
        return super().add_view(request, form_url, {**one_way_on, **(extra_context or {})})

    def save_model(self, request, obj, form, change):
        if change:
            super().save_model(request, obj, form, change)
        else:
            request.key_text = issue_key(key=obj, user_id=request.user.pk)

    def response_add(self, request, obj, post_url_continue=None):
        """The key, on the page that answers the form: a message would keep it in the session."""
        context = {
            **self.admin_site.each_context(request),
            "title": f"{obj.name} is ready",
            "text": request.key_text,
            "key": obj,
            "scopes": [in_words(scope) for scope in obj.scopes],
            "link": change_url(obj),
            "opts": self.opts,
        }
        request.current_app = self.admin_site.name
        page = TemplateResponse(request, "admin/accounts/apikey/created.html", context)
        page["Cache-Control"] = "no-store"
        return page

    # -- Revoking

    def change_view(self, request, object_id, form_url="", extra_context=None):
        return super().change_view(request, object_id, form_url, {"show_delete": False, **(extra_context or {})})

    def get_actions_detail(self, request, object_id):
        key = self.get_object(request, unquote(object_id))
        may_revoke = key and key.revoked_at is None and self.has_delete_permission(request, key)
        return super().get_actions_detail(request, object_id) if may_revoke else []

    @action(description="Revoke", icon="key_off", url_path="revoke")
    def revoke(self, request, object_id):
        key = self.get_object(request, unquote(object_id))
        where = reverse("admin:accounts_apikey_delete", args=[key.pk]) if key else list_url(APIKey)
        return HttpResponseRedirect(where)

    def delete_view(self, request, object_id, extra_context=None):
        return super().delete_view(request, object_id, {"title": "Revoke an API key", **(extra_context or {})})

    def delete_model(self, request, obj):
        revoke_key(key=obj)

    def log_deletions(self, request, queryset):
        for key in queryset:
            self.log_change(request, key, [{"changed": {"fields": ["revoked at"]}}])

    def response_delete(self, request, obj_display, obj_id):
        self.message_user(request, f"{obj_display} is revoked. It has stopped working.", messages.SUCCESS)
        return HttpResponseRedirect(list_url(APIKey))


def useful_scopes(user):
    """Those with which a key of this person may do something."""
    for scope in permissions.known_scopes():
        resource, _, verb = scope.partition(":")
        rights = ("view",) if verb == permissions.READ else ("create", "update", "delete")
        if resource == permissions.EVERYTHING or any(
            permissions.reach(user, apps.get_model(resource), right) for right in rights
        ):
            yield scope


def in_words(scope):
    """`Customers: read` for `crm.customer:read`."""
    resource, _, verb = scope.partition(":")
    is_one = resource != permissions.EVERYTHING
    noun = apps.get_model(resource)._meta.verbose_name_plural if is_one else "everything"
    return f"{noun[:1].upper()}{noun[1:]}: {'read' if verb == permissions.READ else 'read and write'}"
