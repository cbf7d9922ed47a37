from nexora.kernel.api.serializers import TenantModelSerializer

from ..models import AuditEvent


class AuditEventSerializer(TenantModelSerializer):
    class Meta:
        model = AuditEvent
        fields = [
            "id",
            "actor",
            "actor_label",
            "action",
            "resource",
            "record_id",
            "record_label",
            "changes",
            "children",
            "ip_address",
            "created_at",
        ]
        read_only_fields = fields
