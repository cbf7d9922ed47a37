from django.apps import AppConfig


class WorkflowsConfig(AppConfig):
    name = "apps.workflows"
    label = "workflows"
    verbose_name = "Workflows & Automation"

    def ready(self):
        from nexora.kernel import handover

        from . import actions, receivers, triggers  # noqa: F401
        from .models import Workflow
        from .querysets import WorkflowQuerySet

        handover.register(Workflow, holder="created_by", is_open=WorkflowQuerySet.enabled)
