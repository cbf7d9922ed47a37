from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.http import HttpResponseRedirect
from django.urls import reverse
from unfold.contrib.filters.admin import ChoicesDropdownFilter
from unfold.decorators import action, display

from nexora.kernel.admin import TenantModelAdmin
from nexora.kernel.admin.filters import MomentRangeFilter
from nexora.kernel.admin.links import change_url, list_url

from ..forms import InvitationForm
from ..models import Invitation
from ..services import invitations
from .people import ROLE_TONES

STATUS_TONES = {"pending": "info", "expired": "warning", "accepted": "success", "revoked": ""}


@admin.register(Invitation)
class InvitationAdmin(TenantModelAdmin):
    """Who is asked to join. Deleting one revokes it: the row stays, the link is dead."""

    icon = "mail"
    form = InvitationForm
    has_few_rows = True
    list_display = ["email", "role_badge", "status_badge", "invited_by", "created_at", "expires_at"]
    list_select_related = ["invited_by"]
    list_filter = [
        ("status", ChoicesDropdownFilter),
        ("role", ChoicesDropdownFilter),
        ("expires_at", MomentRangeFilter),
    ]
    fieldsets = [
        (None, {"fields": ["email", "role"]}),
        ("State", {"fields": ["status", "invited_by", ("sent_at", "expires_at"), ("accepted_at", "revoked_at")]}),
    ]
    readonly_fields = ["status", "invited_by", "sent_at", "expires_at", "accepted_at", "revoked_at"]
    actions = ["revoke_selected"]
    actions_submit_line = ["resend", "revoke"]

    @display(description="Role", ordering="role", label=ROLE_TONES)
    def role_badge(self, invitation):
        return invitation.role, invitation.get_role_display()

    @display(description="Status", ordering="status", label=STATUS_TONES)
    def status_badge(self, invitation):
        if invitation.status == Invitation.Status.PENDING and not invitation.is_open:
            return "expired", "Expired"
        return invitation.status, invitation.get_status_display()

    def get_readonly_fields(self, request, obj=None):
        # The link went to this address.
        return [*super().get_readonly_fields(request, obj), *([] if obj is None else ["email"])]

    def has_change_permission(self, request, obj=None):
        """The role is decided until somebody has it."""
        is_closed = isinstance(obj, Invitation) and obj.status != Invitation.Status.PENDING
        return not is_closed and super().has_change_permission(request, obj)

    def save_model(self, request, obj, form, change):
        if change:
            super().save_model(request, obj, form, change)
            return
        made = invitations.invite_person(actor=request.user, email=obj.email, role=obj.role, tenant_id=obj.tenant_id)
        # Django goes on with this object: an address that was invited already is renewed, not a second record.
        obj.__dict__ |= made.__dict__

    def response_add(self, request, obj, post_url_continue=None):
        self.message_user(request, f"A mail is on its way to {obj.email}.", messages.SUCCESS)
        if "_continue" in request.POST:
            return HttpResponseRedirect(change_url(obj))
        another = reverse("admin:accounts_invitation_add")
        return HttpResponseRedirect(another if "_addanother" in request.POST else list_url(Invitation))

    def response_change(self, request, obj):
        if not {"accounts_invitation_resend", "accounts_invitation_revoke"}.isdisjoint(request.POST):
            # Which have said what they did.
            return self.response_post_save_change(request, obj)
        return super().response_change(request, obj)

    # -- Closing one

    def delete_model(self, request, obj):
        invitations.revoke_invitation(invitation=obj)

    def delete_queryset(self, request, queryset):
        for invitation in queryset:
            invitations.revoke_invitation(invitation=invitation)

    @admin.action(description="Revoke selected invitations", permissions=["delete"])
    def revoke_selected(self, request, queryset):
        pending = queryset.filter(status=Invitation.Status.PENDING)
        count = len(pending)
        self.delete_queryset(request, pending)
        noun = "invitation is" if count == 1 else "invitations are"
        self.message_user(request, f"{count} {noun} revoked.", messages.SUCCESS)

    def changeform_view(self, request, object_id=None, form_url="", extra_context=None):
        # Its button says what it does.
        return super().changeform_view(request, object_id, form_url, {"show_delete": False, **(extra_context or {})})

    def get_actions_submit_line(self, request, object_id):
        invitation = self.get_object(request, unquote(str(object_id)))
        is_pending = invitation is not None and invitation.status == Invitation.Status.PENDING
        return super().get_actions_submit_line(request, object_id) if is_pending else []

    @action(description="Resend", permissions=["change"])
    def resend(self, request, invitation):
        invitations.resend_invitation(actor=request.user, invitation=invitation)
        self.message_user(
            request, f"Another mail is on its way to {invitation.email}; the link before is dead.", messages.SUCCESS
        )

    @action(description="Revoke", permissions=["delete"])
    def revoke(self, request, invitation):
        invitations.revoke_invitation(invitation=invitation)
        self.message_user(
            request, f"The invitation of {invitation.email} is revoked; its link is dead.", messages.SUCCESS
        )
