from rest_framework import serializers

from .sessions import CredentialsSerializer, TokenPairSerializer

CODE = "Six digits of the second factor, or a recovery code."


class SignInSerializer(CredentialsSerializer):
    code = serializers.CharField(
        max_length=40, write_only=True, required=False, allow_blank=True, help_text=f"{CODE} Where there is one."
    )


class ProofSerializer(CredentialsSerializer):
    code = serializers.CharField(max_length=40, write_only=True, help_text=CODE)


class ConfirmationSerializer(CredentialsSerializer):
    code = serializers.CharField(max_length=40, write_only=True, help_text="Six digits that the new secret makes.")


class EnrolmentSerializer(serializers.Serializer):
    secret = serializers.CharField(read_only=True, help_text="For apps that take no QR code.")
    uri = serializers.CharField(read_only=True, help_text="otpauth:// address of the secret.")
    qr = serializers.CharField(read_only=True, help_text="The address as a QR code: an SVG in a data: URI.")


class RecoveryCodesSerializer(serializers.Serializer):
    recovery_codes = serializers.ListField(
        child=serializers.CharField(), read_only=True, help_text="Each takes the place of a code once. Not shown again."
    )


class EnrolledSerializer(RecoveryCodesSerializer, TokenPairSerializer):
    pass
