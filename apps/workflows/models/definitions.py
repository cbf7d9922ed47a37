from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models, transaction
from django.db.models.fields.json import KT

from apps.accounts.models import User
from nexora.kernel import events, fields, permissions
from nexora.kernel.db.indexes import SeedIndex, few_values, looked_up, newest_first, ranged, tenant_id_key
from nexora.kernel.fields import TenantForeignKey
from nexora.kernel.models import TenantModel

from ..querysets import WorkflowQuerySet

DEFINITION = ("trigger", "actions")


class Workflow(TenantModel):
    """What is to happen (`actions`, in order) when something has happened (`trigger`).

    `created_by` is its owner: it runs with that person's rights, so nobody of a lower role may write it.
    """

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
        User,
        models.DO_NOTHING,
        null=True,
        blank=True,
        verbose_name="owner",
        related_name="workflows_created",
        db_column="created_by",
    )
    created_at = fields.created_at()
    updated_at = fields.updated_at()
    version = models.IntegerField(default=1, db_default=1, editable=False, help_text="Counts the definitions.")
    runs_per_minute = models.IntegerField(
        default=60,
        db_default=60,
        validators=[MinValueValidator(1), MaxValueValidator(100_000)],
        help_text="When its trigger starts more than that, it is taken for a loop and switched off.",
    )
    notice = models.TextField(null=True, blank=True, editable=False, help_text="Why it was switched off by itself.")
    next_run_at = models.DateTimeField(
        null=True, blank=True, editable=False, help_text="When its schedule is due, or until when dates were looked at."
    )
    secret_serial = models.IntegerField(default=1, db_default=1, editable=False)
    starts_on = models.GeneratedField(expression=KT("trigger__type"), output_field=models.TextField(), db_persist=True)
    listens_to = models.GeneratedField(
        expression=KT("trigger__resource"), output_field=models.TextField(), db_persist=True
    )
    clock_record_id = models.UUIDField(
        null=True,
        blank=True,
        editable=False,
        help_text="The last looked at of those with the date of next_run_at.",
    )

    objects = WorkflowQuerySet.as_tenant_manager()

    class Meta(TenantModel.Meta):
        db_table = "workflows"
        constraints = [
            tenant_id_key("workflows"),
            models.CheckConstraint(
                condition=models.Q(runs_per_minute__gte=1, runs_per_minute__lte=100_000),
                name="workflows_runs_per_minute_check",
                violation_error_message="Runs per minute are 1 to 100,000.",
            ),
        ]
        indexes = [
            SeedIndex(fields=["tenant"], name="idx_workflows_tenant_id"),
            newest_first("workflows"),
            SeedIndex(fields=["tenant", "created_by"], name="idx_workflows_tenant_id_created_by"),
            few_values("workflows", "enabled"),
            ranged("workflows", "updated_at"),
            # Asked by every write of a record.
            SeedIndex(fields=["tenant", "listens_to", "enabled"], name="idx_workflows_tenant_id_listens_to_enabled"),
            looked_up("workflows", "starts_on"),
            # Asked once a minute, over all tenants.
            SeedIndex(
                fields=["next_run_at"],
                condition=models.Q(enabled=True, starts_on__in=["schedule", "date.reached"]),
                name="idx_workflows_next_run_at",
            ),
        ]

    def __str__(self):
        return self.name

    def is_above(self, user):
        """Whoever changes it acts with its owner's rights."""
        owner = self.created_by
        return owner is not None and permissions.rank(owner.role) > permissions.rank(user.role)

    def clean(self):
        # What may be written is known to the API's serializers, which know the models.
        from ..definition.check import check_definition

        if not (self.enabled or self._state.adding or self.changed_fields().keys() & {*DEFINITION}):
            # One that has come not to work (its owner's role, a field that is gone) can at least be switched off.
            return
        check_definition(trigger=self.trigger, actions=self.actions, owner=self._writer())

    def _writer(self):
        """Whose rights the actions would have: the owner's, of a new one whoever makes it."""
        if self.created_by_id:
            return self.created_by
        actor = events.actor()
        return User.objects.filter(pk=actor.id).first() if actor and actor.id else None

    def save(self, **kwargs):
        self._stop_for_a_new_owner()
        changed = self.changed_fields()
        adding = self._state.adding
        redefined = adding or any(name in changed for name in DEFINITION)
        touched = set()
        if redefined:
            self.version = 1 if adding else self.version + 1
            touched.add("version")
        if redefined or "enabled" in changed:
            self.next_run_at = self.clock_record_id = None
            touched |= {"next_run_at", "clock_record_id"}
        if "enabled" in changed and not adding:
            self.notice = None if self.enabled else self.notice
            touched |= {"enabled", "notice"}
        if kwargs.get("update_fields") is not None:
            kwargs["update_fields"] = {*kwargs["update_fields"], *touched}
        with transaction.atomic(savepoint=False):
            super().save(**kwargs)
            if redefined:
                WorkflowVersion.of(self).save(force_insert=True)

    def _stop_for_a_new_owner(self):
        """Whoever is given a workflow has not read it yet, and from now on it would act with their rights."""
        actor = events.actor()
        is_given = not self._state.adding and "created_by" in self.changed_fields()
        if is_given and self.enabled and self.created_by_id and (actor is None or actor.id != self.created_by_id):
            self.enabled = False
            self.notice = f"It was given to {self.created_by}, who has to look at what it does and switch it on."


class WorkflowVersion(TenantModel):
    """A definition as it was saved. It never changes, and a run keeps to the one it began with."""

    publishes = False

    id = fields.primary_key()
    tenant = fields.tenant_key()
    workflow = TenantForeignKey(Workflow, models.DB_CASCADE, related_name="versions")
    number = models.IntegerField()
    trigger = models.JSONField()
    actions = models.JSONField()
    created_by = TenantForeignKey(
        User, models.DB_SET_NULL, null=True, blank=True, related_name="workflow_versions", db_column="created_by"
    )
    created_at = fields.created_at()

    class Meta(TenantModel.Meta):
        db_table = "workflow_versions"
        constraints = [
            tenant_id_key("workflow_versions"),
            models.UniqueConstraint(
                fields=["tenant", "workflow", "number"], name="workflow_versions_tenant_id_workflow_id_number_key"
            ),
        ]
        indexes = [
            newest_first("workflow_versions"),
            few_values("workflow_versions", "workflow_id"),
            SeedIndex(fields=["tenant", "created_by"], name="idx_workflow_versions_tenant_id_created_by"),
        ]

    def __str__(self):
        return f"{self.workflow}, version {self.number}"

    @classmethod
    def of(cls, workflow):
        """The version that a workflow has now, not stored yet."""
        actor = events.actor()
        is_local = actor is not None and actor.tenant_id == workflow.tenant_id
        return cls(
            tenant_id=workflow.tenant_id,
            workflow=workflow,
            number=workflow.version,
            trigger=workflow.trigger,
            actions=workflow.actions,
            created_by_id=actor.id if is_local else None,
        )
