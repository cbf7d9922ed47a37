from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.decorators import action
from rest_framework.response import Response

from nexora.kernel.api.viewsets import PLATFORM, TENANT, ReadOnlyTenantViewSet, TenantViewSet

from .filters import APIKeyFilterSet, AuditEventFilterSet, UserFilterSet
from .models import APIKey, AuditEvent, User
from .serializers import APIKeySerializer, AuditEventSerializer, IssuedAPIKeySerializer, UserSerializer
from .services import factors
from .services.keys import issue_key, revoke_key


class UserViewSet(TenantViewSet):
    """The people of this organisation."""

    queryset = User.objects.all()
    serializer_class = UserSerializer
    filterset_class = UserFilterSet
    ordering = ("-created_at",)
    fast = True
    search_fields = ("name", "email")
    confirms_account = True
    # Reach "own" must not do: with somebody's access token one would take their second factor away.
    action_rights = {"reset_second_factor": "delete"}

    @extend_schema(request=None, responses={204: None})
    @action(detail=True, methods=["post"], url_path="reset-second-factor")
    def reset_second_factor(self, request, pk=None):
        """Take the second factor of somebody who has lost it away, and end their sessions. Not your own."""
        factors.reset_second_factor(user=self.get_object(), actor=request.user)
        return Response(status=status.HTTP_204_NO_CONTENT)


class APIKeyViewSet(TenantViewSet):
    """Keys of programs. A program acts for the person who made its key, within the key's scopes.

    Creating one answers its text in `key`, this once; that answer is not kept, so `Idempotency-Key` is refused there.
    Deleting one revokes it: it stops at once, and stays listed.
    """

    queryset = APIKey.objects.all()
    serializer_class = APIKeySerializer
    secret_serializer_class = IssuedAPIKeySerializer
    filterset_class = APIKeyFilterSet
    ordering = ("-created_at",)
    fast = True

    def perform_create(self, serializer):
        # Or what a suspended person's token made would outlive it.
        self.request.successful_authenticator.ensure_current(self.request.user)
        key = serializer.candidate
        key.key = issue_key(key=key, user_id=self.request.user.pk)
        serializer.instance = key

    def perform_destroy(self, key):
        revoke_key(key=key)


class AuditEventViewSet(ReadOnlyTenantViewSet):
    """Who changed what, when, from which value to which."""

    queryset = AuditEvent.objects.all()
    serializer_class = AuditEventSerializer
    filterset_class = AuditEventFilterSet
    ordering = ("-created_at",)
    fast = True
    hosts = (TENANT, PLATFORM)
