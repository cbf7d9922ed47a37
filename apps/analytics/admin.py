from decimal import Decimal

from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.db.models import Sum
from unfold.contrib.filters.admin import (
    AutocompleteSelectFilter,
    BooleanRadioFilter,
    ChoicesDropdownFilter,
    RangeNumericFilter,
)
from unfold.decorators import action, display

from nexora.kernel import clock, permissions
from nexora.kernel.admin import TenantModelAdmin, over_all_tenants
from nexora.kernel.admin.dashboard import Bar, Columns, Entries, Entry, newest, panel, seen_by
from nexora.kernel.admin.filters import MomentRangeFilter
from nexora.kernel.admin.links import change_url, list_url
from nexora.kernel.admin.lists import newest_first

from . import services
from .models import AICreditUsage, AIInsight, AIPrediction, RevenueByCloseMonth, RevenueByMonth

MONTHS = 12
PRIORITY_TONES = {
    AIInsight.Priority.LOW: "",
    AIInsight.Priority.MEDIUM: "info",
    AIInsight.Priority.HIGH: "warning",
    AIInsight.Priority.CRITICAL: "danger",
}
TYPE_TONES = {
    AIInsight.Type.OPPORTUNITY: "success",
    AIInsight.Type.RISK: "danger",
    AIInsight.Type.ANOMALY: "warning",
    AIInsight.Type.TREND: "info",
}


def percent(share):
    return None if share is None else f"{share * 100:.0f} %"


@admin.register(AIInsight)
class AIInsightAdmin(TenantModelAdmin):
    icon = "lightbulb"
    list_display = [
        "title",
        "type_badge",
        "priority_badge",
        "impact",
        "sureness",
        "actionable",
        "dismissed",
        "created_at",
    ]
    list_filter = [
        ("dismissed", BooleanRadioFilter),
        ("type", ChoicesDropdownFilter),
        ("priority", ChoicesDropdownFilter),
        ("impact", ChoicesDropdownFilter),
    ]
    search_fields = ["title"]
    fieldsets = [
        (None, {"fields": ["type", "title", "description"]}),
        ("Weight", {"fields": [("priority", "impact"), ("confidence", "actionable")]}),
        ("Dismissal", {"fields": [("dismissed", "dismissed_at")]}),
    ]
    readonly_fields = ["dismissed", "dismissed_at"]
    actions = [*TenantModelAdmin.actions, "dismiss_selected"]
    actions_submit_line = ["dismiss"]

    @display(description="Type", ordering="type", label=TYPE_TONES)
    def type_badge(self, insight):
        return insight.type, insight.get_type_display()

    @display(description="Priority", ordering="priority", label=PRIORITY_TONES)
    def priority_badge(self, insight):
        return insight.priority, insight.get_priority_display()

    @display(description="Confidence", ordering="confidence")
    def sureness(self, insight):
        return percent(insight.confidence)

    def get_actions_submit_line(self, request, object_id):
        insight = self.get_object(request, unquote(str(object_id)))
        return super().get_actions_submit_line(request, object_id) if insight and not insight.dismissed else []

    @action(description="Save and dismiss", permissions=["change"])
    def dismiss(self, request, insight):
        services.dismiss_insight(insight=insight)

    @admin.action(description="Dismiss selected insights", permissions=["change"])
    def dismiss_selected(self, request, queryset):
        dismissed = [
            services.dismiss_insight(insight=insight)
            for insight in queryset
            if permissions.may(request.user, insight, "update")
        ]
        self.message_user(request, f"Dismissed {len(dismissed)} insights.", messages.SUCCESS)


@admin.register(AIPrediction)
class AIPredictionAdmin(TenantModelAdmin):
    icon = "online_prediction"
    list_display = ["created_at", "type_badge", "sureness", "model_version"]
    list_filter = [
        ("type", ChoicesDropdownFilter),
        ("confidence", RangeNumericFilter),
        ("created_at", MomentRangeFilter),
    ]
    fieldsets = [
        (None, {"fields": ["type", "confidence", "model_version"]}),
        ("Data", {"fields": ["input", "output"]}),
    ]

    @display(description="Type", ordering="type", label=True)
    def type_badge(self, prediction):
        return prediction.get_type_display()

    @display(description="Confidence", ordering="confidence")
    def sureness(self, prediction):
        return percent(prediction.confidence)


@admin.register(AICreditUsage)
class AICreditUsageAdmin(TenantModelAdmin):
    icon = "toll"
    list_display = ["created_at", "feature", "credits_used", "user"]
    list_select_related = ["user"]
    list_filter = [
        ("user", AutocompleteSelectFilter),
        ("credits_used", RangeNumericFilter),
        ("created_at", MomentRangeFilter),
    ]
    search_fields = ["feature"]
    fieldsets = [(None, {"fields": ["feature", "credits_used", "user", "metadata"]})]


class RevenueAdmin(TenantModelAdmin):
    has_few_rows = True
    newest_by = "month"
    list_display = ["month_name", "revenue", "deal_count"]
    list_filter = [("month", MomentRangeFilter)]
    fieldsets = [(None, {"fields": ["month_name", "revenue", "deal_count"]})]
    readonly_fields = ["month_name", "revenue"]

    @display(description="Month", ordering="month")
    def month_name(self, row):
        return f"{row.month:%B %Y}"

    @display(description="Revenue", ordering="total_revenue")
    def revenue(self, row):
        return f"{row.total_revenue:,.2f}"


@admin.register(RevenueByCloseMonth)
class RevenueByCloseMonthAdmin(RevenueAdmin):
    icon = "bar_chart"


@admin.register(RevenueByMonth)
class RevenueByMonthAdmin(RevenueAdmin):
    icon = "stacked_bar_chart"


# -- Overview


@panel(order=30)
def revenue(request):
    if permissions.reach(request.user, RevenueByCloseMonth, "view") is None:
        return None
    months = last_months(clock.now(), MONTHS)
    totals = dict(
        seen_by(request, RevenueByCloseMonth)
        .filter(month__gte=months[0])
        .values_list("month")
        .annotate(total=Sum("total_revenue"))
        .order_by()
    )
    largest = max(totals.values(), default=Decimal(0))
    bars = [
        Bar(f"{month:%b}", float(totals.get(month, 0) / largest), short(totals.get(month, 0)), hint=f"{month:%B %Y}")
        for month in months
        if largest
    ]
    as_of = services.revenue_as_of()
    hint = f"by month closed, as of {as_of:%-d %b, %H:%M} UTC" if as_of else "by month closed"
    return Columns(
        "Revenue", bars, hint=hint, empty="No deal was won in the last year.", link=list_url(RevenueByCloseMonth)
    )


def last_months(now, count):
    """First instants of the last `count` months, oldest first, the current one included."""
    number = now.year * 12 + now.month - 1
    start = now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    return [start.replace(year=n // 12, month=n % 12 + 1) for n in range(number - count + 1, number + 1)]


def short(amount):
    """1,234 as `1.2k`: room is short above a column."""
    for size, letter in ((1_000_000, "M"), (1_000, "k")):
        if amount >= size:
            return f"{amount / size:.1f}{letter}"
    return f"{amount:.0f}" if amount else ""


@panel(order=55)
def open_insights(request):
    if over_all_tenants() or permissions.reach(request.user, AIInsight, "view") is None:
        return None
    found = newest(seen_by(request, AIInsight).exclude(dismissed=True)).order_by(*newest_first("created_at"))[:6]
    return Entries(
        "Insights",
        [
            Entry(
                insight.title,
                remark=insight.get_type_display(),
                link=change_url(insight),
                badge=insight.get_priority_display(),
                tone=PRIORITY_TONES.get(insight.priority, ""),
            )
            for insight in found
        ],
        empty="Nothing to look into.",
        link=list_url(AIInsight, dismissed__exact=0),
    )
