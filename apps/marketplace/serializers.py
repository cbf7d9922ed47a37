from nexora.kernel.api.serializers import TenantModelSerializer, TenantRelatedField

from .models import Plugin, PluginInstallation


class PlatformPluginSerializer(TenantModelSerializer):
    class Meta:
        model = Plugin
        fields = (
            "id",
            "name",
            "slug",
            "description",
            "category",
            "price",
            "rating",
            "downloads",
            "author",
            "version",
            "compatibility",
            "manifest",
            "published",
            "created_at",
            "updated_at",
        )
        read_only_fields = ("downloads",)


class PluginSerializer(PlatformPluginSerializer):
    """For organisations, who read the catalogue."""

    class Meta(PlatformPluginSerializer.Meta):
        read_only_fields = PlatformPluginSerializer.Meta.fields


class PluginInstallationSerializer(TenantModelSerializer):
    # What is not published does not exist for a tenant.
    plugin = TenantRelatedField(queryset=Plugin.objects.published())

    class Meta:
        model = PluginInstallation
        fields = ("id", "plugin", "version", "enabled", "settings", "installed_at", "updated_at")
        create_only = ("plugin",)
        extra_kwargs = {"version": {"required": False, "help_text": "Default: the plugin's."}}
