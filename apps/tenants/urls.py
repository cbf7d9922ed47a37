from rest_framework.routers import SimpleRouter

from .viewsets import OrganisationViewSet, SubscriptionViewSet

app_name = "tenants"

router = SimpleRouter()
router.register("tenants", OrganisationViewSet)
router.register("subscriptions", SubscriptionViewSet)

urlpatterns = router.urls
