from django import forms
from django.contrib import admin, messages
from django.db.models import Count
from django.http import HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils.functional import cached_property
from unfold.contrib.filters.admin import BooleanRadioFilter, ChoicesDropdownFilter
from unfold.decorators import action, display
from unfold.widgets import UnfoldAdminTextareaWidget, UnfoldBooleanSwitchWidget

from nexora.kernel import permissions
from nexora.kernel.admin import RecordAdmin, RecordInline, TenantModelAdmin, over_all_tenants
from nexora.kernel.admin.dashboard import Entries, Entry, Figure, Figures, panel
from nexora.kernel.admin.forms import RecordForm
from nexora.kernel.admin.links import change_url, list_url
from nexora.kernel.admin.lists import newest_first
from nexora.kernel.admin.site import sidebar_group

from .models import REQUIRE_SECOND_FACTOR, Domain, Plan, Subscription, Tenant
from .services.inside import enter_tenant, leave_tenant, tenant_inside

PLAN_TONES = {Plan.GROWTH: "info", Plan.PRO: "primary", Plan.ENTERPRISE: "success"}
STATUS_TONES = {
    Tenant.Status.ACTIVE: "success",
    Tenant.Status.TRIAL: "info",
    Tenant.Status.SUSPENDED: "warning",
    Tenant.Status.CANCELLED: "danger",
}


class SubscriptionInline(RecordInline):
    model = Subscription
    template = "admin/edit_inline/stacked.html"  # too many columns for one line
    fields = [
        "plan",
        "status",
        "ai_credits",
        "users_limit",
        "storage_limit",
        "billing_cycle",
        "amount",
        "next_billing_date",
    ]


class DomainInline(RecordInline):
    model = Domain
    fields = ["domain", "is_primary"]


class TenantForm(RecordForm):
    """The settings that the platform reads itself have fields of their own; the others stay JSON."""

    requires_second_factor = forms.BooleanField(
        required=False,
        label="Require a second factor",
        help_text="Nobody signs in with a password alone. Who has no second factor sets one up at the next sign-in.",
        widget=UnfoldBooleanSwitchWidget(),
    )

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.initial["requires_second_factor"] = self.instance.requires_second_factor
        if "settings" in self.fields:
            self.fields["settings"].help_text = ""
        if isinstance(self.initial.get("settings"), dict):
            self.initial["settings"] = _without(self.initial["settings"])

    @cached_property
    def changed_data(self):
        changed = super().changed_data
        return [*changed, "settings"] if "requires_second_factor" in changed and "settings" not in changed else changed

    def clean(self):
        cleaned = super().clean()
        if "requires_second_factor" in self.fields and "settings" not in self.errors:
            required = {REQUIRE_SECOND_FACTOR: True} if cleaned.get("requires_second_factor") else {}
            cleaned["settings"] = _without(cleaned.get("settings") or {}) | required
        return cleaned


def _without(settings):
    return {name: value for name, value in settings.items() if name != REQUIRE_SECOND_FACTOR}


class EnterForm(forms.Form):
    reason = forms.CharField(
        min_length=10,
        max_length=500,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 3}),
        help_text="A sentence for the organisation's own audit trail: why you look at its records.",
    )


@sidebar_group
def way_out(request):
    """While a super_admin is inside a tenant, every page says so and leads out."""
    inside = getattr(request, "session", None) and tenant_inside(request.session)
    if not inside:
        return None
    leave = {"title": "Leave", "icon": "logout", "link": reverse("admin:tenants_tenant_leave")}
    return {"title": f"Inside {inside['name']}", "items": [leave | {"active": False, "has_permission": True}]}


@admin.register(Tenant)
class TenantAdmin(RecordAdmin):
    icon = "apartment"
    form = TenantForm
    has_few_rows = True
    actions_detail = ["enter"]
    list_display = ["name", "subdomain", "plan_badge", "status_badge", "created_at"]
    list_filter = [("plan", ChoicesDropdownFilter), ("status", ChoicesDropdownFilter)]
    search_fields = ["name", "subdomain"]
    fieldsets = [
        (None, {"fields": ["name", "subdomain", "plan", "status"]}),
        ("Access", {"fields": ["requires_second_factor"]}),
        ("Brand and settings", {"fields": ["white_label", "settings"]}),
    ]
    inlines = [SubscriptionInline, DomainInline]

    @display(description="Plan", ordering="plan", label=PLAN_TONES)
    def plan_badge(self, tenant):
        return tenant.plan, tenant.get_plan_display()

    @display(description="Status", ordering="status", label=STATUS_TONES)
    def status_badge(self, tenant):
        return tenant.status, tenant.get_status_display()

    @display(description="Require a second factor", boolean=True)
    def requires_second_factor(self, tenant):
        return tenant.requires_second_factor

    def save_model(self, request, obj, form, change):
        super().save_model(request, obj, form, change)
        if obj.requires_second_factor and "requires_second_factor" in form.changed_data:
            words = (
                f"From now on everybody of {obj} needs a second factor. Who has none, you included, sets one up at the"
            )
            messages.warning(request, f"{words} next sign-in, which is due at once in the back office.")

    # -- Working inside one tenant

    @action(description="Open its records", icon="login", url_path="enter", permissions=["enter"])
    def enter(self, request, object_id):
        tenant = self.get_object(request, object_id)
        if tenant is None:
            return HttpResponseRedirect(list_url(Tenant))
        form = EnterForm(request.POST or None)
        if request.method == "POST" and form.is_valid():
            enter_tenant(session=request.session, tenant=tenant, reason=form.cleaned_data["reason"])
            messages.info(request, f"You are inside {tenant}. Its audit trail says so, with your reason.")
            return HttpResponseRedirect(reverse("admin:index"))
        context = {"title": f"Open the records of {tenant}", "form": form, "tenant": tenant, "opts": self.opts}
        return TemplateResponse(
            request, "admin/tenants/enter.html", {**self.admin_site.each_context(request), **context}
        )

    def has_enter_permission(self, request, object_id=None):
        # From outside every tenant only, which nobody but a super_admin is.
        return over_all_tenants()

    def leave(self, request):
        inside = tenant_inside(request.session)
        if request.method == "POST" or not inside:
            tenant = inside and Tenant.objects.filter(pk=inside["tenant"]).first()
            leave_tenant(session=request.session, tenant=tenant)
            return HttpResponseRedirect(reverse("admin:index"))
        context = {"title": f"Leave {inside['name']}", "inside": inside, "opts": self.opts}
        return TemplateResponse(
            request, "admin/tenants/leave.html", {**self.admin_site.each_context(request), **context}
        )

    def get_urls(self):
        leave = path("leave/", self.admin_site.admin_view(self.leave), name="tenants_tenant_leave")
        return [leave, *super().get_urls()]

    def get_readonly_fields(self, request, obj=None):
        # What a tenant has bought and where it answers is the platform's to say; the database grants no more either.
        platforms = [] if over_all_tenants() else ["subdomain", "plan", "status"]
        return [*super().get_readonly_fields(request, obj), *platforms]


@admin.register(Subscription)
class SubscriptionAdmin(TenantModelAdmin):
    icon = "receipt_long"
    has_few_rows = True
    list_display = [
        "plan_badge",
        "status",
        "ai_credits",
        "users_limit",
        "storage",
        "amount",
        "billing_cycle",
        "next_billing_date",
    ]
    list_filter = [("plan", ChoicesDropdownFilter), ("billing_cycle", ChoicesDropdownFilter)]
    fieldsets = [
        (None, {"fields": ["plan", "status", "amount", "billing_cycle", "next_billing_date"]}),
        ("Included", {"fields": ["ai_credits", "users_limit", "storage_limit", "features"]}),
    ]

    @display(description="Plan", ordering="plan", label=PLAN_TONES)
    def plan_badge(self, subscription):
        return subscription.plan, subscription.get_plan_display()

    @display(description="Storage", ordering="storage_limit")
    def storage(self, subscription):
        return gigabytes(subscription.storage_limit)


@admin.register(Domain)
class DomainAdmin(TenantModelAdmin):
    icon = "language"
    has_few_rows = True
    list_display = ["domain", "is_primary", "created_at"]
    list_filter = [("is_primary", BooleanRadioFilter)]
    search_fields = ["domain"]
    fieldsets = [(None, {"fields": ["domain", "is_primary"]})]


def gigabytes(size):
    return f"{size / 1024**3:,.0f} GiB"


# -- Overview


@panel(order=10)
def tenants_by_status(request):
    if not over_all_tenants():
        return None
    counts = dict(Tenant.objects.values_list("status").annotate(count=Count("*")).order_by("status"))
    return Figures(
        [
            Figure(
                label.capitalize(),
                f"{counts.get(status, 0):,}",
                hint="tenants",
                link=list_url(Tenant, status__exact=status),
                icon="apartment",
            )
            for status, label in Tenant.Status.choices
        ]
    )


@panel(order=60)
def newest_tenants(request):
    if not over_all_tenants():
        return None
    tenants = Tenant.objects.order_by(*newest_first("created_at"))[:6]
    return Entries(
        "Newest tenants",
        [
            Entry(
                tenant.name,
                remark=tenant.subdomain,
                link=change_url(tenant),
                badge=tenant.get_plan_display(),
                tone=PLAN_TONES.get(tenant.plan, ""),
            )
            for tenant in tenants
        ],
        link=list_url(Tenant),
    )


@panel(order=70)
def subscription(request):
    if over_all_tenants() or not permissions.reach(request.user, Subscription, "view"):
        return None
    subscription = Subscription.objects.order_by(*newest_first("created_at")).first()
    lines = []
    if subscription:
        lines = [
            Entry(
                f"{subscription.get_plan_display()} plan",
                remark=f"{subscription.amount:,.2f} {subscription.billing_cycle}",
                link=change_url(subscription),
                badge=subscription.status,
                tone="success",
            ),
            Entry(f"{subscription.ai_credits:,} AI credits"),
            Entry(f"Up to {subscription.users_limit:,} people, {gigabytes(subscription.storage_limit)}"),
            Entry(f"Next invoice on {subscription.next_billing_date:%-d %B %Y}"),
        ]
    return Entries("Subscription", lines, empty="Nothing is subscribed to.")
