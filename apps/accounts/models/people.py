"""Who works here."""

import hashlib

from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.hashers import check_password, make_password
from django.db import connection, models, transaction

from nexora.kernel import events, fields, permissions
from nexora.kernel.db.indexes import SeedIndex, few_values, newest_first, ranged, tenant_id_key
from nexora.kernel.errors import Conflict
from nexora.kernel.fields import EmailAddressField
from nexora.kernel.models import TenantModel
from nexora.kernel.scope import PLATFORM_TENANT_ID

from ..fields import PasswordHashField
from ..querysets import UserManager


class LastAdmin(Conflict):
    """Somebody must be left to administer the organisation. Make another person an admin first."""

    code = "last_admin"
    title = "Last administrator"


class User(AbstractBaseUser, TenantModel):
    """A person of one tenant. What they may do is their role's row in nexora.policy, nothing stored here."""

    class Role(models.TextChoices):
        SUPER_ADMIN = "super_admin", "Super admin"
        ADMIN = "admin"
        MANAGER = "manager"
        USER = "user"
        GUEST = "guest"

    class Status(models.TextChoices):
        ACTIVE = "active"
        INACTIVE = "inactive"
        SUSPENDED = "suspended"

    # What people change of their own account where the policy gives them no more than that, beside their password.
    OWN_FIELDS = frozenset({"name", "avatar"})
    owner_fields = ("id",)
    searched = ("name", "email")
    redacted = frozenset({"password"})

    id = fields.primary_key()
    email = EmailAddressField(max_length=255)
    password = PasswordHashField("password", max_length=255, db_column="password_hash")
    name = models.CharField(max_length=255)
    avatar = models.CharField(max_length=500, null=True, blank=True, help_text="Address of a picture.")
    tenant = fields.tenant_key()
    role = models.CharField(max_length=50, choices=Role, default=Role.USER, db_default=Role.USER.value)
    status = models.CharField(max_length=50, choices=Status, default=Status.ACTIVE, db_default=Status.ACTIVE.value)
    email_verified = models.BooleanField(null=True, blank=True, default=False, db_default=False)
    last_login = models.DateTimeField(null=True, blank=True, editable=False)
    created_at = fields.created_at()
    updated_at = fields.updated_at()

    objects = UserManager()

    USERNAME_FIELD = "email"
    EMAIL_FIELD = "email"
    REQUIRED_FIELDS = ["name"]

    class Meta(TenantModel.Meta):
        db_table = "users"
        constraints = [
            models.UniqueConstraint(
                fields=["email"], name="users_email_key", violation_error_message="This address cannot be used."
            ),
            tenant_id_key("users"),
            models.CheckConstraint(
                condition=models.Q(role__in=["super_admin", "admin", "manager", "user", "guest"]),
                name="check_role",
                violation_error_message="Unknown role.",
            ),
            models.CheckConstraint(
                condition=models.Q(status__in=["active", "inactive", "suspended"]),
                name="check_status",
                violation_error_message="Unknown status.",
            ),
            models.CheckConstraint(
                condition=~models.Q(role="super_admin") | models.Q(tenant=PLATFORM_TENANT_ID),
                name="users_super_admin_platform_check",
                violation_error_message="Only the platform has super admins.",
            ),
        ]
        indexes = [
            SeedIndex(fields=["email"], name="idx_users_email"),
            SeedIndex(fields=["tenant"], name="idx_users_tenant_id"),
            newest_first("users"),
            few_values("users", "role"),
            few_values("users", "status"),
            few_values("users", "email_verified"),
            ranged("users", "last_login"),
            ranged("users", "updated_at"),
        ]

    def __str__(self):
        return self.name or self.email

    @property
    def is_active(self):
        return self.status == self.Status.ACTIVE

    @property
    def is_staff(self):
        """May open the admin: everybody but guests."""
        return self.role != self.Role.GUEST

    # The admin asks these; the answers are the policy table's.
    @property
    def is_superuser(self):
        return self.role == self.Role.SUPER_ADMIN

    def has_perm(self, perm, obj=None):
        return self.is_active and permissions.has_django_perm(self.role, perm)

    def has_perms(self, perms, obj=None):
        return all(self.has_perm(perm, obj) for perm in perms)

    def has_module_perms(self, app_label):
        return self.is_active and permissions.sees_app(self.role, app_label)

    def save(self, **kwargs):
        changed = {} if self._state.adding else self.changed_fields()
        if "email" in changed and changed["email"][0] != self._meta.get_field("email").to_python(self.email):
            # Nobody has shown yet that the new address is theirs; a receiver has them asked.
            self.email_verified = False
            if kwargs.get("update_fields") is not None:
                kwargs["update_fields"] = {*kwargs["update_fields"], "email_verified"}
        with transaction.atomic(savepoint=False):
            if {"role", "status"} & changed.keys() and not self._is_top_active():
                self._ensure_another_admin()
            super().save(**kwargs)
            if {"role", "status", "password"} & changed.keys():
                self._end_sessions(changed)

    def _end_sessions(self, changed):
        """What the person holds was issued to what they were before; whoever changes their own password stays in."""
        ended, actor = self.refresh_tokens.all(), events.actor()
        if actor and actor.id == self.pk and actor.session_id and not {"role", "status"} & changed.keys():
            ended = ended.exclude(pk=actor.session_id)
        ended.unpublished("sessions are no business records").delete()

    def delete(self, using=None, keep_parents=False):
        with transaction.atomic():
            self._ensure_another_admin()
            return super().delete(using=using, keep_parents=keep_parents)

    def _top_role(self):
        return self.Role.SUPER_ADMIN if self.tenant_id == PLATFORM_TENANT_ID else self.Role.ADMIN

    def _is_top_active(self):
        return self.role == self._top_role() and self.status == self.Status.ACTIVE

    def _ensure_another_admin(self):
        """Conflict if this person is the tenant's last admin. Of two removals at the same time, one waits."""
        admins = User.objects.filter(tenant_id=self.tenant_id, role=self._top_role(), status=self.Status.ACTIVE)
        if admins.filter(pk=self.pk).select_for_update(no_key=True).first() is None:
            return
        with connection.cursor() as cursor:
            # Not the rows of the other admins: two who leave hold their own already, and would wait for each other.
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [self._removal_lock()])
        if not admins.exclude(pk=self.pk).exists():
            raise LastAdmin(
                f"{self} is the last active {self._top_role().label.lower()} here. Make somebody else one first."
            )

    def _removal_lock(self):
        """A number for PostgreSQL's advisory locks, of the tenant's own."""
        text = f"removal of an admin|{self.tenant_id}"
        return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), signed=True)

    def check_password(self, raw_password):
        """As Django's, but a stronger hash of the same password is no change that a trail should show."""

        def upgrade(raw_password):
            # As read, or as stored: see PasswordHashField. Another one was set meanwhile, and is to stay.
            checked = [self.password, self.password.removeprefix("bcrypt$")]
            stronger = make_password(raw_password)
            same = User.objects.filter(pk=self.pk, password__in=checked).unpublished("same password, stronger hash")
            if same.update(password=stronger):
                self.password = stronger

        return check_password(raw_password, self.password, upgrade)

    def is_above(self, user):
        return permissions.rank(self.role) > permissions.rank(user.role)

    def get_full_name(self):
        return self.name

    def get_short_name(self):
        return (self.name or self.email).split(" ")[0]
