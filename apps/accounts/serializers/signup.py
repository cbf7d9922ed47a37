from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError as DjangoValidationError
from rest_framework import serializers

from apps.tenants.models import subdomain_validator
from apps.tenants.subdomains import is_reserved
from nexora.kernel.mailers import one_line

from ..models import User


def validate_name(value):
    """Names that strangers type are read in mails by people who did not ask for them."""
    if value != one_line(value):
        raise serializers.ValidationError("Use one line of visible characters.")
    if "://" in value or "www." in value.lower():
        raise serializers.ValidationError("A name holds no web address.")


def validate_unreserved(value):
    if is_reserved(value):
        raise serializers.ValidationError("This name is reserved, or looks like one that is. Choose another.")


class AcceptedSerializer(serializers.Serializer):
    """What is answered whether an address is known or not."""

    detail = serializers.CharField(read_only=True, help_text="What happens next, for people.")


class SignUpSerializer(serializers.Serializer):
    organisation = serializers.CharField(max_length=100, validators=[validate_name], help_text="Its name.")
    subdomain = serializers.CharField(
        max_length=63,
        validators=[subdomain_validator, validate_unreserved],
        help_text="Where it is to live: the first part of its host.",
    )
    name = serializers.CharField(max_length=100, validators=[validate_name], help_text="Its first admin's.")
    email = serializers.EmailField(max_length=255)
    password = serializers.CharField(max_length=255, trim_whitespace=False, write_only=True)

    def validate_email(self, value):
        return value.lower()

    def validate(self, data):
        try:
            validate_password(data["password"], User(name=data["name"], email=data["email"]))
        except DjangoValidationError as error:
            raise serializers.ValidationError({"password": error.messages}) from error
        return data
