from nexora.kernel.api.viewsets import TenantViewSet

from .filters import ActivityFilterSet, CustomerFilterSet, DealFilterSet
from .models import Activity, Customer, Deal
from .serializers import ActivitySerializer, CustomerSerializer, DealSerializer


class CustomerViewSet(TenantViewSet):
    queryset = Customer.objects.all()
    serializer_class = CustomerSerializer
    filterset_class = CustomerFilterSet
    ordering = ("-created_at",)
    search_fields = ("name", "email", "company")


class DealViewSet(TenantViewSet):
    queryset = Deal.objects.all()
    serializer_class = DealSerializer
    filterset_class = DealFilterSet
    ordering = ("-created_at",)
    search_fields = ("title",)


class ActivityViewSet(TenantViewSet):
    queryset = Activity.objects.all()
    serializer_class = ActivitySerializer
    filterset_class = ActivityFilterSet
    ordering = ("-created_at",)
    search_fields = ("subject",)
