from django.contrib.postgres.indexes import BrinIndex
from django.core.validators import MaxLengthValidator
from django.db import models
from django.db.models.functions import Length
from django.db.models.lookups import GreaterThan, LessThanOrEqual

from nexora.kernel import clock, fields
from nexora.kernel.db.indexes import SeedIndex, few_values
from nexora.kernel.fields import TenantForeignKey
from nexora.kernel.json import check_text
from nexora.kernel.models import TenantModel

from ..querysets import NotificationQuerySet
from .people import User

LONGEST_TEXT = 2_000


class Notification(TenantModel):
    """What one person is to know, and whether they have read it. Written by services.notifications alone."""

    class Level(models.TextChoices):
        INFO = "info"
        SUCCESS = "success"
        WARNING = "warning"
        DANGER = "danger"

    publishes = False
    owner_fields = ("user_id",)

    id = fields.primary_key()
    tenant = fields.tenant_key()
    user = TenantForeignKey(User, models.DB_CASCADE, related_name="notifications")
    text = models.TextField(validators=[MaxLengthValidator(LONGEST_TEXT), check_text])
    resource = models.CharField(
        max_length=100, null=True, blank=True, help_text="app.model of the record that it is about."
    )
    record_id = models.UUIDField(null=True, blank=True)
    level = models.CharField(max_length=20, choices=Level, default=Level.INFO, db_default=Level.INFO.value)
    created_at = fields.created_at()
    read_at = models.DateTimeField(null=True, blank=True)

    objects = NotificationQuerySet.as_tenant_manager()

    class Meta(TenantModel.Meta):
        db_table = "notifications"
        constraints = [
            models.CheckConstraint(
                condition=models.Q(GreaterThan(Length("text"), 0), LessThanOrEqual(Length("text"), LONGEST_TEXT)),
                name="notifications_text_check",
                violation_error_message=f"A notification has a text of at most {LONGEST_TEXT:,} characters.",
            ),
            models.CheckConstraint(
                condition=models.Q(level__in=["info", "success", "warning", "danger"]),
                name="notifications_level_check",
                violation_error_message="Unknown level.",
            ),
        ]
        indexes = [
            # Nobody lists another's: every list begins with the person.
            few_values("notifications", "user_id"),
            SeedIndex(
                "tenant",
                models.F("user_id"),
                models.F("created_at").desc(nulls_last=True),
                models.F("id").desc(),
                condition=models.Q(read_at=None),
                name="idx_notifications_tenant_id_user_id_unread",
            ),
            # Of the nightly removal, over all tenants. The first has no order, or lists would be read by it, past the
            # rows of everybody.
            BrinIndex(fields=["created_at"], name="idx_notifications_created_at"),
            SeedIndex(fields=["read_at"], condition=models.Q(read_at__isnull=False), name="idx_notifications_read_at"),
        ]

    def __str__(self):
        return self.text if len(self.text) <= 100 else f"{self.text[:99]}…"

    def mark_read(self):
        """Once: the time of the first reading stays."""
        if self.read_at is None:
            self.read_at = clock.now()
            self.save()
