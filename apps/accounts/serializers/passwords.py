from rest_framework import serializers

from nexora.kernel.api.serializers import TextField


class ResetRequestSerializer(serializers.Serializer):
    email = TextField(max_length=255)


class ResetSerializer(serializers.Serializer):
    token = TextField(max_length=255, write_only=True, help_text="From the link in the mail.")
    password = TextField(max_length=1024, trim_whitespace=False, write_only=True)
