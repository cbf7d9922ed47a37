from nexora.kernel.api.aggregates import Aggregated, Aggregates
from nexora.kernel.api.viewsets import TenantViewSet

from .filters import ActivityFilterSet, CustomerFilterSet, DealFilterSet
from .models import Activity, Customer, Deal
from .serializers import ActivitySerializer, CustomerSerializer, DealSerializer


class CustomerViewSet(Aggregated, TenantViewSet):
    queryset = Customer.objects.all()
    serializer_class = CustomerSerializer
    filterset_class = CustomerFilterSet
    ordering = ("-created_at",)
    fast = True
    bulk = True
    search_fields = ("name", "email", "company")
    aggregates = Aggregates(group_by=("status", "created_by", "created_at__month"))


class DealViewSet(Aggregated, TenantViewSet):
    queryset = Deal.objects.all()
    serializer_class = DealSerializer
    filterset_class = DealFilterSet
    ordering = ("-created_at",)
    fast = True
    bulk = True
    search_fields = ("title",)
    aggregates = Aggregates(group_by=("stage", "assigned_to", "created_at__month", "closed_at__month"), sum=("value",))


class ActivityViewSet(Aggregated, TenantViewSet):
    queryset = Activity.objects.all()
    serializer_class = ActivitySerializer
    filterset_class = ActivityFilterSet
    ordering = ("-created_at",)
    fast = True
    bulk = True
    search_fields = ("subject",)
    aggregates = Aggregates(
        group_by=("type", "completed", "assigned_to", "created_by", "due_date__month", "created_at__month")
    )
