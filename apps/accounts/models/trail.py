from django.apps import apps
from django.db import models

from nexora.kernel import fields
from nexora.kernel.db.indexes import SeedIndex, few_values, newest_first
from nexora.kernel.fields import TenantForeignKey
from nexora.kernel.models import TenantModel

from .people import User


class AuditEvent(TenantModel):
    """Who did what to which record. The runtime may insert and read rows of this table, never change or remove them."""

    publishes = False
    searched = ("record_label",)

    id = fields.primary_key()
    tenant = fields.tenant_key()
    actor = TenantForeignKey(
        User, models.DB_SET_NULL, null=True, blank=True, related_name="audit_events", help_text="Empty for the system."
    )
    actor_label = models.CharField(max_length=255, default="", db_default="", blank=True)
    action = models.CharField(max_length=50)
    resource = models.CharField(max_length=100, help_text="app.model of the record.")
    record_id = models.UUIDField(null=True, blank=True)
    record_label = models.CharField(max_length=255, default="", db_default="", blank=True)
    changes = models.JSONField(default=dict, db_default={}, help_text="{field: [from, to]}")
    children = models.JSONField(default=dict, db_default={}, help_text="{table: rows} deleted along with the record.")
    ip_address = models.GenericIPAddressField(null=True, blank=True)
    created_at = fields.created_at()

    class Meta(TenantModel.Meta):
        db_table = "audit_events"
        indexes = [
            newest_first("audit_events"),
            SeedIndex(fields=["tenant", "record_id"], name="idx_audit_events_tenant_id_record_id"),
            SeedIndex(fields=["tenant", "actor"], name="idx_audit_events_tenant_id_actor_id"),
            few_values("audit_events", "action"),
            few_values("audit_events", "resource"),
        ]

    def __str__(self):
        return f"{self.deed} {self.kind} {self.record_label}".strip()

    @property
    def deed(self):
        """The action in words."""
        return self.action.replace("_", " ").capitalize()

    @property
    def who(self):
        """Who did it, in words; of a job that did it by itself, what it does."""
        _, is_job, job = self.actor_label.partition(".jobs.")
        return f"the system ({job.replace('_', ' ')})" if is_job else self.actor_label or "the system"

    @property
    def kind(self):
        """The resource in words; that of a model that is no more stays as it is."""
        return kind_of(self.resource)


def kind_of(resource):
    """`crm.customer` in words."""
    try:
        return str(apps.get_model(resource)._meta.verbose_name)
    except (LookupError, ValueError):
        return resource
