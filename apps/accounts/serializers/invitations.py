from rest_framework import serializers

from nexora.kernel.api.serializers import TenantModelSerializer, TextField

from ..models import Invitation, User
from ..services import invitations


class InvitationSerializer(TenantModelSerializer):
    class Meta:
        model = Invitation
        fields = [
            "id",
            "email",
            "role",
            "status",
            "invited_by",
            "expires_at",
            "sent_at",
            "accepted_at",
            "revoked_at",
            "created_at",
            "updated_at",
        ]
        read_only_fields = [name for name in fields if name not in ("email", "role")]

    def create(self, validated_data):
        role = validated_data.pop("role", User.Role.USER)
        return invitations.invite_person(role=role, **validated_data)


class AcceptanceSerializer(serializers.Serializer):
    token = TextField(max_length=255, write_only=True, help_text="From the link in the mail.")
    name = TextField(max_length=255)
    password = TextField(max_length=1024, trim_whitespace=False, write_only=True)
