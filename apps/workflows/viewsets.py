from nexora.kernel.api.aggregates import Aggregated, Aggregates
from nexora.kernel.api.viewsets import ReadOnlyTenantViewSet, TenantViewSet

from .filters import WorkflowExecutionFilterSet, WorkflowFilterSet
from .models import Workflow, WorkflowExecution
from .serializers import WorkflowExecutionSerializer, WorkflowSerializer


class WorkflowViewSet(TenantViewSet):
    queryset = Workflow.objects.all()
    serializer_class = WorkflowSerializer
    filterset_class = WorkflowFilterSet
    ordering = ("-created_at",)
    fast = True
    bulk = True
    search_fields = ("name",)


class WorkflowExecutionViewSet(Aggregated, ReadOnlyTenantViewSet):
    queryset = WorkflowExecution.objects.all()
    serializer_class = WorkflowExecutionSerializer
    filterset_class = WorkflowExecutionFilterSet
    ordering = ("-started_at",)
    fast = True
    aggregates = Aggregates(group_by=("status", "workflow", "started_at__month"))
