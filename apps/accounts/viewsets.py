from drf_spectacular.utils import extend_schema
from rest_framework import mixins, status
from rest_framework.decorators import action
from rest_framework.mixins import DestroyModelMixin
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

from .filters import APIKeyFilterSet, AuditEventFilterSet, InvitationFilterSet, SessionFilterSet, UserFilterSet
from .models import APIKey, AuditEvent, Invitation, RefreshToken, User
from .serializers import (
    APIKeySerializer,
    AuditEventSerializer,
    InvitationSerializer,
    IssuedAPIKeySerializer,
    SessionSerializer,
    UserSerializer,
)
from .services import factors, invitations, own_password
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

    # Whether whoever sends this has shown that they know their own password.
    knows_password = False

    def before_transaction(self):
        user, body = self.request.user, self.request.data
        changes_password = self.action in ("update", "partial_update") and isinstance(body, dict) and "password" in body
        if changes_password and self.requested_id() == user.pk:
            person = own_password.find_active(user_id=user.pk)
            own_password.confirm_own_password(user=person, password=body.get("current_password"))
            self.knows_password = True


class SessionViewSet(DestroyModelMixin, ReadOnlyTenantViewSet):
    """Where people are signed in: one's own sessions, to an admin everybody's. Deleting one ends it at once."""

    queryset = RefreshToken.objects.all()
    serializer_class = SessionSerializer
    filterset_class = SessionFilterSet
    ordering = ("-created_at",)
    fast = True
    hosts = (TENANT, PLATFORM)


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
