from nexora.kernel.api.filters import TenantFilterSet

from .models import Workflow, WorkflowExecution, WorkflowStep, WorkflowVersion


class WorkflowFilterSet(TenantFilterSet):
    class Meta:
        model = Workflow
        fields = ("id", "name", "enabled", "created_by", "created_at", "updated_at")


class WorkflowVersionFilterSet(TenantFilterSet):
    class Meta:
        model = WorkflowVersion
        fields = ("id", "workflow", "created_at")


class WorkflowExecutionFilterSet(TenantFilterSet):
    class Meta:
        model = WorkflowExecution
        fields = ("id", "workflow", "status", "record_id", "parent", "retry_of", "started_at", "completed_at")


class WorkflowStepFilterSet(TenantFilterSet):
    class Meta:
        model = WorkflowStep
        fields = ("id", "execution", "status", "type", "started_at", "completed_at")
