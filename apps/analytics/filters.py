from nexora.kernel.api.filters import TenantFilterSet

from .models import AICreditUsage, AIInsight, AIPrediction, RevenueByCloseMonth, RevenueByMonth


class AIPredictionFilterSet(TenantFilterSet):
    class Meta:
        model = AIPrediction
        fields = ("id", "type", "confidence", "model_version", "created_at")


class AIInsightFilterSet(TenantFilterSet):
    class Meta:
        model = AIInsight
        fields = (
            "id",
            "type",
            "confidence",
            "priority",
            "impact",
            "actionable",
            "dismissed",
            "created_at",
            "dismissed_at",
        )


class AICreditUsageFilterSet(TenantFilterSet):
    class Meta:
        model = AICreditUsage
        fields = ("id", "user", "feature", "credits_used", "created_at")


class RevenueByMonthFilterSet(TenantFilterSet):
    class Meta:
        model = RevenueByMonth
        fields = ("month",)


class RevenueByCloseMonthFilterSet(TenantFilterSet):
    class Meta:
        model = RevenueByCloseMonth
        fields = ("month",)
