from drf_spectacular.utils import extend_schema
from rest_framework import mixins, status
from rest_framework.decorators import action
from rest_framework.response import Response

from nexora.kernel.api.fast import FastList, FastRetrieve
from nexora.kernel.api.viewsets import (
    PLATFORM,
    TENANT,
    CreateRecord,
    Exported,
    ReadOnlyTenantViewSet,
    TenantRecords,
    TenantViewSet,
)

from .filters import APIKeyFilterSet, AuditEventFilterSet, InvitationFilterSet, UserFilterSet
from .models import APIKey, AuditEvent, Invitation, User
from .serializers import (
    APIKeySerializer,
    AuditEventSerializer,
    InvitationSerializer,
    IssuedAPIKeySerializer,
    UserSerializer,
)
from .services import factors, invitations
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


class InvitationViewSet(Exported, FastList, CreateRecord, FastRetrieve, mixins.DestroyModelMixin, TenantRecords):
    """Who is asked to join. Deleting an invitation revokes it: its link is dead, and it stays in the list.

    Every invitation is answered alike, whether or not its address has an account, here or elsewhere: that its owner
    alone is told, by mail. One address has one open invitation; inviting it again renews that.
    """

    queryset = Invitation.objects.all()
    serializer_class = InvitationSerializer
    filterset_class = InvitationFilterSet
    ordering = ("-created_at",)
    ordering_fields = ("created_at", "expires_at")
    fast = True
    created_status = status.HTTP_202_ACCEPTED
    action_rights = {"resend": "update"}

    def perform_create(self, serializer):
        serializer.save(actor=self.request.user, tenant_id=self.request.user.tenant_id)

    def perform_destroy(self, invitation):
        invitations.revoke_invitation(invitation=invitation)

    @extend_schema(request=None, responses={202: InvitationSerializer})
    @action(detail=True, methods=["post"])
    def resend(self, request, pk=None):
        """Mail another link that is good for another 72 hours. The link before is dead at once."""
        invitation = invitations.resend_invitation(actor=request.user, invitation=self.get_object())
        return Response(self.get_serializer(invitation).data, status=status.HTTP_202_ACCEPTED)


class AuditEventViewSet(ReadOnlyTenantViewSet):
    """Who changed what, when, from which value to which."""

    queryset = AuditEvent.objects.all()
    serializer_class = AuditEventSerializer
    filterset_class = AuditEventFilterSet
    ordering = ("-created_at",)
    fast = True
    hosts = (TENANT, PLATFORM)
