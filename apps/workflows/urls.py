from rest_framework.routers import SimpleRouter

from .viewsets import WorkflowExecutionViewSet, WorkflowViewSet

app_name = "workflows"

router = SimpleRouter()
router.register("workflows", WorkflowViewSet)
router.register("workflow-executions", WorkflowExecutionViewSet)

urlpatterns = router.urls
