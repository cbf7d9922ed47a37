from nexora.kernel import events
from nexora.kernel.api.declarations import PLATFORM, TENANT
from nexora.kernel.api.viewsets import TenantViewSet

from .filters import PluginFilterSet, PluginInstallationFilterSet
from .models import Plugin, PluginInstallation
from .serializers import PlatformPluginSerializer, PluginInstallationSerializer, PluginSerializer
from .services import install_plugin


class PluginViewSet(TenantViewSet):
    """The catalogue. Organisations read what is published; the platform writes it."""

    queryset = Plugin.objects.published()
    platform_queryset = Plugin.objects.all()
    serializer_class = PluginSerializer
    platform_serializer_class = PlatformPluginSerializer
    filterset_class = PluginFilterSet
    ordering = ("name",)
    fast = True
    search_fields = ("name", "slug")
    hosts = (TENANT, PLATFORM)


class PluginInstallationViewSet(TenantViewSet):
    """Creating one installs the plugin, deleting it uninstalls."""

    queryset = PluginInstallation.objects.all()
    serializer_class = PluginInstallationSerializer
    filterset_class = PluginInstallationFilterSet
    ordering = ("-installed_at",)
    fast = True

    def perform_create(self, serializer):
        serializer.instance = install_plugin(actor=events.actor(), **serializer.validated_data)
