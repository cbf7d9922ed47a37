"""Who is asking: by password for a session, by access token for the API. Both stay inside the host's tenant."""

from dataclasses import dataclass
from uuid import UUID

from django.contrib.auth.backends import BaseBackend
from drf_spectacular.contrib.rest_framework_simplejwt import SimpleJWTScheme
from rest_framework_simplejwt.authentication import JWTStatelessUserAuthentication
from rest_framework_simplejwt.exceptions import InvalidToken

from nexora.kernel import events, scope

from .models import User


class TenantBackend(BaseBackend):
    """Signs in the people of the tenant in scope: another tenant's address is an unknown address here."""

    def authenticate(self, request, username=None, password=None):
        if username is None or password is None:
            return None
        user = User.objects.filter(email=username.strip().lower()).first()
        if user is None:
            # The same work as for a known address, so that the time taken does not tell which exist.
            User().set_password(password)
            return None
        if user.check_password(password) and user.is_active:
            return user
        return None

    def get_user(self, user_id):
        return User.objects.active().filter(pk=user_id).first()


@dataclass(frozen=True, slots=True)
class TokenUser:
    """The person an access token names, as of when it was issued. No query is made for it."""

    id: UUID
    role: str
    tenant_id: UUID
    name: str

    is_authenticated = True
    is_anonymous = False
    is_active = True

    @property
    def pk(self):
        return self.id

    def __str__(self):
        return self.name


class TenantJWTAuthentication(JWTStatelessUserAuthentication):
    """`Authorization: Bearer <access token>`; a token of one tenant is refused on another's host."""

    def get_user(self, token):
        try:
            user = TokenUser(UUID(token["sub"]), token["role"], UUID(token["tenant"]), token["name"])
        except (KeyError, ValueError, AttributeError, TypeError) as error:
            raise InvalidToken("The access token lacks a claim. Sign in again.") from error
        if user.tenant_id != scope.current_tenant_id():
            raise InvalidToken("This access token belongs to another organisation's host.")
        return user

    def authenticate(self, request):
        found = super().authenticate(request)
        if found:
            user = found[0]
            events.identify(events.Actor(user.id, user.name, user.tenant_id, request.META.get("REMOTE_ADDR") or None))
        return found


class TenantJWTScheme(SimpleJWTScheme):
    target_class = "apps.accounts.authentication.TenantJWTAuthentication"
    name = "accessToken"
