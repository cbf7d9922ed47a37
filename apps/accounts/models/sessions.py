import hashlib

from django.db import models

from nexora.kernel import fields
from nexora.kernel.db.indexes import SeedIndex, newest_first, ranged
from nexora.kernel.fields import TenantForeignKey
from nexora.kernel.models import TenantModel

from .people import User


class RefreshToken(TenantModel):
    """One session of one person: the family of all refresh tokens that follow from one sign-in.

    Tokens are kept as SHA-256 only: the current one, and the one before it with the time of the change.
    """

    publishes = False

    id = fields.primary_key()
    user = TenantForeignKey(User, models.DB_CASCADE, related_name="refresh_tokens")
    token = models.CharField(max_length=500, editable=False)
    expires_at = models.DateTimeField()
    created_at = fields.created_at()
    tenant = fields.tenant_key()
    previous_token = models.CharField(max_length=64, null=True, blank=True, editable=False)
    rotated_at = models.DateTimeField(null=True, blank=True)
    user_agent = models.CharField(max_length=255, null=True, blank=True)
    ip_address = models.GenericIPAddressField(null=True, blank=True)

    class Meta(TenantModel.Meta):
        db_table = "refresh_tokens"
        verbose_name = "session"
        constraints = [models.UniqueConstraint(fields=["token"], name="refresh_tokens_token_key")]
        indexes = [
            SeedIndex(fields=["user"], name="idx_refresh_tokens_user_id"),
            SeedIndex(fields=["tenant", "user"], name="idx_refresh_tokens_tenant_id_user_id"),
            SeedIndex(fields=["expires_at"], name="idx_refresh_tokens_expires_at"),
            newest_first("refresh_tokens"),
            ranged("refresh_tokens", "expires_at"),
        ]

    def __str__(self):
        return f"session of {self.user_id}"

    @staticmethod
    def digest(token):
        """Lower-case hexadecimal SHA-256 of a token's text: the only form in which it is stored."""
        return hashlib.sha256(token.encode()).hexdigest()
