from rest_framework import serializers

from nexora.kernel.api.serializers import TenantModelSerializer

from ..models import Notification


class NotificationSerializer(TenantModelSerializer):
    class Meta:
        model = Notification
        fields = ["id", "text", "level", "resource", "record_id", "created_at", "read_at"]
        read_only_fields = fields


class MarkedReadSerializer(serializers.Serializer):
    read = serializers.IntegerField(read_only=True, help_text="How many were unread until now.")
