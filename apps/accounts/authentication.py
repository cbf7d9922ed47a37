"""Who is asking: by password for a session, by access token or key for the API. All stay inside the host's tenant."""

import time
from dataclasses import dataclass, field
from uuid import UUID

from django.contrib.auth.backends import BaseBackend
from django.contrib.auth.hashers import get_hashers, identify_hasher
from drf_spectacular.contrib.rest_framework_simplejwt import SimpleJWTScheme
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from rest_framework.authentication import BaseAuthentication, get_authorization_header
from rest_framework_simplejwt.authentication import JWTStatelessUserAuthentication
from rest_framework_simplejwt.exceptions import InvalidToken

from nexora.kernel import events, scope
from nexora.kernel.errors import NotSignedIn

from .models import APIKey, User
from .services.keys import find_holder, note_use


class TenantBackend(BaseBackend):
    """Signs in the people of the tenant in scope: another tenant's address is an unknown address here."""

    def authenticate(self, request, username=None, password=None):
        if username is None or password is None:
            return None
        user = User.objects.filter(email=username.strip().lower()).first()
        if user is not None and user.check_password(password) and user.is_active:
            return user
        self._work_as_for_others(password, user)
        return None

    @staticmethod
    def _work_as_for_others(password, user):
        """One hash by each hasher, the one that has just been made counted: the time taken tells of no account."""
        try:
            done = user and identify_hasher(user.password).algorithm
        except ValueError:
            # No hash at all, for which Django has done one of the first kind.
            done = get_hashers()[0].algorithm
        for hasher in get_hashers():
            if hasher.algorithm != done:
                hasher.encode(password, hasher.salt())

    def get_user(self, user_id):
        # A browser's session is over once the organisation requires a second factor that the person has not.
        return User.objects.active().with_requirement().filter(pk=user_id, lacks_second_factor=False).first()


@dataclass(frozen=True, slots=True)
class TokenUser:
    """The person an access token names, as of when it was issued. No query is made for it."""

    id: UUID
    role: str
    tenant_id: UUID
    name: str
    session_id: UUID | None = field(default=None, kw_only=True)

    is_authenticated = True
    is_anonymous = False
    is_active = True

    @property
    def pk(self):
        return self.id

    def __str__(self):
        return self.name


class VerifiedTokens:
    """Access tokens whose signature and claims this process has verified, each until it expires.

    Only what the token itself proves is kept: the host is compared on every request.
    """

    MOST = 10_000

    def __init__(self):
        self._kept = {}

    def get(self, raw_token):
        kept = self._kept.get(raw_token)
        if kept is None:
            return None
        expires, found = kept
        if expires <= time.time():
            self._kept.pop(raw_token, None)
            return None
        return found

    def put(self, raw_token, found, expires):
        if len(self._kept) >= self.MOST:
            self._kept.clear()
        self._kept[raw_token] = (expires, found)

    def forget(self):
        self._kept.clear()


verified_tokens = VerifiedTokens()


class TenantJWTAuthentication(JWTStatelessUserAuthentication):
    """`Authorization: Bearer <access token>`; a token of one tenant is refused on another's host."""

    def get_user(self, token):
        try:
            claims = UUID(token["sub"]), token["role"], UUID(token["tenant"]), token["name"]
            return TokenUser(*claims, session_id=UUID(token["sid"]))
        except (KeyError, ValueError, AttributeError, TypeError) as error:
            raise InvalidToken("The access token lacks a claim. Sign in again.") from error

    def ensure_current(self, user):
        """NotSignedIn unless the account is active, still has the role that the token carries, and the session has not
        been ended: nobody makes a way in of their own with what is left of a token that was taken from them."""
        if not User.objects.current(user).exists():
            raise NotSignedIn("Your account, role or session has changed. Sign in again.", code="account_closed")

    def authenticate(self, request):
        header = self.get_header(request)
        raw_token = header and self.get_raw_token(header)
        if raw_token is None:
            return None
        found = verified_tokens.get(raw_token)
        if found is None:
            token = self.get_validated_token(raw_token)
            found = self.get_user(token), token
            verified_tokens.put(raw_token, found, token["exp"])
        user = found[0]
        if user.tenant_id != scope.current_tenant_id():
            raise InvalidToken("This access token belongs to another organisation's host.")
        request._request.is_identified = True
        address = request.META.get("REMOTE_ADDR") or None
        events.identify(events.Actor(user.id, user.name, user.tenant_id, address, user.session_id))
        return found


class TenantJWTScheme(SimpleJWTScheme):
    target_class = "apps.accounts.authentication.TenantJWTAuthentication"
    name = "accessToken"


# -- Programs


@dataclass(frozen=True, slots=True)
class KeyUser(TokenUser):
    """A program: the person behind its key, as of now, and the key's scopes."""

    scopes: frozenset


class KeyAuthentication(BaseAuthentication):
    """`Authorization: Bearer nxk_…`, looked up at each request. Why a key does not work is told to nobody."""

    SCHEME, MARK = b"bearer", APIKey.MARK.encode()
    # Of the person's name in the trail, so that the key's is not cut off.
    SHOWN_OF_PERSON = 140

    def authenticate(self, request):
        words = get_authorization_header(request).split()
        if len(words) != 2 or words[0].lower() != self.SCHEME or not words[1].startswith(self.MARK):
            return None
        holder = find_holder(text=words[1].decode("ascii", "replace"))
        if holder is None:
            raise NotSignedIn(
                "This key does not work here: it is unknown, expired or revoked, or its person is not active.",
                code="key_not_valid",
            )
        address = request.META.get("REMOTE_ADDR") or None
        note_use(holder=holder, address=address)
        tenant_id = scope.current_tenant_id()
        label = f"{holder.user_name[: self.SHOWN_OF_PERSON]} (key {holder.key_name})"
        request._request.is_identified = True
        events.identify(events.Actor(holder.user_id, label, tenant_id, address))
        return KeyUser(holder.user_id, holder.role, tenant_id, holder.user_name, frozenset(holder.scopes)), None

    def authenticate_header(self, request):
        return 'Bearer realm="api"'

    def ensure_current(self, user):
        """It is: see authenticate()."""


class KeyScheme(OpenApiAuthenticationExtension):
    target_class = "apps.accounts.authentication.KeyAuthentication"
    name = "apiKey"

    def get_security_definition(self, auto_schema):
        words = "A program's key, `nxk_…`: /api/v1/api-keys/ makes them. 403 `people_only` where none may go."
        return {"type": "http", "scheme": "bearer", "description": words}
