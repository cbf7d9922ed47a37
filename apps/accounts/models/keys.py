import hashlib
import secrets

from django.contrib.postgres.fields import ArrayField
from django.core.exceptions import ValidationError
from django.db import models

from nexora.kernel import clock, fields, permissions
from nexora.kernel.db.indexes import SeedIndex, newest_first
from nexora.kernel.fields import TenantForeignKey
from nexora.kernel.models import TenantModel
from nexora.kernel.scope import PLATFORM_TENANT_ID

from .people import User


def validate_scopes(scopes):
    """Scopes that a key may have, each once."""
    problems = [problem for scope in scopes if (problem := permissions.scope_problem(scope))]
    problems += [f"'{scope}' is named twice." for scope in dict.fromkeys(scopes) if scopes.count(scope) > 1]
    if problems:
        raise ValidationError(problems)


class APIKey(TenantModel):
    """What a program signs in with: it acts for a person, as their role of now, no further than its scopes.

    Its text is shown once, by whatever created it, and kept as SHA-256 only. What it may do is fixed then: the database
    lets nobody change scopes or expiry, or remove a key otherwise than with its person.
    """

    # By which scanners recognise a key, and how much of its text is shown to recognise it by.
    MARK = "nxk_"
    SHOWN = 12

    owner_fields = ("user_id",)
    redacted = frozenset({"token"})

    id = fields.primary_key()
    tenant = fields.tenant_key()
    user = TenantForeignKey(
        User, models.DB_CASCADE, related_name="api_keys", help_text="On whose behalf the program acts."
    )
    name = models.CharField(max_length=100, help_text="What the key is for.")
    prefix = models.CharField(max_length=SHOWN, editable=False, help_text="How the key begins, to recognise it by.")
    token = models.CharField(max_length=64, editable=False, help_text="SHA-256 of the key.")
    scopes = ArrayField(
        models.CharField(max_length=150),
        validators=[validate_scopes],
        help_text="Such as crm.customer:read or crm.deal:write, which includes reading; * is every resource.",
    )
    expires_at = models.DateTimeField(null=True, blank=True, help_text="Empty: the key works until it is revoked.")
    last_used_at = models.DateTimeField(null=True, blank=True, editable=False, help_text="To the minute.")
    last_used_ip = models.GenericIPAddressField("last used from", null=True, blank=True, editable=False)
    revoked_at = models.DateTimeField(null=True, blank=True, editable=False)
    created_by = TenantForeignKey(
        User, models.DB_SET_NULL, null=True, blank=True, related_name="api_keys_created", db_column="created_by"
    )
    created_at = fields.created_at()
    updated_at = fields.updated_at()

    class Meta(TenantModel.Meta):
        db_table = "api_keys"
        verbose_name = "API key"
        constraints = [models.UniqueConstraint(fields=["token"], name="api_keys_token_key")]
        indexes = [
            newest_first("api_keys"),
            SeedIndex(fields=["tenant", "user"], name="idx_api_keys_tenant_id_user_id"),
            SeedIndex(fields=["tenant", "created_by"], name="idx_api_keys_tenant_id_created_by"),
        ]

    def __str__(self):
        return f"{self.name} ({self.prefix}…)"

    def is_above(self, user):
        # Who sees keys of others is an admin, whom only the platform has somebody above. Elsewhere nobody is asked.
        return self.tenant_id == PLATFORM_TENANT_ID and self.user.is_above(user)

    @property
    def status(self):
        if self.revoked_at:
            return "revoked"
        return "expired" if self.expires_at and self.expires_at <= clock.now() else "active"

    def clean(self):
        super().clean()
        if self._state.adding and self.expires_at and self.expires_at <= clock.now():
            raise ValidationError({"expires_at": "This is past. Choose a moment to come, or none."})

    def make_text(self):
        """Give a new key its text, which is answered and kept nowhere."""
        text = self.MARK + secrets.token_urlsafe(32)
        self.prefix, self.token = text[: self.SHOWN], self.digest(text)
        return text

    @staticmethod
    def digest(text):
        """Lower-case hexadecimal SHA-256 of a key's text: the only form in which it is stored."""
        return hashlib.sha256(text.encode()).hexdigest()
