from nexora.kernel.api.serializers import TenantModelSerializer

from .models import AICreditUsage, AIInsight, AIPrediction, RevenueByCloseMonth, RevenueByMonth


class AIPredictionSerializer(TenantModelSerializer):
    class Meta:
        model = AIPrediction
        fields = ("id", "type", "input", "output", "confidence", "model_version", "created_at")
        read_only_fields = fields


class AIInsightSerializer(TenantModelSerializer):
    class Meta:
        model = AIInsight
        fields = (
            "id",
            "type",
            "title",
            "description",
            "confidence",
            "priority",
            "impact",
            "actionable",
            "dismissed",
            "created_at",
            "dismissed_at",
        )
        # Set together, by the dismiss action.
        read_only_fields = ("dismissed", "dismissed_at")


class AICreditUsageSerializer(TenantModelSerializer):
    class Meta:
        model = AICreditUsage
        fields = ("id", "user", "feature", "credits_used", "metadata", "created_at")
        read_only_fields = fields


class RevenueByMonthSerializer(TenantModelSerializer):
    class Meta:
        model = RevenueByMonth
        fields = ("month", "total_revenue", "deal_count")
        read_only_fields = fields


class RevenueByCloseMonthSerializer(TenantModelSerializer):
    class Meta:
        model = RevenueByCloseMonth
        fields = ("month", "total_revenue", "deal_count")
        read_only_fields = fields
