from nexora.kernel.api.serializers import TenantModelSerializer

from .models import Activity, Customer, Deal


class CustomerSerializer(TenantModelSerializer):
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
            "custom_fields",
            "created_by",
            "created_at",
            "updated_at",
        )
        read_only_fields = ("created_by",)


class DealSerializer(TenantModelSerializer):
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
        # It follows the stage, for every writer: see Deal.save().
        read_only_fields = ("closed_at",)


class ActivitySerializer(TenantModelSerializer):
    class Meta:
        model = Activity
        fields = (
            "id",
            "customer",
            "deal",
            "type",
            "subject",
            "description",
            "due_date",
            "completed",
            "assigned_to",
            "created_by",
            "created_at",
            "updated_at",
        )
        read_only_fields = ("created_by",)
