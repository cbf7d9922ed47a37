from rest_framework import serializers


class EmailTokenSerializer(serializers.Serializer):
    token = serializers.CharField(max_length=2000, write_only=True, help_text="`token` of the link in the mail.")
    password = serializers.CharField(
        max_length=255,
        trim_whitespace=False,
        write_only=True,
        required=False,
        help_text="Of a sign-up: the password that was chosen.",
    )


class VerifiedSerializer(serializers.Serializer):
    email = serializers.EmailField(read_only=True, help_text="The address that is confirmed now.")


class EmailAddressSerializer(serializers.Serializer):
    email = serializers.EmailField(max_length=255)
