from django.db import models

from nexora.kernel import fields
from nexora.kernel.db.indexes import SeedIndex
from nexora.kernel.models import TenantModel


class Attempt(TenantModel):
    """How often somebody has tried something lately, by account or by address: see services.attempts."""

    publishes = False

    id = fields.primary_key()
    tenant = fields.tenant_key()
    purpose = models.CharField(max_length=30)
    subject = models.CharField(max_length=64, editable=False, help_text="SHA-256 of what is counted.")
    count = models.PositiveIntegerField(default=0, db_default=0)
    last_at = models.DateTimeField()
    blocked_until = models.DateTimeField(null=True)
    created_at = fields.created_at()

    class Meta(TenantModel.Meta):
        db_table = "attempts"
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "purpose", "subject"], name="attempts_tenant_id_purpose_subject_key"
            )
        ]
        indexes = [SeedIndex(fields=["last_at"], name="idx_attempts_last_at")]

    def __str__(self):
        return f"{self.count} of {self.purpose}"
