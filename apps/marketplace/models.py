from django.contrib.postgres.fields import ArrayField
from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from django.db import models

from apps.accounts.models import User
from nexora.kernel import fields
from nexora.kernel.db.functions import CurrentTimestamp
from nexora.kernel.db.indexes import SeedIndex, newest_first
from nexora.kernel.json import validate_object
from nexora.kernel.models import Record, TenantModel

from .querysets import PluginQuerySet

version_validator = RegexValidator(r"^\d+(\.\d+){0,3}([-+][0-9A-Za-z.-]+)?\Z", "Enter a version such as 1.4.2.")


class Plugin(Record):
    """An entry of the catalogue, the same for every tenant. Written by the platform."""

    class Category(models.TextChoices):
        CRM = "crm", "CRM"
        ERP = "erp", "ERP"
        MARKETING = "marketing"
        ANALYTICS = "analytics"
        AI = "ai", "AI"
        INTEGRATION = "integration"
        TEMPLATE = "template"

    searched = ("name", "slug")

    id = fields.primary_key()
    name = models.CharField(max_length=255)
    slug = models.SlugField(max_length=100, db_index=False)
    description = models.TextField(null=True, blank=True)
    category = models.CharField(max_length=50, choices=Category)
    price = models.DecimalField(
        max_digits=10, decimal_places=2, default=0, db_default=0, validators=[MinValueValidator(0)]
    )
    rating = models.DecimalField(
        max_digits=3, decimal_places=2, null=True, blank=True, validators=[MinValueValidator(0), MaxValueValidator(5)]
    )
    downloads = models.IntegerField(null=True, blank=True, default=0, db_default=0)
    author = models.ForeignKey(User, models.DO_NOTHING, null=True, blank=True, related_name="plugins", db_index=False)
    version = models.CharField(max_length=20, validators=[version_validator])
    compatibility = ArrayField(models.TextField(), null=True, blank=True, help_text="Platform versions it runs on.")
    manifest = models.JSONField(validators=[validate_object])
    published = models.BooleanField(null=True, blank=True, default=False, db_default=False)
    created_at = fields.created_at()
    updated_at = fields.updated_at()

    objects = PluginQuerySet.as_manager()

    class Meta:
        db_table = "plugins"
        constraints = [
            models.UniqueConstraint(
                fields=["slug"], name="plugins_slug_key", violation_error_message="This slug is taken."
            ),
            models.CheckConstraint(
                condition=models.Q(
                    category__in=["crm", "erp", "marketing", "analytics", "ai", "integration", "template"]
                ),
                name="check_category",
                violation_error_message="Unknown category.",
            ),
            models.CheckConstraint(
                condition=models.Q(rating__gte=0, rating__lte=5),
                name="plugins_rating_check",
                violation_error_message="A rating lies between 0 and 5.",
            ),
        ]
        indexes = [
            SeedIndex(fields=["category"], name="idx_plugins_category"),
            SeedIndex(fields=["published"], name="idx_plugins_published"),
        ]

    def __str__(self):
        return self.name


class PluginInstallation(TenantModel):
    id = fields.primary_key()
    tenant = fields.tenant_key()
    plugin = models.ForeignKey(Plugin, models.DB_CASCADE, related_name="installations", db_index=False)
    version = models.CharField(max_length=20, validators=[version_validator])
    enabled = models.BooleanField(null=True, blank=True, default=True, db_default=True)
    settings = models.JSONField(null=True, blank=True, default=dict, db_default={}, validators=[validate_object])
    installed_at = models.DateTimeField(null=True, blank=True, db_default=CurrentTimestamp(), editable=False)
    updated_at = fields.updated_at()

    class Meta(TenantModel.Meta):
        db_table = "plugin_installations"
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "plugin"],
                name="plugin_installations_tenant_id_plugin_id_key",
                violation_error_message="This plugin is installed already.",
            ),
        ]
        indexes = [
            SeedIndex(fields=["tenant"], name="idx_plugin_installations_tenant_id"),
            SeedIndex(fields=["plugin"], name="idx_plugin_installations_plugin_id"),
            newest_first("plugin_installations", "installed_at"),
        ]

    def __str__(self):
        return f"{self.plugin} {self.version}"
