from rest_framework import serializers

from nexora.kernel.api.bulk import MOST_RECORDS, BodySerializer, IdField, IdsSerializer
from nexora.kernel.api.serializers import TenantModelSerializer

from .models import Workflow, WorkflowExecution, WorkflowStep, WorkflowVersion


class WorkflowSerializer(TenantModelSerializer):
    class Meta:
        model = Workflow
        fields = (
            "id",
            "name",
            "description",
            "trigger",
            "actions",
            "enabled",
            "created_by",
            "created_at",
            "updated_at",
            "version",
            "runs_per_minute",
            "notice",
            "next_run_at",
        )
        read_only_fields = ("created_by",)


class WorkflowVersionSerializer(TenantModelSerializer):
    class Meta:
        model = WorkflowVersion
        fields = ("id", "workflow", "number", "trigger", "actions", "created_by", "created_at")
        read_only_fields = fields


class WorkflowExecutionSerializer(TenantModelSerializer):
    class Meta:
        model = WorkflowExecution
        fields = (
            "id",
            "workflow",
            "status",
            "input",
            "output",
            "error",
            "started_at",
            "completed_at",
            "version",
            "owner",
            "state",
            "attempt",
            "depth",
            "parent",
            "retry_of",
            "resume_at",
            "cancel_requested_at",
            "resource",
            "record_id",
        )
        read_only_fields = fields


class WorkflowStepSerializer(TenantModelSerializer):
    class Meta:
        model = WorkflowStep
        fields = (
            "id",
            "execution",
            "path",
            "key",
            "type",
            "status",
            "attempts",
            "input",
            "output",
            "error",
            "failures",
            "started_at",
            "completed_at",
        )
        read_only_fields = fields


class TemplateSerializer(serializers.Serializer):
    slug = serializers.SlugField()
    name = serializers.CharField()
    description = serializers.CharField()
    category = serializers.CharField()
    trigger = serializers.JSONField()
    actions = serializers.JSONField()


class TemplatesSerializer(serializers.Serializer):
    results = TemplateSerializer(many=True)


class RunSerializer(IdsSerializer):
    ids = serializers.ListField(child=IdField(), max_length=MOST_RECORDS, required=False)


class SecretsSerializer(serializers.Serializer):
    webhook_url = serializers.URLField(help_text="Where webhooks for it are sent to.")
    webhook_secret = serializers.CharField(help_text="What they are signed with.")
    request_secret = serializers.CharField(help_text="What its own requests are signed with.")


class ReceivedSerializer(serializers.Serializer):
    execution = serializers.UUIDField(allow_null=True)
    duplicate = serializers.BooleanField()


class StartedSerializer(serializers.Serializer):
    executions = serializers.ListField(child=serializers.UUIDField())
    left_out = serializers.ListField(child=serializers.UUIDField())


class TrialSerializer(BodySerializer):
    record = IdField(required=False)
    changes = serializers.DictField(
        child=serializers.ListField(child=serializers.JSONField(allow_null=True), min_length=2, max_length=2),
        required=False,
        help_text="{field: [from, to]} of the change that is to have started it.",
    )
