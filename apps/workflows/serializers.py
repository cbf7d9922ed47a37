from nexora.kernel.api.serializers import TenantModelSerializer

from .models import Workflow, WorkflowExecution


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
        )
        read_only_fields = ("created_by",)


class WorkflowExecutionSerializer(TenantModelSerializer):
    class Meta:
        model = WorkflowExecution
        fields = ("id", "workflow", "status", "input", "output", "error", "started_at", "completed_at")
        read_only_fields = fields
