from nexora.kernel.api.filters import TenantFilterSet

from .models import Workflow, WorkflowExecution


class WorkflowFilterSet(TenantFilterSet):
    class Meta:
        model = Workflow
        fields = ("id", "name", "enabled", "created_by", "created_at", "updated_at")


class WorkflowExecutionFilterSet(TenantFilterSet):
    class Meta:
        model = WorkflowExecution
        fields = ("id", "workflow", "status", "started_at", "completed_at")
