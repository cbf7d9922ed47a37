import hashlib

from django.db import models

from nexora.kernel import clock, fields, permissions
from nexora.kernel.db.indexes import SeedIndex, few_values, newest_first, ranged
from nexora.kernel.fields import EmailAddressField, TenantForeignKey
from nexora.kernel.models import TenantModel
from nexora.kernel.scope import PLATFORM_TENANT_ID

from ..querysets import InvitationQuerySet
from .people import User


class Invitation(TenantModel):
    """An address that may become a person of the tenant, once, by the link that was mailed to it.

    Nothing here tells whether the address has an account already: that only the mail does.
    """

    class Status(models.TextChoices):
        PENDING = "pending"
        ACCEPTED = "accepted"
        REVOKED = "revoked"

    redacted = frozenset({"token"})

    id = fields.primary_key()
    tenant = fields.tenant_key()
    email = EmailAddressField(max_length=255)
    role = models.CharField(max_length=50, choices=User.Role, default=User.Role.USER, db_default=User.Role.USER.value)
    status = models.CharField(
        max_length=50, choices=Status, default=Status.PENDING, db_default=Status.PENDING.value, editable=False
    )
    token = models.CharField(max_length=64, null=True, blank=True, editable=False, help_text="SHA-256 of the link's.")
    # Its invitations go with a person: a link does not outlive who answers for it.
    invited_by = TenantForeignKey(
        User,
        models.DB_CASCADE,
        null=True,
        blank=True,
        editable=False,
        related_name="invitations",
        help_text="Empty for the platform.",
    )
    expires_at = models.DateTimeField(editable=False)
    sent_at = models.DateTimeField(null=True, blank=True, editable=False)
    accepted_at = models.DateTimeField(null=True, blank=True, editable=False)
    revoked_at = models.DateTimeField(null=True, blank=True, editable=False)
    created_at = fields.created_at()
    updated_at = fields.updated_at()

    objects = InvitationQuerySet.as_tenant_manager()

    class Meta(TenantModel.Meta):
        db_table = "invitations"
        constraints = [
            # One open invitation of an address: open are those with neither time. It also finds them by address.
            models.UniqueConstraint(
                fields=["tenant", "email", "accepted_at", "revoked_at"],
                nulls_distinct=False,
                name="invitations_tenant_id_email_accepted_at_revoked_at_key",
                violation_error_message="This address is invited already.",
            ),
            models.UniqueConstraint(fields=["tenant", "token"], name="invitations_tenant_id_token_key"),
            models.CheckConstraint(
                condition=models.Q(role__in=["super_admin", "admin", "manager", "user", "guest"]),
                name="invitations_role_check",
                violation_error_message="Unknown role.",
            ),
            models.CheckConstraint(
                condition=~models.Q(role="super_admin") | models.Q(tenant=PLATFORM_TENANT_ID),
                name="invitations_super_admin_platform_check",
                violation_error_message="Only the platform has super admins.",
            ),
            models.CheckConstraint(
                condition=models.Q(status="pending", accepted_at=None, revoked_at=None)
                | models.Q(status="accepted", accepted_at__isnull=False, revoked_at=None)
                | models.Q(status="revoked", accepted_at=None, revoked_at__isnull=False),
                name="invitations_status_check",
                violation_error_message="An invitation is pending, accepted at a time or revoked at a time.",
            ),
        ]
        indexes = [
            newest_first("invitations"),
            few_values("invitations", "role"),
            few_values("invitations", "status"),
            ranged("invitations", "expires_at"),
            SeedIndex(fields=["tenant", "invited_by"], name="idx_invitations_tenant_id_invited_by_id"),
        ]

    def __str__(self):
        return self.email

    @property
    def is_open(self):
        return self.status == self.Status.PENDING and self.expires_at > clock.now()

    @property
    def is_vouched_for(self):
        """Whether who invited could still do so. Nobody's but the platform's stands by itself."""
        inviter = self.invited_by
        return inviter is None or (
            inviter.is_active
            and permissions.reach(inviter, Invitation, "create") is not None
            and permissions.rank(self.role) <= permissions.rank(inviter.role)
        )

    @staticmethod
    def digest(token):
        """Lower-case hexadecimal SHA-256 of a link's token: the only form in which it is stored."""
        return hashlib.sha256(token.encode()).hexdigest()
