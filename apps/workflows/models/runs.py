from datetime import datetime

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models

from apps.accounts.models import User
from nexora.kernel import fields
from nexora.kernel.db.functions import CurrentTimestamp
from nexora.kernel.db.indexes import SeedIndex, few_values, newest_first, ranged, tenant_id_key
from nexora.kernel.fields import TenantForeignKey
from nexora.kernel.models import TenantModel

from .definitions import Workflow, WorkflowVersion


class WorkflowExecution(TenantModel):
    """One run of a workflow, written by the engine only.

    `status` is what everybody sees, and once it is not `running` it never changes again. `state` says more: a pending
    run waits for its turn, a ready one has a job, a calling one talks to the outside, a waiting or retrying one goes on
    at `resume_at`. Of any other running one that is the moment when somebody must look what became of its worker.
    """

    class Status(models.TextChoices):
        RUNNING = "running"
        COMPLETED = "completed"
        FAILED = "failed"
        CANCELLED = "cancelled"

    class State(models.TextChoices):
        PENDING = "pending"
        READY = "ready"
        STEPPING = "stepping"
        CALLING = "calling"
        WAITING = "waiting"
        RETRYING = "retrying"
        COMPLETED = "completed"
        FAILED = "failed"
        CANCELLED = "cancelled"

    # The engine's own records: a trail of every step of every run would bury what people do.
    publishes = False
    owner_fields = ("owner_id",)

    id = fields.primary_key()
    workflow = TenantForeignKey(Workflow, models.DB_CASCADE, related_name="executions")
    tenant = fields.tenant_key()
    status = models.CharField(max_length=50, choices=Status, default=Status.RUNNING, db_default=Status.RUNNING.value)
    input = models.JSONField(null=True, blank=True)
    output = models.JSONField(null=True, blank=True)
    error = models.TextField(null=True, blank=True)
    started_at = models.DateTimeField(null=True, blank=True, db_default=CurrentTimestamp())
    completed_at = models.DateTimeField(null=True, blank=True)
    version = TenantForeignKey(
        WorkflowVersion, models.DB_CASCADE, null=True, blank=True, related_name="executions", editable=False
    )
    owner = TenantForeignKey(
        User,
        models.DB_SET_NULL,
        null=True,
        blank=True,
        related_name="workflow_executions",
        editable=False,
        help_text="The workflow's owner when it began.",
    )
    # Without a default in Python: a row made by raw SQL may be finished, and nobody would run it.
    state = models.CharField(max_length=20, choices=State, null=True, blank=True, editable=False)
    attempt = models.IntegerField(default=1, db_default=1, editable=False, help_text="Of the step it stands at.")
    depth = models.IntegerField(
        default=0,
        db_default=0,
        editable=False,
        validators=[MinValueValidator(0), MaxValueValidator(3)],
        help_text="How many runs led to it.",
    )
    parent = TenantForeignKey(
        "workflows.WorkflowExecution",
        models.DB_SET_NULL,
        null=True,
        blank=True,
        related_name="children",
        editable=False,
    )
    retry_of = TenantForeignKey(
        "workflows.WorkflowExecution", models.DB_SET_NULL, null=True, blank=True, related_name="retries", editable=False
    )
    resume_at = models.DateTimeField(null=True, blank=True, editable=False)
    cancel_requested_at = models.DateTimeField(null=True, blank=True, editable=False)
    resource = models.CharField(max_length=100, null=True, blank=True, editable=False)
    record_id = models.UUIDField(null=True, blank=True, editable=False)
    trigger_key = models.CharField(
        max_length=255, null=True, blank=True, editable=False, help_text="What may start the workflow only once."
    )
    # {"stack": [frame, …], "chain": ["workflow:record", …], "origin": id, "rescues": n}, see engine.positions
    position = models.JSONField(null=True, blank=True, editable=False)

    class Meta(TenantModel.Meta):
        db_table = "workflow_executions"
        constraints = [
            tenant_id_key("workflow_executions"),
            models.CheckConstraint(
                condition=models.Q(status__in=["running", "completed", "failed", "cancelled"]),
                name="check_execution_status",
                violation_error_message="Unknown status.",
            ),
            models.CheckConstraint(
                condition=models.Q(depth__gte=0, depth__lte=3),
                name="workflow_executions_depth_check",
                violation_error_message="A chain of runs is at most 3 deep.",
            ),
            models.UniqueConstraint(
                fields=["tenant", "workflow", "trigger_key"],
                name="workflow_executions_tenant_id_workflow_id_trigger_key_key",
            ),
        ]
        indexes = [
            SeedIndex(fields=["workflow"], name="idx_workflow_executions_workflow_id"),
            SeedIndex(fields=["status"], name="idx_workflow_executions_status"),
            newest_first("workflow_executions", "started_at"),
            few_values("workflow_executions", "status", "started_at"),
            few_values("workflow_executions", "workflow_id", "started_at"),
            ranged("workflow_executions", "completed_at"),
            SeedIndex(fields=["tenant", "record_id"], name="idx_workflow_executions_tenant_id_record_id"),
            SeedIndex(fields=["tenant", "version"], name="idx_workflow_executions_tenant_id_version_id"),
            SeedIndex(fields=["tenant", "owner"], name="idx_workflow_executions_tenant_id_owner_id"),
            SeedIndex(fields=["tenant", "parent"], name="idx_workflow_executions_tenant_id_parent_id"),
            SeedIndex(fields=["tenant", "retry_of"], name="idx_workflow_executions_tenant_id_retry_of_id"),
            # Asked once a minute, over all tenants: what must go on?
            SeedIndex(
                fields=["resume_at"],
                condition=models.Q(status="running", resume_at__isnull=False),
                name="idx_workflow_executions_resume_at",
            ),
            # Whose turn is next, and how many have a job already.
            SeedIndex(
                fields=["tenant", "state", "started_at", "id"],
                condition=models.Q(state__in=["pending", "ready"]),
                name="idx_workflow_executions_tenant_id_state_started_at_id",
            ),
        ]

    def __str__(self):
        began = f"{self.started_at:%-d %b %Y %H:%M}" if isinstance(self.started_at, datetime) else "not begun"
        return f"{self.workflow}, {began}"

    @property
    def is_over(self):
        return self.status != self.Status.RUNNING

    @property
    def origin_id(self):
        """The run that a retry goes on with, else itself: what it asks of the outside is asked in that one's name."""
        return (self.position or {}).get("origin") or str(self.pk)


class WorkflowStep(TenantModel):
    """One step of a run: what it was given, what came of it. Written together with its effect."""

    class Status(models.TextChoices):
        RUNNING = "running"
        WAITING = "waiting"
        RETRYING = "retrying"
        COMPLETED = "completed"
        FAILED = "failed"
        SKIPPED = "skipped"
        CANCELLED = "cancelled"

    publishes = False

    id = fields.primary_key()
    tenant = fields.tenant_key()
    execution = TenantForeignKey(WorkflowExecution, models.DB_CASCADE, related_name="steps")
    path = models.CharField(max_length=255, help_text="Its place: 2, or 2#7.do.0 in the eighth round of a for-each.")
    key = models.CharField(max_length=64)
    type = models.CharField(max_length=50)
    status = models.CharField(max_length=20, choices=Status)
    attempts = models.IntegerField(default=1, db_default=1)
    input = models.JSONField(null=True, blank=True)
    output = models.JSONField(null=True, blank=True)
    error = models.TextField(null=True, blank=True)
    failures = models.JSONField(null=True, blank=True, help_text="Of earlier attempts: [{attempt, at, error}].")
    started_at = models.DateTimeField(null=True, blank=True, db_default=CurrentTimestamp())
    completed_at = models.DateTimeField(null=True, blank=True)

    class Meta(TenantModel.Meta):
        db_table = "workflow_steps"
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "execution", "path"], name="workflow_steps_tenant_id_execution_id_path_key"
            ),
        ]
        indexes = [
            newest_first("workflow_steps", "started_at"),
            ranged("workflow_steps", "completed_at"),
            few_values("workflow_steps", "execution_id", "started_at"),
            few_values("workflow_steps", "status", "started_at"),
            few_values("workflow_steps", "type", "started_at"),
        ]

    def __str__(self):
        return f"step {self.path} ({self.key})"
