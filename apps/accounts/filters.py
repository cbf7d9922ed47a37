from nexora.kernel.api.filters import TenantFilterSet

from .models import AuditEvent, User


class UserFilterSet(TenantFilterSet):
    class Meta:
        model = User
        fields = ["email", "role", "status", "email_verified", "last_login", "created_at", "updated_at"]


class AuditEventFilterSet(TenantFilterSet):
    class Meta:
        model = AuditEvent
        fields = ["actor", "action", "resource", "record_id", "created_at"]
