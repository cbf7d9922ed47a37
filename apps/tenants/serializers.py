from nexora.kernel.api.serializers import TenantModelSerializer, TenantRelatedField

from .models import Subscription, Tenant


class PlatformTenantSerializer(TenantModelSerializer):
    class Meta:
        model = Tenant
        fields = (
            "id",
            "name",
            "subdomain",
            "plan",
            "status",
            "settings",
            "white_label",
            "created_at",
            "updated_at",
        )


class TenantSerializer(PlatformTenantSerializer):
    """What an organisation may change of itself; address, plan and status are the platform's."""

    class Meta(PlatformTenantSerializer.Meta):
        read_only_fields = ("subdomain", "plan", "status")


class SubscriptionSerializer(TenantModelSerializer):
    class Meta:
        model = Subscription
        fields = (
            "id",
            "plan",
            "status",
            "ai_credits",
            "users_limit",
            "storage_limit",
            "features",
            "billing_cycle",
            "amount",
            "next_billing_date",
            "created_at",
            "updated_at",
        )
        read_only_fields = fields


class PlatformSubscriptionSerializer(TenantModelSerializer):
    tenant = TenantRelatedField(queryset=Tenant.objects.all())

    class Meta:
        model = Subscription
        fields = ("id", "tenant", *SubscriptionSerializer.Meta.fields[1:])
        create_only = ("tenant",)
