from django.urls import path
from rest_framework.routers import SimpleRouter

from .views import HookView
from .viewsets import WorkflowExecutionViewSet, WorkflowStepViewSet, WorkflowVersionViewSet, WorkflowViewSet

app_name = "workflows"

router = SimpleRouter()
router.register("workflows", WorkflowViewSet)
router.register("workflow-versions", WorkflowVersionViewSet)
router.register("workflow-executions", WorkflowExecutionViewSet)
router.register("workflow-steps", WorkflowStepViewSet)

urlpatterns = [
    path("hooks/<str:workflow_id>/", HookView.as_view(), name="hook"),
    *router.urls,
]
