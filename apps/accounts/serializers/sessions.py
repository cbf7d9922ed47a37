from rest_framework import serializers

from nexora.kernel.api.serializers import TenantModelSerializer

from ..models import RefreshToken


class CredentialsSerializer(serializers.Serializer):
    email = serializers.CharField(max_length=255)
    password = serializers.CharField(max_length=1024, trim_whitespace=False, write_only=True)


class SessionSerializer(TenantModelSerializer):
    class Meta:
        model = RefreshToken
        fields = [
            "id",
            "user",
            "kind",
            "device",
            "user_agent",
            "ip_address",
            "created_at",
            "last_used_at",
            "expires_at",
        ]
        read_only_fields = fields


class RefreshSerializer(serializers.Serializer):
    refresh = serializers.CharField(max_length=4096)


class TokenPairSerializer(serializers.Serializer):
    access = serializers.CharField(read_only=True)
    refresh = serializers.CharField(read_only=True)


class EndedSerializer(serializers.Serializer):
    ended = serializers.IntegerField(read_only=True, help_text="How many sessions ended.")
