from rest_framework import serializers

from nexora.kernel.api.constraints import NO_SUCH_RECORD

from ..models import User


class PersonField(serializers.PrimaryKeyRelatedField):
    """The id of a person of the tenant in scope."""

    default_error_messages = {"does_not_exist": NO_SUCH_RECORD}

    def __init__(self, **kwargs):
        super().__init__(queryset=User.objects.all(), pk_field=serializers.UUIDField(), **kwargs)


class SuccessorSerializer(serializers.Serializer):
    to = PersonField(help_text="Who takes over: an active colleague who is no guest.")


class DeactivationSerializer(serializers.Serializer):
    hand_over_to = PersonField(
        required=False, allow_null=True, help_text="Who takes over what is open; left out, it stays where it is."
    )


class CountsField(serializers.DictField):
    child = serializers.IntegerField(min_value=0)


class HandedOverSerializer(serializers.Serializer):
    moved = CountsField(read_only=True, help_text="How many records of each kind were handed over.")
    open = CountsField(read_only=True, help_text="How many the person still holds.")
