from nexora.kernel.api.filters import TenantFilterSet

from .models import Plugin, PluginInstallation


class PluginFilterSet(TenantFilterSet):
    class Meta:
        model = Plugin
        fields = (
            "id",
            "name",
            "slug",
            "category",
            "price",
            "rating",
            "downloads",
            "compatibility",
            "published",
            "created_at",
            "updated_at",
        )


class PluginInstallationFilterSet(TenantFilterSet):
    class Meta:
        model = PluginInstallation
        fields = ("id", "plugin", "version", "enabled", "installed_at", "updated_at")
