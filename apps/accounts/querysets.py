from django.contrib.auth.hashers import make_password
from django.db.models import Case, OuterRef, Q, Subquery, When
from django.db.models.lookups import IsNull

from nexora.kernel import clock
from nexora.kernel.querysets import TenantManager, TenantQuerySet
from nexora.kernel.scope import PLATFORM_TENANT_ID


class UserQuerySet(TenantQuerySet):
    def active(self):
        return self.filter(status="active")

    def with_role(self, role):
        return self.filter(role=role)

    def current(self, user):
        """The person whom a token names, if they are active, have still the role that it carries, and its session."""
        return self.active().with_role(user.role).filter(pk=user.pk, refresh_tokens__id=user.session_id)

    def with_second_factor(self):
        """Each with `has_second_factor`."""
        factors = self.model._meta.get_field("second_factors").related_model.objects
        theirs = factors.filter(tenant_id=OuterRef("tenant_id"), user_id=OuterRef("pk"), confirmed_at__isnull=False)
        # Not EXISTS, for which PostgreSQL may read the factors of all people to show a page of them.
        return self.annotate(has_second_factor=IsNull(Subquery(theirs.values("confirmed_at")[:1]), False))

    def with_requirement(self):
        """Each also with `lacks_second_factor`: their organisation requires one."""
        lacks = Q(has_second_factor=False, tenant__settings__require_second_factor=True)
        # Not the condition itself, which is NULL where there is no such setting.
        return self.with_second_factor().annotate(lacks_second_factor=Case(When(lacks, then=True), default=False))


class UserManager(TenantManager.from_queryset(UserQuerySet)):
    def get_by_natural_key(self, email):
        return self.get(email=str(email).strip().lower())

    def create_user(self, email, password=None, **values):
        """A user of the tenant in scope, or of `tenant=`."""
        user = self.model(email=email, password=make_password(password), **values)
        user.full_clean()
        user.save()
        return user

    def create_superuser(self, email, password=None, **values):
        """A super_admin: always of the platform tenant."""
        values |= {"role": "super_admin", "status": "active", "tenant_id": PLATFORM_TENANT_ID, "email_verified": True}
        return self.create_user(email, password, **values)


class InvitationQuerySet(TenantQuerySet):
    def open(self):
        """Those that can still be accepted."""
        return self.pending().filter(expires_at__gt=clock.now())

    def pending(self):
        """Neither accepted nor revoked, whether in time or not: at most one of an address."""
        return self.filter(status="pending")


class NotificationQuerySet(TenantQuerySet):
    def of(self, person):
        """Their own. The tenant is theirs, not the scope's: a super_admin works over all, or in another."""
        return self.filter(tenant_id=person.tenant_id, user_id=person.pk)

    def unread(self):
        return self.filter(read_at=None)
