from django.db import models

from apps.accounts.models import User
from nexora.kernel import fields
from nexora.kernel.db.functions import CurrentTimestamp
from nexora.kernel.db.indexes import SeedIndex, few_values, newest_first, ranged, tenant_id_key
from nexora.kernel.fields import TenantForeignKey
from nexora.kernel.models import TenantModel

from .definition import check_definition


class Workflow(TenantModel):
    """What is to happen (`actions`, in order) when something has happened (`trigger`)."""

    owner_fields = ("created_by_id",)
    searched = ("name",)

    id = fields.primary_key()
    tenant = fields.tenant_key()
    name = models.CharField(max_length=255)
    description = models.TextField(null=True, blank=True)
    trigger = models.JSONField(help_text='{"type": …}')
    actions = models.JSONField(help_text='[{"key": …, "type": …, "with": {…}}]')
    enabled = models.BooleanField(null=True, blank=True, default=True, db_default=True)
    created_by = TenantForeignKey(
        User, models.DO_NOTHING, null=True, blank=True, related_name="workflows_created", db_column="created_by"
    )
    created_at = fields.created_at()
    updated_at = fields.updated_at()

    class Meta(TenantModel.Meta):
        db_table = "workflows"
        constraints = [tenant_id_key("workflows")]
        indexes = [
            SeedIndex(fields=["tenant"], name="idx_workflows_tenant_id"),
            newest_first("workflows"),
            SeedIndex(fields=["tenant", "created_by"], name="idx_workflows_tenant_id_created_by"),
            few_values("workflows", "enabled"),
            ranged("workflows", "updated_at"),
        ]

    def __str__(self):
        return self.name

    def clean(self):
        check_definition(trigger=self.trigger, actions=self.actions)


class WorkflowExecution(TenantModel):
    """One run of a workflow: a record, written by the engine only."""

    class Status(models.TextChoices):
        RUNNING = "running"
        COMPLETED = "completed"
        FAILED = "failed"
        CANCELLED = "cancelled"

    id = fields.primary_key()
    workflow = TenantForeignKey(Workflow, models.DB_CASCADE, related_name="executions")
    tenant = fields.tenant_key()
    status = models.CharField(max_length=50, choices=Status, default=Status.RUNNING, db_default=Status.RUNNING.value)
    input = models.JSONField(null=True, blank=True)
    output = models.JSONField(null=True, blank=True)
    error = models.TextField(null=True, blank=True)
    started_at = models.DateTimeField(null=True, blank=True, db_default=CurrentTimestamp())
    completed_at = models.DateTimeField(null=True, blank=True)

    class Meta(TenantModel.Meta):
        db_table = "workflow_executions"
        constraints = [
            models.CheckConstraint(
                condition=models.Q(status__in=["running", "completed", "failed", "cancelled"]),
                name="check_execution_status",
                violation_error_message="Unknown status.",
            ),
        ]
        indexes = [
            SeedIndex(fields=["workflow"], name="idx_workflow_executions_workflow_id"),
            SeedIndex(fields=["status"], name="idx_workflow_executions_status"),
            newest_first("workflow_executions", "started_at"),
            few_values("workflow_executions", "status", "started_at"),
            ranged("workflow_executions", "completed_at"),
        ]

    def __str__(self):
        return f"{self.status} run of {self.workflow_id}"
