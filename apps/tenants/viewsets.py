from nexora.kernel.api.declarations import PLATFORM, TENANT
from nexora.kernel.api.viewsets import TenantViewSet

from .filters import SubscriptionFilterSet, TenantsFilterSet
from .models import Subscription, Tenant
from .serializers import (
    PlatformSubscriptionSerializer,
    PlatformTenantSerializer,
    SubscriptionSerializer,
    TenantSerializer,
)


class OrganisationViewSet(TenantViewSet):
    """An organisation sees and edits itself; the platform all of them."""

    queryset = Tenant.objects.all()
    serializer_class = TenantSerializer
    platform_serializer_class = PlatformTenantSerializer
    filterset_class = TenantsFilterSet
    ordering = ("-created_at",)
    fast = True
    search_fields = ("name", "subdomain")
    hosts = (TENANT, PLATFORM)


class SubscriptionViewSet(TenantViewSet):
    """What an organisation has bought: read by itself, written by the platform."""

    queryset = Subscription.objects.all()
    serializer_class = SubscriptionSerializer
    platform_serializer_class = PlatformSubscriptionSerializer
    filterset_class = SubscriptionFilterSet
    ordering = ("-created_at",)
    fast = True
    hosts = (TENANT, PLATFORM)
