from django.apps import AppConfig


class CrmConfig(AppConfig):
    name = "apps.crm"
    label = "crm"
    verbose_name = "CRM Module"

    def ready(self):
        from nexora.kernel import handover

        from .models import Activity, Deal
        from .querysets import ActivityQuerySet, DealQuerySet

        handover.register(Deal, holder="assigned_to", is_open=DealQuerySet.open)
        handover.register(Activity, holder="assigned_to", is_open=ActivityQuerySet.pending)
