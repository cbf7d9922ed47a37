from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models

from apps.accounts.models import User
from nexora.kernel import fields
from nexora.kernel.db.indexes import SeedIndex, few_values, looked_up, newest_first, ranged
from nexora.kernel.fields import TenantForeignKey
from nexora.kernel.models import TenantModel

UNIT_INTERVAL = [MinValueValidator(0), MaxValueValidator(1)]


class AIPrediction(TenantModel):
    """What a model foretold, from which input: a record, never edited."""

    class Type(models.TextChoices):
        REVENUE = "revenue"
        CHURN = "churn"
        INVENTORY = "inventory"
        PRICING = "pricing"
        HIRING = "hiring"

    scaled = ("confidence",)

    id = fields.primary_key()
    tenant = fields.tenant_key()
    type = models.CharField(max_length=50, choices=Type)
    input = models.JSONField()
    output = models.JSONField()
    confidence = models.DecimalField(
        max_digits=5, decimal_places=4, null=True, blank=True, validators=UNIT_INTERVAL, help_text="0 to 1."
    )
    model_version = models.CharField(max_length=50, null=True, blank=True)
    created_at = fields.created_at()

    class Meta(TenantModel.Meta):
        db_table = "ai_predictions"
        verbose_name = "AI prediction"
        constraints = [
            models.CheckConstraint(
                condition=models.Q(type__in=["revenue", "churn", "inventory", "pricing", "hiring"]),
                name="check_prediction_type",
                violation_error_message="Unknown type of prediction.",
            ),
            models.CheckConstraint(
                condition=models.Q(confidence__gte=0, confidence__lte=1),
                name="ai_predictions_confidence_check",
                violation_error_message="Confidence lies between 0 and 1.",
            ),
        ]
        indexes = [
            SeedIndex(fields=["tenant"], name="idx_ai_predictions_tenant_id"),
            SeedIndex(fields=["type"], name="idx_ai_predictions_type"),
            newest_first("ai_predictions"),
            few_values("ai_predictions", "type"),
            looked_up("ai_predictions", "model_version"),
        ]

    def __str__(self):
        return f"{self.get_type_display()} prediction"


class AIInsight(TenantModel):
    class Type(models.TextChoices):
        OPPORTUNITY = "opportunity"
        RISK = "risk"
        ANOMALY = "anomaly"
        TREND = "trend"

    class Priority(models.TextChoices):
        LOW = "low"
        MEDIUM = "medium"
        HIGH = "high"
        CRITICAL = "critical"

    class Impact(models.TextChoices):
        LOW = "low"
        MEDIUM = "medium"
        HIGH = "high"

    searched = ("title",)
    scaled = ("confidence",)

    id = fields.primary_key()
    tenant = fields.tenant_key()
    type = models.CharField(max_length=50, choices=Type)
    title = models.CharField(max_length=255)
    description = models.TextField(null=True, blank=True)
    confidence = models.DecimalField(
        max_digits=5, decimal_places=4, null=True, blank=True, validators=UNIT_INTERVAL, help_text="0 to 1."
    )
    priority = models.CharField(
        max_length=20, choices=Priority, default=Priority.MEDIUM, db_default=Priority.MEDIUM.value
    )
    impact = models.CharField(max_length=20, choices=Impact, default=Impact.MEDIUM, db_default=Impact.MEDIUM.value)
    actionable = models.BooleanField(null=True, blank=True, default=True, db_default=True)
    dismissed = models.BooleanField(null=True, blank=True, default=False, db_default=False)
    created_at = fields.created_at()
    dismissed_at = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta(TenantModel.Meta):
        db_table = "ai_insights"
        verbose_name = "AI insight"
        constraints = [
            models.CheckConstraint(
                condition=models.Q(type__in=["opportunity", "risk", "anomaly", "trend"]),
                name="check_insight_type",
                violation_error_message="Unknown type of insight.",
            ),
            models.CheckConstraint(
                condition=models.Q(priority__in=["low", "medium", "high", "critical"]),
                name="check_priority",
                violation_error_message="Unknown priority.",
            ),
            models.CheckConstraint(
                condition=models.Q(impact__in=["low", "medium", "high"]),
                name="check_impact",
                violation_error_message="Unknown impact.",
            ),
        ]
        indexes = [
            SeedIndex(fields=["tenant"], name="idx_ai_insights_tenant_id"),
            SeedIndex(fields=["dismissed"], name="idx_ai_insights_dismissed"),
            newest_first("ai_insights"),
            few_values("ai_insights", "type"),
            few_values("ai_insights", "priority"),
            few_values("ai_insights", "impact"),
            few_values("ai_insights", "actionable"),
            few_values("ai_insights", "dismissed"),
            ranged("ai_insights", "dismissed_at"),
        ]

    def __str__(self):
        return self.title


class AICreditUsage(TenantModel):
    """One spending of AI credits: a record, written where they are spent."""

    searched = ("feature",)

    id = fields.primary_key()
    tenant = fields.tenant_key()
    user = TenantForeignKey(User, models.DO_NOTHING, null=True, blank=True, related_name="ai_credit_usage")
    feature = models.CharField(max_length=100)
    credits_used = models.IntegerField()
    metadata = models.JSONField(null=True, blank=True)
    created_at = fields.created_at()

    class Meta(TenantModel.Meta):
        db_table = "ai_credit_usage"
        verbose_name = "AI credit usage"
        verbose_name_plural = "AI credit usage"
        indexes = [
            SeedIndex(fields=["tenant"], name="idx_ai_credit_usage_tenant_id"),
            newest_first("ai_credit_usage"),
            SeedIndex(fields=["tenant", "user"], name="idx_ai_credit_usage_tenant_id_user_id"),
            few_values("ai_credit_usage", "credits_used"),
        ]

    def __str__(self):
        return f"{self.credits_used} credits for {self.feature}"


class Revenue(TenantModel):
    """A month of won deals, read through a view that shows the tenant's rows only. Never written."""

    publishes = False

    id = models.UUIDField(primary_key=True, editable=False)
    tenant = fields.tenant_key()
    month = models.DateTimeField(help_text="First instant of the month, UTC.")
    total_revenue = models.DecimalField(max_digits=20, decimal_places=2)
    deal_count = models.BigIntegerField()

    class Meta(TenantModel.Meta):
        abstract = True
        managed = False

    def __str__(self):
        return f"{self.month:%B %Y}"


class RevenueByMonth(Revenue):
    """Won deals by the month they were opened in: the seed's view."""

    class Meta(Revenue.Meta):
        abstract = False
        db_table = "tenant_revenue_by_month"
        verbose_name_plural = "revenue by month opened"


class RevenueByCloseMonth(Revenue):
    """Won deals by the month they were closed in: what a sales manager means by revenue."""

    class Meta(Revenue.Meta):
        abstract = False
        db_table = "tenant_revenue_by_close_month"
        verbose_name_plural = "revenue by month closed"


class ViewRefresh(models.Model):
    """When a materialized view was last refreshed. Written by the database function refresh_revenue()."""

    view = models.CharField(max_length=63, primary_key=True)
    refreshed_at = models.DateTimeField()
    rows_written = models.BigIntegerField(null=True, help_text="PostgreSQL's count of rows written to deals by then.")

    class Meta:
        db_table = "view_refreshes"
        verbose_name_plural = "view refreshes"

    def __str__(self):
        return self.view
