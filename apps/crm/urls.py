from rest_framework.routers import SimpleRouter

from .viewsets import ActivityViewSet, CustomerViewSet, DealViewSet

app_name = "crm"

router = SimpleRouter()
router.register("customers", CustomerViewSet)
router.register("deals", DealViewSet)
router.register("activities", ActivityViewSet)

urlpatterns = router.urls
