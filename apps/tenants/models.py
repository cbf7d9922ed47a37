from django.core.exceptions import ValidationError
from django.core.validators import RegexValidator
from django.db import models, transaction
from django.db.models.functions import Cast
from django_tenants.models import DomainMixin, TenantMixin

from nexora.kernel import fields
from nexora.kernel.db.indexes import SeedIndex, newest_first
from nexora.kernel.errors import Conflict
from nexora.kernel.json import validate_list, validate_object
from nexora.kernel.models import TenantModel
from nexora.kernel.scope import PLATFORM_TENANT_ID

from .subdomains import Skeleton

# A DNS label. No underscore: schema names derived from a_b and a-b would clash.
subdomain_validator = RegexValidator(
    r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\Z",
    "Use 1 to 63 lower-case letters, digits and hyphens, with no hyphen at either end.",
)
host_validator = RegexValidator(
    r"^(?=.{4,253}\Z)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z][a-z0-9-]{0,61}[a-z0-9]\Z",
    "Enter a host name such as crm.example.com: lower case, without scheme, port or path.",
)


REQUIRE_SECOND_FACTOR = "require_second_factor"


def validate_settings(value):
    """What the platform itself reads of an organisation's settings; the others are anybody's."""
    if isinstance(value, dict) and not isinstance(value.get(REQUIRE_SECOND_FACTOR, False), bool):
        raise ValidationError(f"{REQUIRE_SECOND_FACTOR} is true or false.", code="boolean")


class Plan(models.TextChoices):
    FREE = "free"
    GROWTH = "growth"
    PRO = "pro"
    ENTERPRISE = "enterprise"


class SchemaName(models.Func):
    """`'t_' || id without hyphens`: what django-tenants calls a schema name. No schema of that name exists."""

    template = "('t_' || replace(%(expressions)s, '-', ''))"
    output_field = models.CharField(max_length=63)


class Tenant(TenantMixin, TenantModel):
    """An organisation. Its own row is the only one that its own people see."""

    class Status(models.TextChoices):
        ACTIVE = "active"
        TRIAL = "trial"
        SUSPENDED = "suspended"
        CANCELLED = "cancelled"

    OPEN = (Status.ACTIVE, Status.TRIAL)
    auto_create_schema = False
    tenant_field = tenant_attname = "id"

    searched = ("name", "subdomain")

    id = fields.primary_key()
    name = models.CharField(max_length=255)
    subdomain = models.CharField(
        max_length=100, validators=[subdomain_validator], help_text="First part of its host, before the base domain."
    )
    plan = models.CharField(max_length=50, choices=Plan, default=Plan.FREE, db_default=Plan.FREE.value)
    status = models.CharField(max_length=50, choices=Status, default=Status.ACTIVE, db_default=Status.ACTIVE.value)
    settings = models.JSONField(
        null=True,
        blank=True,
        default=dict,
        db_default={},
        validators=[validate_object, validate_settings],
        help_text='{"require_second_factor": true}: nobody signs in without one.',
    )
    white_label = models.JSONField(
        null=True,
        blank=True,
        validators=[validate_object],
        help_text='Brand shown to staff: {"name": …, "primary_color": "#0f766e", "logo_url": …}.',
    )
    created_at = fields.created_at()
    updated_at = fields.updated_at()
    schema_name = models.GeneratedField(
        expression=SchemaName(Cast("id", models.TextField())),
        output_field=models.CharField(max_length=63),
        db_persist=True,
    )
    subdomain_skeleton = models.GeneratedField(
        expression=Skeleton("subdomain"), output_field=models.CharField(max_length=100), db_persist=True
    )
    unconfirmed_since = models.DateTimeField(
        null=True,
        blank=True,
        editable=False,
        help_text="When a stranger signed this organisation up; empty as soon as somebody has confirmed their address.",
    )

    class Meta(TenantModel.Meta):
        db_table = "tenants"
        constraints = [
            models.UniqueConstraint(
                fields=["subdomain"], name="tenants_subdomain_key", violation_error_message="This subdomain is taken."
            ),
            models.CheckConstraint(
                condition=models.Q(plan__in=Plan.values), name="check_plan", violation_error_message="Unknown plan."
            ),
            models.CheckConstraint(
                condition=models.Q(status__in=["active", "trial", "suspended", "cancelled"]),
                name="check_status",
                violation_error_message="Unknown status.",
            ),
        ]
        indexes = [
            SeedIndex(fields=["subdomain"], name="idx_tenants_subdomain"),
            SeedIndex(fields=["subdomain_skeleton"], name="idx_tenants_subdomain_skeleton"),
        ]

    def __str__(self):
        return self.name

    @property
    def is_open(self):
        """Whether its people may sign in."""
        return self.status in self.OPEN

    @property
    def requires_second_factor(self):
        """Whether its people sign in with more than a password."""
        return isinstance(self.settings, dict) and self.settings.get(REQUIRE_SECOND_FACTOR) is True

    def clean(self):
        if self.pk == PLATFORM_TENANT_ID and not self.is_open:
            raise ValidationError({"status": "This is the platform itself: closed, nobody could open it again."})

    # django-tenants' save and delete make, rename and drop schemas, of which there are none.
    def save(self, **kwargs):
        TenantModel.save(self, **kwargs)

    def delete(self, using=None, keep_parents=False):
        if self.pk == PLATFORM_TENANT_ID:
            raise Conflict("This is the platform itself, which cannot be deleted.")
        return TenantModel.delete(self, using=using, keep_parents=keep_parents)


class Subscription(TenantModel):
    """What a tenant has bought. Read by the tenant, written by the platform."""

    class BillingCycle(models.TextChoices):
        MONTHLY = "monthly"
        YEARLY = "yearly"

    id = fields.primary_key()
    tenant = fields.tenant_key()
    plan = models.CharField(max_length=50, choices=Plan)
    status = models.CharField(max_length=50, db_default="active", default="active")
    ai_credits = models.IntegerField(db_default=0, default=0, verbose_name="AI credits")
    users_limit = models.IntegerField()
    storage_limit = models.BigIntegerField(help_text="In bytes.")
    features = models.JSONField(null=True, blank=True, default=list, db_default=[], validators=[validate_list])
    billing_cycle = models.CharField(
        max_length=20, choices=BillingCycle, db_default=BillingCycle.MONTHLY.value, default=BillingCycle.MONTHLY
    )
    amount = models.DecimalField(max_digits=10, decimal_places=2)
    next_billing_date = models.DateField()
    created_at = fields.created_at()
    updated_at = fields.updated_at()

    class Meta(TenantModel.Meta):
        db_table = "subscriptions"
        constraints = [
            models.CheckConstraint(
                condition=models.Q(billing_cycle__in=["monthly", "yearly"]),
                name="check_billing_cycle",
                violation_error_message="The billing cycle is monthly or yearly.",
            ),
        ]
        indexes = [
            SeedIndex(fields=["tenant"], name="idx_subscriptions_tenant_id"),
            newest_first("subscriptions"),
        ]

    def __str__(self):
        return f"{self.get_plan_display()} ({self.billing_cycle})"


class Domain(DomainMixin, TenantModel):
    """A white-label host of a tenant. `<subdomain>.<base domain>` needs no row."""

    searched = ("domain",)

    id = fields.primary_key()
    tenant = fields.tenant_key(related_name="domains")
    domain = models.CharField(max_length=253, validators=[host_validator])
    is_primary = models.BooleanField(default=False, db_default=False)
    created_at = fields.created_at()

    class Meta(TenantModel.Meta):
        db_table = "domains"
        constraints = [
            models.UniqueConstraint(
                fields=["domain"], name="domains_domain_key", violation_error_message="This host is in use."
            ),
        ]
        indexes = [SeedIndex(fields=["tenant"], name="idx_domains_tenant_id")]

    def __str__(self):
        return self.domain

    # django-tenants' save demotes the other primary hosts by a bulk update that would publish nothing.
    def save(self, **kwargs):
        with transaction.atomic(savepoint=False):
            if self.is_primary:
                others = Domain.objects.filter(tenant_id=self.tenant_id, is_primary=True).exclude(pk=self.pk)
                for other in others.select_for_update():
                    other.is_primary = False
                    TenantModel.save(other)
            TenantModel.save(self, **kwargs)


class RequestCount(TenantModel):
    """A tenant's requests in one minute, of all processes together: see apps.tenants.rates.

    No index serves the removal of old ones, which takes most of the rows each time.
    """

    publishes = False

    id = fields.primary_key()
    tenant = fields.tenant_key()
    starts_at = models.DateTimeField()
    count = models.IntegerField()
    created_at = fields.created_at()

    class Meta(TenantModel.Meta):
        db_table = "request_counts"
        constraints = [
            models.UniqueConstraint(fields=["tenant", "starts_at"], name="request_counts_tenant_id_starts_at_key")
        ]

    def __str__(self):
        return f"{self.count} in the minute of {self.starts_at}"
