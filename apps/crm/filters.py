from nexora.kernel.api.filters import TenantFilterSet

from .models import Activity, Customer, Deal


class CustomerFilterSet(TenantFilterSet):
    class Meta:
        model = Customer
        fields = (
            "id",
            "name",
            "email",
            "phone",
            "company",
            "status",
            "tags",
            "created_by",
            "created_at",
            "updated_at",
        )


class DealFilterSet(TenantFilterSet):
    class Meta:
        model = Deal
        fields = (
            "id",
            "customer",
            "title",
            "value",
            "stage",
            "probability",
            "expected_close_date",
            "assigned_to",
            "created_at",
            "updated_at",
            "closed_at",
        )


class ActivityFilterSet(TenantFilterSet):
    class Meta:
        model = Activity
        fields = (
            "id",
            "customer",
            "deal",
            "type",
            "due_date",
            "completed",
            "assigned_to",
            "created_by",
            "created_at",
            "updated_at",
        )
