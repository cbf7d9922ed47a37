from django.contrib import admin, messages
from django.db import transaction
from django.http import HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.decorators import method_decorator
from django.utils.html import format_html
from django.views.decorators.debug import sensitive_post_parameters
from unfold.contrib.filters.admin import BooleanRadioFilter, ChoicesDropdownFilter
from unfold.decorators import action, display

from nexora.kernel import permissions
from nexora.kernel.admin import TenantModelAdmin
from nexora.kernel.admin.filters import MomentRangeFilter
from nexora.kernel.admin.links import change_url, list_url

from ..forms import OwnPasswordForm, PasswordForm, UserAddForm, UserForm
from ..models import APIKey, User
from ..services import addresses, factors
from ..services.attempts import TooManyAttempts
from .leaving import Leaving

admin.site.password_change_form = OwnPasswordForm

ROLE_TONES = {
    User.Role.SUPER_ADMIN: "danger",
    User.Role.ADMIN: "primary",
    User.Role.MANAGER: "info",
    User.Role.USER: "success",
}
STATUS_TONES = {User.Status.ACTIVE: "success", User.Status.INACTIVE: "", User.Status.SUSPENDED: "danger"}


@admin.register(User)
class UserAdmin(Leaving, TenantModelAdmin):
    icon = "person"
    form = UserForm
    list_display = ["name_and_email", "role_badge", "status_badge", "second_factor", "email_verified", "last_login"]
    list_filter = [
        ("role", ChoicesDropdownFilter),
        ("status", ChoicesDropdownFilter),
        ("email_verified", BooleanRadioFilter),
        ("last_login", MomentRangeFilter),
    ]
    search_fields = ["name", "email"]
    fieldsets = [
        (None, {"fields": ["name", "email", "avatar"]}),
        ("Access", {"fields": [("role", "status"), "email_verified", "second_factor", "last_login", "api_keys"]}),
    ]
    add_fieldsets = [
        (None, {"fields": ["name", "email"]}),
        ("Access", {"fields": ["role", "status"]}),
        ("Password", {"fields": ["password1", "password2"]}),
    ]
    readonly_fields = ["second_factor", "last_login", "api_keys"]
    actions_detail = ["set_password", "sessions", "sign_out", "reset_second_factor", "deactivate"]

    def narrow_queryset(self, request, queryset):
        return queryset.with_second_factor()

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

    @display(description="API keys")
    def api_keys(self, user):
        address = list_url(APIKey, user__id__exact=user.pk)
        return format_html('<a class="text-link" href="{}">Keys of programs that act for them</a>', address)

    @display(description="Second factor", boolean=True)
    def second_factor(self, user):
        return user.has_second_factor

    def get_form(self, request, obj=None, change=False, **kwargs):
        if obj is None:
            kwargs["form"] = UserAddForm
        return super().get_form(request, obj, change, **kwargs)

    def get_fieldsets(self, request, obj=None):
        fieldsets = super().get_fieldsets(request, obj)
        if obj is None or permissions.reach(request.user, APIKey, "view") == permissions.ALL or obj == request.user:
            return fieldsets
        # Somebody else's keys are no list that this person may see.
        return [
            (title, {**options, "fields": [name for name in options["fields"] if name != "api_keys"]})
            for title, options in fieldsets
        ]

    def get_readonly_fields(self, request, obj=None):
        readonly = super().get_readonly_fields(request, obj)
        if obj is not None and permissions.reach(request.user, User, "update") == permissions.OWN:
            shown = [field.name for field in User._meta.concrete_fields]
            readonly = list(dict.fromkeys([*readonly, *(name for name in shown if name not in User.OWN_FIELDS)]))
        return readonly

    def changeform_view(self, request, object_id=None, form_url="", extra_context=None):
        """With the refusal of an address counted, unless a super admin, who sees everybody, names it."""
        if "email" not in request.POST or request.user.role == User.Role.SUPER_ADMIN:
            return super().changeform_view(request, object_id, form_url, extra_context)
        # Around the transaction that is taken back.
        with transaction.atomic():
            request.wait, _ = addresses.hold(people=User.objects.active())
            response = super().changeform_view(request, object_id, form_url, extra_context)
        if isinstance(refusal := getattr(request, "refusal", None), TooManyAttempts):
            response.status_code, response["Retry-After"] = refusal.status, str(refusal.wait)
        return response

    def note_refusal(self, request, error):
        if hasattr(request, "wait") and addresses.is_taken(error):
            addresses.note_refusal(user=request.user)

    def save_model(self, request, obj, form, change):
        addresses.ensure_no_wait(getattr(request, "wait", None), email=obj.email, present=form.initial.get("email"))
        super().save_model(request, obj, form, change)
        if change and "status" in form.changed_data and not obj.is_active:
            self.tell_what_is_open(request, obj)

    # -- Passwords

    def has_set_password_permission(self, request, object_id=None):
        user = self._found(request, object_id)
        return user is not None and self.has_change_permission(request, user)

    @action(description="Set password", icon="key", url_path="set-password", permissions=["set_password"])
    @method_decorator(sensitive_post_parameters())
    def set_password(self, request, object_id):
        user = self._person(request, object_id)
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

    # -- Second factors

    @action(
        description="Reset second factor",
        icon="phonelink_erase",
        url_path="reset-second-factor",
        permissions=["reset_second_factor"],
    )
    def reset_second_factor(self, request, object_id):
        user = self._person(request, object_id)
        if request.method == "POST":
            factors.reset_second_factor(user=user, actor=request.user)
            self.message_user(request, f"{user} has no second factor now; their sessions have ended.", messages.SUCCESS)
            return HttpResponseRedirect(change_url(user))
        context = {"title": f"Reset the second factor of {user}", "person": user, "opts": self.opts}
        context["is_mandatory"] = factors.is_mandatory(user)
        return TemplateResponse(
            request, "admin/second_factor/reset.html", {**self.admin_site.each_context(request), **context}
        )

    def has_reset_second_factor_permission(self, request, object_id=None):
        """Never of one's own, which takes a code of it."""
        user = self._found(request, object_id)
        return bool(
            user
            and user.has_second_factor
            and user.pk != request.user.pk
            and permissions.may(request.user, user, "delete")
        )
