from django.contrib import admin
from django.urls import reverse
from unfold.contrib.filters.admin import AutocompleteSelectFilter

from nexora.kernel.admin import TenantModelAdmin
from nexora.kernel.admin.site import account_link

from ..models import SecondFactor


@account_link
def own_factor(request):
    return {"title": "Second factor", "link": reverse("signin:second-factor")}


@admin.register(SecondFactor)
class SecondFactorAdmin(TenantModelAdmin):
    """Who has one. It is taken away on the person's own page."""

    icon = "phonelink_lock"
    list_display = ["user", "confirmed_at", "created_at"]
    list_select_related = ["user"]
    list_filter = [("user", AutocompleteSelectFilter)]
    search_fields = ["user__name", "user__email"]
    fieldsets = [(None, {"fields": ["user", "confirmed_at"]})]
