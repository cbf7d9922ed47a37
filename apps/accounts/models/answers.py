from django.db import models

from nexora.kernel import fields
from nexora.kernel.db.indexes import SeedIndex
from nexora.kernel.fields import TenantForeignKey
from nexora.kernel.models import TenantModel

from .people import User


class IdempotencyKey(TenantModel):
    """A request that was carried out under an Idempotency-Key, and its answer: see nexora.kernel.api.idempotency."""

    publishes = False

    id = fields.primary_key()
    tenant = fields.tenant_key()
    user = TenantForeignKey(User, models.DB_CASCADE, related_name="idempotency_keys")
    route = models.CharField(max_length=100)
    key = models.CharField(max_length=64, editable=False, help_text="SHA-256 of address and key.")
    body = models.CharField(max_length=64, editable=False, help_text="SHA-256 of the request's body.")
    status = models.PositiveSmallIntegerField()
    headers = models.JSONField(default=dict, db_default={})
    answer = models.TextField()
    created_at = fields.created_at()

    class Meta(TenantModel.Meta):
        db_table = "idempotency_keys"
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "user", "route", "key"], name="idempotency_keys_tenant_id_user_id_route_key_key"
            )
        ]
        indexes = [SeedIndex(fields=["created_at"], name="idx_idempotency_keys_created_at")]

    def __str__(self):
        return f"{self.route} by {self.user_id}"
