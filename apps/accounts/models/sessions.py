import hashlib

from django.db import models, transaction

from nexora.kernel import events, fields
from nexora.kernel.db.indexes import SeedIndex, few_values, newest_first, ranged
from nexora.kernel.fields import TenantForeignKey
from nexora.kernel.models import TenantModel

from .people import User


class RefreshToken(TenantModel):
    """One session of one person: a browser's, or the family of all refresh tokens that follow from one sign-in.

    Tokens are kept as SHA-256 only: the current one, and the one before it with the time of the change. A browser has
    none: its cookie leads to Django's session, which names this row. Opening one is no business record; ending one by
    hand is, so delete() publishes it.
    """

    class Kind(models.TextChoices):
        API = "api", "API"
        BROWSER = "browser"

    ENDED = "ended"
    publishes = False
    owner_fields = ("user_id",)

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
    kind = models.CharField(max_length=20, choices=Kind, default=Kind.API, db_default=Kind.API.value)
    device = models.CharField(max_length=100, null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True)

    class Meta(TenantModel.Meta):
        db_table = "refresh_tokens"
        verbose_name = "session"
        constraints = [
            models.UniqueConstraint(fields=["token"], name="refresh_tokens_token_key"),
            models.CheckConstraint(
                condition=models.Q(kind__in=["api", "browser"]),
                name="refresh_tokens_kind_check",
                violation_error_message="A session is the API's or a browser's.",
            ),
        ]
        indexes = [
            SeedIndex(fields=["user"], name="idx_refresh_tokens_user_id"),
            SeedIndex(fields=["expires_at"], name="idx_refresh_tokens_expires_at"),
            newest_first("refresh_tokens"),
            few_values("refresh_tokens", "user_id"),
            few_values("refresh_tokens", "kind"),
            ranged("refresh_tokens", "expires_at"),
            ranged("refresh_tokens", "last_used_at"),
        ]

    def __str__(self):
        return f"{self.device or self.get_kind_display()} session of {self.user}"

    def is_above(self, user):
        return self.user.is_above(user)

    def delete(self, using=None, keep_parents=False):
        """End the session at once, and say in the trail whose it was."""
        with transaction.atomic():
            shown = {"user": str(self.user_id), "kind": self.kind, "device": self.device, "ip_address": self.ip_address}
            changes = {name: [value, None] for name, value in shown.items() if value is not None}
            events.publish(events.record_change(self.ENDED, self, changes=changes))
            return super().delete(using=using, keep_parents=keep_parents)

    @staticmethod
    def digest(token):
        """Lower-case hexadecimal SHA-256 of a token's text: the only form in which it is stored."""
        return hashlib.sha256(token.encode()).hexdigest()
