from django.db import transaction
from django.db.models import F
from django.db.models.functions import Coalesce

from nexora.kernel.errors import Conflict
from nexora.kernel.events import acting_as
from nexora.kernel.scope import unscoped

from .models import Plugin, PluginInstallation


class AlreadyInstalled(Conflict):
    """An organisation installs a plugin once. Change the installation that there is."""

    code = "already_installed"
    title = "Installed already"


def install_plugin(*, actor, plugin, version=None, **values):
    """Install a published plugin for the tenant in scope, by default in its newest version, and count the download.

    Conflict if it is not published or installed already.
    """
    if not plugin.published:
        raise Conflict(f"{plugin} is not published. Choose a published plugin.")
    with transaction.atomic(), acting_as(actor):
        if PluginInstallation.objects.filter(plugin=plugin).exists():
            message = f"{plugin} is installed already. Change that installation instead."
            raise AlreadyInstalled(message, fields={"plugin": [message]})
        installation = PluginInstallation(plugin=plugin, version=version or plugin.version, **values)
        installation.save()
        # The catalogue is the platform's to write. One statement, so that of two installations both are counted.
        with unscoped(reason=f"count a download of plugin {plugin.slug}"):
            Plugin.objects.filter(pk=plugin.pk).update(downloads=Coalesce(F("downloads"), 0) + 1)
    return installation
