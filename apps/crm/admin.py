from datetime import timedelta
from decimal import Decimal

from django.contrib import admin
from django.db.models import Count, F, Sum
from unfold.contrib.filters.admin import (
    AutocompleteSelectFilter,
    BooleanRadioFilter,
    ChoicesDropdownFilter,
    RangeDateFilter,
    RangeNumericFilter,
)
from unfold.decorators import display

from nexora.kernel import clock, permissions
from nexora.kernel.admin import RecordInline, TenantModelAdmin, over_all_tenants
from nexora.kernel.admin.dashboard import (
    Bar,
    Bars,
    Entries,
    Entry,
    Figure,
    Figures,
    count_up_to_window,
    newest,
    panel,
    seen_by,
)
from nexora.kernel.admin.filters import MomentRangeFilter
from nexora.kernel.admin.links import change_url, list_url

from .models import Activity, Customer, Deal

STATUS_TONES = {
    Customer.Status.LEAD: "info",
    Customer.Status.PROSPECT: "warning",
    Customer.Status.ACTIVE: "success",
    Customer.Status.CHURNED: "danger",
}
STAGE_TONES = {
    Deal.Stage.QUALIFICATION: "info",
    Deal.Stage.PROPOSAL: "primary",
    Deal.Stage.NEGOTIATION: "warning",
    Deal.Stage.CLOSED_WON: "success",
    Deal.Stage.CLOSED_LOST: "danger",
}
TYPE_ICONS = {
    Activity.Type.CALL: "call",
    Activity.Type.EMAIL: "mail",
    Activity.Type.MEETING: "groups",
    Activity.Type.TASK: "task_alt",
    Activity.Type.NOTE: "sticky_note_2",
}


class DealInline(RecordInline):
    model = Deal
    fields = ["title", "value", "stage", "expected_close_date", "assigned_to"]


class ActivityInline(RecordInline):
    model = Activity
    fields = ["type", "subject", "due_date", "completed", "assigned_to"]


@admin.register(Customer)
class CustomerAdmin(TenantModelAdmin):
    icon = "groups"
    list_display = ["name_and_company", "contact", "status_badge", "tag_badges", "created_at"]
    list_filter = [
        ("status", ChoicesDropdownFilter),
        ("created_at", MomentRangeFilter),
        ("created_by", AutocompleteSelectFilter),
    ]
    search_fields = ["name", "email", "company"]
    fieldsets = [
        (None, {"fields": ["name", "company", ("email", "phone"), "status"]}),
        ("More", {"fields": ["tags", "custom_fields"]}),
    ]
    inlines = [DealInline, ActivityInline]

    @display(description="Name", ordering="name", header=True)
    def name_and_company(self, customer):
        return customer.name, customer.company or ""

    @display(description="Contact", ordering="email", header=True)
    def contact(self, customer):
        return customer.email or "", customer.phone or ""

    @display(description="Status", ordering="status", label=STATUS_TONES)
    def status_badge(self, customer):
        return customer.status, customer.get_status_display()

    @display(description="Tags", label=True)
    def tag_badges(self, customer):
        return (customer.tags or [])[:4]


@admin.register(Deal)
class DealAdmin(TenantModelAdmin):
    icon = "handshake"
    list_display = ["title", "customer", "amount", "stage_badge", "chance", "expected_close_date", "assigned_to"]
    list_select_related = ["customer", "assigned_to"]
    list_filter = [
        ("stage", ChoicesDropdownFilter),
        ("value", RangeNumericFilter),
        ("expected_close_date", RangeDateFilter),
        ("customer", AutocompleteSelectFilter),
        ("assigned_to", AutocompleteSelectFilter),
    ]
    search_fields = ["title"]
    fieldsets = [
        (None, {"fields": ["title", "customer", "assigned_to"]}),
        ("Value and stage", {"fields": [("value", "probability"), "stage", "expected_close_date", "closed_at"]}),
    ]
    readonly_fields = ["closed_at"]
    inlines = [ActivityInline]

    @display(description="Value", ordering="value")
    def amount(self, deal):
        return f"{deal.value:,.2f}"

    @display(description="Stage", ordering="stage", label=STAGE_TONES)
    def stage_badge(self, deal):
        return deal.stage, deal.get_stage_display()

    @display(description="Chance", ordering="probability")
    def chance(self, deal):
        return None if deal.probability is None else f"{deal.probability} %"


@admin.register(Activity)
class ActivityAdmin(TenantModelAdmin):
    icon = "event_note"
    list_display = ["subject", "type_badge", "customer", "deal", "due_badge", "completed", "assigned_to"]
    list_select_related = ["customer", "deal", "assigned_to"]
    list_filter = [
        ("type", ChoicesDropdownFilter),
        ("completed", BooleanRadioFilter),
        ("due_date", MomentRangeFilter),
        ("customer", AutocompleteSelectFilter),
        ("deal", AutocompleteSelectFilter),
        ("assigned_to", AutocompleteSelectFilter),
    ]
    search_fields = ["subject"]
    fieldsets = [
        (None, {"fields": [("type", "completed"), "subject", "description"]}),
        ("About", {"fields": ["customer", "deal"]}),
        ("Who and when", {"fields": ["due_date", "assigned_to"]}),
    ]

    @display(description="Type", ordering="type", label=True)
    def type_badge(self, activity):
        return activity.get_type_display()

    @display(description="Due", ordering="due_date", label={"overdue": "danger"})
    def due_badge(self, activity):
        if activity.due_date is None:
            return None
        is_overdue = not activity.completed and activity.due_date < clock.now()
        return "overdue" if is_overdue else "", f"{activity.due_date:%-d %b %Y, %H:%M}"


# -- Overview


def sees(request, model):
    """The daily work of one tenant; over all of them it means nothing, and no index would find the newest rows."""
    return not over_all_tenants() and permissions.reach(request.user, model, "view") is not None


def overdue_url():
    now = clock.now()
    return list_url(Activity, completed__exact=0, due_date_to_0=f"{now:%Y-%m-%d}", due_date_to_1=f"{now:%H:%M:%S}")


@panel(order=20)
def crm_figures(request):
    if not sees(request, Deal):
        return None
    pipeline = newest(seen_by(request, Deal)).open().aggregate(total=Sum("value"))["total"] or Decimal(0)
    overdue = count_up_to_window(newest(seen_by(request, Activity)).overdue())
    return Figures(
        [
            Figure("Customers", count_up_to_window(seen_by(request, Customer)), link=list_url(Customer), icon="groups"),
            Figure(
                "Open deals",
                count_up_to_window(newest(seen_by(request, Deal)).open()),
                hint=f"worth {pipeline:,.0f}",
                link=open_deals_url(),
                icon="handshake",
            ),
            Figure(
                "Activities to do",
                count_up_to_window(newest(seen_by(request, Activity)).pending()),
                link=list_url(Activity, completed__exact=0),
                icon="event_note",
            ),
            Figure(
                "Overdue",
                overdue,
                hint="activities past their date",
                link=overdue_url(),
                icon="alarm",
                is_bad=overdue != "0",
            ),
        ]
    )


def open_deals_url():
    return list_url(Deal, stage__in=",".join(stage for stage in Deal.Stage.values if stage not in Deal.CLOSED))


@panel(order=40)
def pipeline(request):
    if not sees(request, Deal):
        return None
    open_deals = newest(seen_by(request, Deal)).open()
    by_stage = open_deals.values_list("stage").annotate(total=Sum("value"), count=Count("*")).order_by()
    found = {stage: (total, count) for stage, total, count in by_stage}
    largest = max((total for total, _ in found.values()), default=0) or 1
    bars = [
        Bar(label, float(found[stage][0] / largest), f"{found[stage][0]:,.0f}", hint=f"{found[stage][1]:,} deals")
        for stage, label in Deal.Stage.choices
        if stage in found
    ]
    return Bars("Pipeline", bars, hint="value of open deals by stage", empty="No open deals.", link=open_deals_url())


@panel(order=50)
def overdue_activities(request):
    if not sees(request, Activity):
        return None
    # By an expression, so that PostgreSQL sorts the few that are new instead of walking all that was ever due.
    due = F("due_date") + timedelta(0)
    found = newest(seen_by(request, Activity)).overdue().select_related("customer", "assigned_to").order_by(due)[:6]
    entries = []
    for activity in found:
        about = [str(activity.customer)] if activity.customer else []
        about += [str(activity.assigned_to)] if activity.assigned_to else []
        entries.append(
            Entry(
                activity.subject,
                remark=" · ".join(about),
                link=change_url(activity),
                badge=f"{(clock.now() - activity.due_date).days} days",
                tone="danger",
            )
        )
    return Entries("Overdue activities", entries, empty="Nothing is overdue.", link=overdue_url())
