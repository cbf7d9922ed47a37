from nexora.kernel.api.filters import TenantFilterSet

from .models import Subscription, Tenant


class TenantsFilterSet(TenantFilterSet):
    class Meta:
        model = Tenant
        fields = ("id", "name", "subdomain", "plan", "status", "created_at", "updated_at")


class SubscriptionFilterSet(TenantFilterSet):
    class Meta:
        model = Subscription
        fields = (
            "id",
            "tenant",
            "plan",
            "status",
            "ai_credits",
            "users_limit",
            "storage_limit",
            "billing_cycle",
            "amount",
            "next_billing_date",
            "created_at",
            "updated_at",
        )
