from drf_spectacular.utils import extend_schema
from rest_framework.decorators import action
from rest_framework.response import Response

from nexora.kernel.api.aggregates import Aggregated, Aggregates
from nexora.kernel.api.fast import FastList
from nexora.kernel.api.viewsets import ReadOnlyTenantViewSet, TenantRecords, TenantViewSet

from . import filters, serializers, services
from .models import AICreditUsage, AIInsight, AIPrediction, RevenueByCloseMonth, RevenueByMonth
from .pagination import ReportPagination


class AIPredictionViewSet(ReadOnlyTenantViewSet):
    queryset = AIPrediction.objects.all()
    serializer_class = serializers.AIPredictionSerializer
    filterset_class = filters.AIPredictionFilterSet
    ordering = ("-created_at",)
    fast = True


class AIInsightViewSet(TenantViewSet):
    queryset = AIInsight.objects.all()
    serializer_class = serializers.AIInsightSerializer
    filterset_class = filters.AIInsightFilterSet
    ordering = ("-created_at",)
    fast = True
    bulk = True
    search_fields = ("title",)
    action_rights = {"dismiss": "update"}

    @extend_schema(request=None)
    @action(detail=True, methods=["post"])
    def dismiss(self, request, pk=None):
        """Take the insight off the list. Doing so twice changes nothing."""
        insight = services.dismiss_insight(insight=self.get_object())
        return Response(self.get_serializer(insight).data)


class AICreditUsageViewSet(Aggregated, ReadOnlyTenantViewSet):
    queryset = AICreditUsage.objects.all()
    serializer_class = serializers.AICreditUsageSerializer
    filterset_class = filters.AICreditUsageFilterSet
    ordering = ("-created_at",)
    fast = True
    search_fields = ("feature",)
    aggregates = Aggregates(group_by=("feature", "user", "created_at__month"), sum=("credits_used",))


class ReportViewSet(FastList, TenantRecords):
    ordering = ("-month",)
    fast = True
    pagination_class = ReportPagination


class RevenueByMonthViewSet(ReportViewSet):
    """Won deals by the month they were opened in."""

    queryset = RevenueByMonth.objects.all()
    serializer_class = serializers.RevenueByMonthSerializer
    filterset_class = filters.RevenueByMonthFilterSet


class RevenueByCloseMonthViewSet(ReportViewSet):
    """Won deals by the month they were closed in."""

    queryset = RevenueByCloseMonth.objects.all()
    serializer_class = serializers.RevenueByCloseMonthSerializer
    filterset_class = filters.RevenueByCloseMonthFilterSet
