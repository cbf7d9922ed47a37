"""The API, as DRF's tutorial writes one."""

from django.db.models import Count, Sum
from django.urls import include, path
from rest_framework import serializers, viewsets
from rest_framework.decorators import action
from rest_framework.response import Response
from rest_framework.routers import DefaultRouter

from .models import Customer, Deal, Revenue


class CustomerSerializer(serializers.ModelSerializer):
    class Meta:
        model = Customer
        fields = "__all__"
        read_only_fields = ("created_by",)


class RevenueSerializer(serializers.ModelSerializer):
    class Meta:
        model = Revenue
        fields = "__all__"


class CustomerViewSet(viewsets.ModelViewSet):
    queryset = Customer.objects.order_by("-created_at")
    serializer_class = CustomerSerializer
    filterset_fields = ("name", "email", "phone", "company", "status", "created_by", "created_at", "updated_at")
    search_fields = ("name", "email", "company")

    def perform_create(self, serializer):
        serializer.save(created_by=self.request.user)


class DealViewSet(viewsets.GenericViewSet):
    queryset = Deal.objects.all()

    @action(detail=False)
    def aggregate(self, request):
        by = request.query_params["group_by"]
        return Response(list(Deal.objects.values(by).annotate(count=Count("*"), sum=Sum("value")).order_by(by)))


class RevenueViewSet(viewsets.ReadOnlyModelViewSet):
    queryset = Revenue.objects.order_by("-month")
    serializer_class = RevenueSerializer


router = DefaultRouter()
router.register("customers", CustomerViewSet)
router.register("deals", DealViewSet)
router.register("revenue", RevenueViewSet)

urlpatterns = [path("api/", include(router.urls))]
