from rest_framework.routers import SimpleRouter

from . import viewsets

app_name = "analytics"

router = SimpleRouter()
router.register("ai-predictions", viewsets.AIPredictionViewSet)
router.register("ai-insights", viewsets.AIInsightViewSet)
router.register("ai-credit-usage", viewsets.AICreditUsageViewSet)
router.register("analytics/revenue-by-month", viewsets.RevenueByMonthViewSet)
router.register("analytics/revenue-by-close-month", viewsets.RevenueByCloseMonthViewSet)

urlpatterns = router.urls
