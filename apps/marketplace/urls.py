from rest_framework.routers import SimpleRouter

from .viewsets import PluginInstallationViewSet, PluginViewSet

app_name = "marketplace"

router = SimpleRouter()
router.register("plugins", PluginViewSet)
router.register("plugin-installations", PluginInstallationViewSet)

urlpatterns = router.urls
