from django.contrib.postgres.fields import ArrayField
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models, transaction

from apps.accounts.models import User
from nexora.kernel import clock, events, fields
from nexora.kernel.db.indexes import SeedIndex, few_values, looked_up, newest_first, ranged, tenant_id_key
from nexora.kernel.fields import EmailAddressField, TenantForeignKey
from nexora.kernel.json import validate_object
from nexora.kernel.models import TenantModel

from .querysets import ActivityQuerySet, DealQuerySet


class Customer(TenantModel):
    class Status(models.TextChoices):
        LEAD = "lead"
        PROSPECT = "prospect"
        ACTIVE = "active"
        CHURNED = "churned"

    owner_fields = ("created_by_id",)
    searched = ("name", "email", "company")
    elements = {"tags": 6}

    id = fields.primary_key()
    tenant = fields.tenant_key()
    name = models.CharField(max_length=255)
    email = EmailAddressField(max_length=255, null=True, blank=True)
    phone = models.CharField(max_length=50, null=True, blank=True)
    company = models.CharField(max_length=255, null=True, blank=True)
    status = models.CharField(max_length=50, choices=Status, default=Status.LEAD, db_default=Status.LEAD.value)
    tags = ArrayField(models.TextField(), null=True, blank=True)
    custom_fields = models.JSONField(null=True, blank=True, default=dict, db_default={}, validators=[validate_object])
    created_by = TenantForeignKey(
        User, models.DO_NOTHING, null=True, blank=True, related_name="customers_created", db_column="created_by"
    )
    created_at = fields.created_at()
    updated_at = fields.updated_at()

    class Meta(TenantModel.Meta):
        db_table = "customers"
        constraints = [
            tenant_id_key("customers"),
            models.CheckConstraint(
                condition=models.Q(status__in=["lead", "prospect", "active", "churned"]),
                name="check_status",
                violation_error_message="A customer is a lead, a prospect, active or churned.",
            ),
        ]
        indexes = [
            SeedIndex(fields=["tenant"], name="idx_customers_tenant_id"),
            SeedIndex(fields=["email"], name="idx_customers_email"),
            newest_first("customers"),
            SeedIndex(fields=["tenant", "created_by"], name="idx_customers_tenant_id_created_by"),
            few_values("customers", "status"),
            looked_up("customers", "phone"),
            ranged("customers", "updated_at"),
        ]

    def __str__(self):
        return self.name


class Deal(TenantModel):
    class Stage(models.TextChoices):
        QUALIFICATION = "qualification"
        PROPOSAL = "proposal"
        NEGOTIATION = "negotiation"
        CLOSED_WON = "closed_won", "Closed won"
        CLOSED_LOST = "closed_lost", "Closed lost"

    CLOSED = frozenset({Stage.CLOSED_WON, Stage.CLOSED_LOST})
    owner_fields = ("assigned_to_id",)
    searched = ("title",)
    scaled = ("value",)

    id = fields.primary_key()
    tenant = fields.tenant_key()
    customer = TenantForeignKey(Customer, models.DB_CASCADE, related_name="deals")
    title = models.CharField(max_length=255)
    value = models.DecimalField(max_digits=12, decimal_places=2)
    stage = models.CharField(
        max_length=50, choices=Stage, default=Stage.QUALIFICATION, db_default=Stage.QUALIFICATION.value
    )
    probability = models.IntegerField(
        null=True, blank=True, validators=[MinValueValidator(0), MaxValueValidator(100)], help_text="Percent."
    )
    expected_close_date = models.DateField(null=True, blank=True)
    assigned_to = TenantForeignKey(
        User, models.DO_NOTHING, null=True, blank=True, related_name="deals_assigned", db_column="assigned_to"
    )
    created_at = fields.created_at()
    updated_at = fields.updated_at()
    closed_at = models.DateTimeField(null=True, blank=True, help_text="Set when the deal is won or lost.")

    objects = DealQuerySet.as_tenant_manager()

    class Meta(TenantModel.Meta):
        db_table = "deals"
        constraints = [
            tenant_id_key("deals"),
            models.CheckConstraint(
                condition=models.Q(stage__in=["qualification", "proposal", "negotiation", "closed_won", "closed_lost"]),
                name="check_stage",
                violation_error_message="Unknown stage.",
            ),
            models.CheckConstraint(
                condition=models.Q(probability__gte=0, probability__lte=100),
                name="deals_probability_check",
                violation_error_message="Probability is a percentage, 0 to 100.",
            ),
        ]
        indexes = [
            SeedIndex(fields=["tenant"], name="idx_deals_tenant_id"),
            SeedIndex(fields=["customer"], name="idx_deals_customer_id"),
            SeedIndex(fields=["stage"], name="idx_deals_stage"),
            newest_first("deals"),
            SeedIndex(fields=["tenant", "assigned_to"], name="idx_deals_tenant_id_assigned_to"),
            few_values("deals", "stage"),
            few_values("deals", "probability"),
            ranged("deals", "expected_close_date"),
            ranged("deals", "updated_at"),
            ranged("deals", "closed_at"),
        ]

    def __str__(self):
        return self.title

    @property
    def is_closed(self):
        return self.stage in self.CLOSED

    def save(self, **kwargs):
        # closed_at follows the stage wherever it is set, so that revenue by closing month is right for every writer.
        if self.is_closed and self.closed_at is None:
            self.closed_at = clock.now()
        elif not self.is_closed and self.closed_at is not None:
            self.closed_at = None
        moves = not self._state.adding and "customer" in self.changed_fields()
        with transaction.atomic(savepoint=False), events.batch():
            super().save(**kwargs)
            if moves:
                # An activity of a deal is one of the deal's customer, and would go with the old one.
                for activity in self.activities.select_for_update():
                    activity.customer_id = self.customer_id
                    activity.save()


class Activity(TenantModel):
    """A call, mail, meeting, task or note. Its table is hash-partitioned by tenant and keyed (tenant_id, id)."""

    class Type(models.TextChoices):
        CALL = "call"
        EMAIL = "email"
        MEETING = "meeting"
        TASK = "task"
        NOTE = "note"

    owner_fields = ("created_by_id", "assigned_to_id")
    searched = ("subject",)

    id = fields.primary_key()
    tenant = fields.tenant_key()
    customer = TenantForeignKey(Customer, models.DB_CASCADE, null=True, blank=True, related_name="activities")
    deal = TenantForeignKey(Deal, models.DB_CASCADE, null=True, blank=True, related_name="activities")
    type = models.CharField(max_length=50, choices=Type)
    subject = models.CharField(max_length=255)
    description = models.TextField(null=True, blank=True)
    due_date = models.DateTimeField(null=True, blank=True)
    completed = models.BooleanField(null=True, blank=True, default=False, db_default=False)
    assigned_to = TenantForeignKey(
        User, models.DO_NOTHING, null=True, blank=True, related_name="activities_assigned", db_column="assigned_to"
    )
    created_by = TenantForeignKey(
        User, models.DO_NOTHING, null=True, blank=True, related_name="activities_created", db_column="created_by"
    )
    created_at = fields.created_at()
    updated_at = fields.updated_at()

    objects = ActivityQuerySet.as_tenant_manager()

    class Meta(TenantModel.Meta):
        db_table = "activities"
        verbose_name_plural = "activities"
        constraints = [
            models.CheckConstraint(
                condition=models.Q(type__in=["call", "email", "meeting", "task", "note"]),
                name="check_activity_type",
                violation_error_message="An activity is a call, an email, a meeting, a task or a note.",
            ),
        ]
        indexes = [
            SeedIndex(fields=["tenant"], name="idx_activities_tenant_id"),
            SeedIndex(fields=["customer"], name="idx_activities_customer_id"),
            SeedIndex(fields=["tenant", "deal"], name="idx_activities_tenant_id_deal_id"),
            newest_first("activities"),
            SeedIndex(fields=["tenant", "assigned_to"], name="idx_activities_tenant_id_assigned_to"),
            SeedIndex(fields=["tenant", "created_by"], name="idx_activities_tenant_id_created_by"),
            few_values("activities", "type"),
            few_values("activities", "completed"),
            ranged("activities", "due_date"),
            ranged("activities", "updated_at"),
        ]

    def __str__(self):
        return self.subject

    def clean(self):
        """An activity of a deal is one of the deal's customer, named or not."""
        if not self.deal_id or not {"deal", "customer"} & self.changed_fields().keys():
            return
        if self.customer_id is None:
            self.customer_id = self.deal.customer_id
        elif self.deal.customer_id != self.customer_id:
            raise ValidationError({"deal": "This deal belongs to another customer."})
