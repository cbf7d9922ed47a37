from django.contrib import admin
from unfold.contrib.filters.admin import (
    AutocompleteSelectFilter,
)
from unfold.decorators import display

from nexora.kernel.admin import TenantModelAdmin
from nexora.kernel.admin.filters import MomentRangeFilter

from ..models import RefreshToken


@admin.register(RefreshToken)
class RefreshTokenAdmin(TenantModelAdmin):
    """Sessions of the API. Deleting one signs its holder out."""

    icon = "devices"
    list_display = ["user", "user_agent", "address", "created_at", "rotated_at", "expires_at"]
    list_select_related = ["user"]
    list_filter = [("user", AutocompleteSelectFilter), ("expires_at", MomentRangeFilter)]
    search_fields = ["user__name", "user__email"]
    fieldsets = [(None, {"fields": ["user", "user_agent", "address", "rotated_at", "expires_at"]})]
    readonly_fields = ["address"]
    exported = ["ip_address"]

    @display(description="IP address", ordering="ip_address")
    def address(self, session):
        return session.ip_address
