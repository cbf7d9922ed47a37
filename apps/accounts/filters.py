from nexora.kernel.api.filters import TenantFilterSet, TrueFalseFilter

from .models import APIKey, AuditEvent, Invitation, Notification, RefreshToken, User


class UserFilterSet(TenantFilterSet):
    class Meta:
        model = User
        fields = ["email", "role", "status", "email_verified", "last_login", "created_at", "updated_at"]


class APIKeyFilterSet(TenantFilterSet):
    revoked = TrueFalseFilter("revoked_at", "isnull", exclude=True)

    class Meta:
        model = APIKey
        fields = ["user", "prefix", "expires_at", "last_used_at"]


class InvitationFilterSet(TenantFilterSet):
    class Meta:
        model = Invitation
        fields = ["email", "role", "status", "expires_at", "created_at"]


class SessionFilterSet(TenantFilterSet):
    class Meta:
        model = RefreshToken
        fields = ["user", "kind", "created_at", "last_used_at", "expires_at"]


class NotificationFilterSet(TenantFilterSet):
    read = TrueFalseFilter("read_at", "isnull", exclude=True)

    class Meta:
        model = Notification
        fields = ["level", "resource", "record_id", "created_at"]


class AuditEventFilterSet(TenantFilterSet):
    class Meta:
        model = AuditEvent
        fields = ["actor", "action", "resource", "record_id", "created_at"]
