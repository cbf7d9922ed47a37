import re

from django.core.exceptions import ValidationError
from django.core.validators import RegexValidator
from rest_framework import serializers

from nexora.kernel import permissions
from nexora.kernel.api.serializers import TenantModelSerializer

from ..models import APIKey


class ScopeValidator(RegexValidator):
    """What the model checks, too; here it also says so in the OpenAPI document."""

    def __init__(self):
        super().__init__(f"^({'|'.join(map(re.escape, permissions.known_scopes()))})$")

    def __call__(self, value):
        if problem := permissions.scope_problem(value):
            raise ValidationError(problem)


class APIKeySerializer(TenantModelSerializer):
    scopes = serializers.ListField(
        child=serializers.CharField(validators=[ScopeValidator()]),
        allow_empty=False,
        # For the OpenAPI document, which does not know the other.
        min_length=1,
        help_text=APIKey._meta.get_field("scopes").help_text,
    )

    class Meta:
        model = APIKey
        fields = [
            "id",
            "user",
            "name",
            "prefix",
            "scopes",
            "expires_at",
            "last_used_at",
            "last_used_ip",
            "revoked_at",
            "created_by",
            "created_at",
            "updated_at",
        ]
        read_only_fields = ["user", "prefix", "last_used_at", "last_used_ip", "revoked_at", "created_by"]
        create_only = ["scopes", "expires_at"]


class IssuedAPIKeySerializer(APIKeySerializer):
    """A key as its creation answers it."""

    key = serializers.CharField(read_only=True, help_text="The key itself, shown this once. Keep it where it is used.")

    class Meta(APIKeySerializer.Meta):
        fields = [*APIKeySerializer.Meta.fields, "key"]
