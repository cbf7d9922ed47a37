from uuid import UUID

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError as DjangoValidationError
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from nexora.kernel import events, permissions
from nexora.kernel.api.serializers import TenantModelSerializer
from nexora.kernel.errors import Forbidden

from ..models import User
from ..services import addresses


class MyTenantSerializer(serializers.Serializer):
    id = serializers.UUIDField(read_only=True)
    name = serializers.CharField(read_only=True)
    subdomain = serializers.CharField(read_only=True)
    plan = serializers.CharField(read_only=True)


class MeSerializer(serializers.ModelSerializer):
    tenant = MyTenantSerializer(read_only=True)
    permissions = serializers.SerializerMethodField()
    scopes = serializers.SerializerMethodField()
    second_factor = serializers.BooleanField(read_only=True, source="has_second_factor")
    recovery_codes_left = serializers.IntegerField(read_only=True)
    session = serializers.SerializerMethodField()

    class Meta:
        model = User
        fields = [
            "id",
            "email",
            "name",
            "avatar",
            "role",
            "email_verified",
            "last_login",
            "tenant",
            "permissions",
            "scopes",
            "second_factor",
            "recovery_codes_left",
            "session",
        ]
        read_only_fields = fields

    @extend_schema_field(
        {"type": "object", "additionalProperties": {"type": "object", "additionalProperties": {"type": "string"}}}
    )
    def get_permissions(self, user) -> dict:
        """{resource: {action: "all" or "own"}}"""
        return permissions.rights_of(user.role, self.context["scopes"])

    def get_scopes(self, user) -> list[str] | None:
        """Those of the key, which `permissions` is cut by; null for a person."""
        scopes = self.context["scopes"]
        return scopes if scopes is None else sorted(scopes)

    def get_session(self, user) -> UUID | None:
        """Id of the session in which this is asked."""
        actor = events.actor()
        return actor and actor.session_id


class UserSerializer(TenantModelSerializer):
    password = serializers.CharField(max_length=255, trim_whitespace=False, write_only=True, required=False)
    current_password = serializers.CharField(
        max_length=255,
        trim_whitespace=False,
        write_only=True,
        required=False,
        help_text="Needed to change one's own password.",
    )

    class Meta:
        model = User
        fields = [
            "id",
            "email",
            "name",
            "avatar",
            "role",
            "status",
            "email_verified",
            "last_login",
            "created_at",
            "updated_at",
            "password",
            "current_password",
        ]
        read_only_fields = ["id", "email_verified", "last_login", "created_at", "updated_at"]

    def validate_password(self, value):
        try:
            validate_password(value, self.instance)
        except DjangoValidationError as error:
            raise serializers.ValidationError(error.messages) from error
        return value

    def validate(self, data):
        data = super().validate(data)
        user = self.context["request"].user
        if self.instance is None and "password" not in data:
            raise serializers.ValidationError({"password": "This field is required."})
        if "role" in data:
            permissions.ensure_may_grant(user, data["role"])
        data.pop("current_password", None)
        if self.instance is not None:
            self._ensure_may_edit(user, data)
            self._ensure_knows_password(user, data)
        self._ensure_may_name_address(data)
        return data

    def _ensure_may_name_address(self, data):
        if "email" in data:
            present = self.instance and self.instance.email
            addresses.ensure_no_wait(self.context["view"].wait, email=data["email"], present=present)

    def _ensure_knows_password(self, user, data):
        """Looked at by the viewset, outside the transaction, where a wrong one stays counted."""
        if "password" in data and self.instance.pk == user.pk and not self.context["view"].knows_password:
            raise serializers.ValidationError({"current_password": "Send your present password beside the new one."})

    def _ensure_may_edit(self, user, data):
        if permissions.reach(user, User, "update") == permissions.OWN:
            allowed = User.OWN_FIELDS | {"password"}
            beyond = {name for name in data if name not in allowed and data[name] != getattr(self.instance, name)}
            if beyond:
                raise Forbidden(
                    "Of your own account you may change name, avatar and password. Ask an admin for the rest.",
                    fields={name: ["Only an admin changes this."] for name in sorted(beyond)},
                )

    def create(self, validated_data):
        user = User(**{name: value for name, value in validated_data.items() if name != "password"})
        user.set_password(validated_data["password"])
        user.save()
        return user

    def update(self, instance, validated_data):
        if (password := validated_data.pop("password", None)) is not None:
            instance.set_password(password)
        return super().update(instance, validated_data)
