from django.contrib.auth.hashers import make_password

from nexora.kernel.querysets import TenantManager, TenantQuerySet
from nexora.kernel.scope import PLATFORM_TENANT_ID


class UserQuerySet(TenantQuerySet):
    def active(self):
        return self.filter(status="active")

    def with_role(self, role):
        return self.filter(role=role)


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
