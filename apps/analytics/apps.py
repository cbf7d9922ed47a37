from django.apps import AppConfig


class AnalyticsConfig(AppConfig):
    name = "apps.analytics"
    label = "analytics"
    verbose_name = "AI & Analytics"

    def ready(self):
        from apps.workflows.definition import resources

        from . import actions, triggers  # noqa: F401
        from .models import AIInsight
        from .serializers import AIInsightSerializer

        resources.register("insights", AIInsight, serializer=AIInsightSerializer)
