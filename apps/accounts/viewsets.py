from django.db import IntegrityError, transaction
from drf_spectacular.utils import extend_schema
from rest_framework import mixins, status
from rest_framework.decorators import action
from rest_framework.response import Response

from nexora.kernel import handover
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
from nexora.kernel.scope import PLATFORM_TENANT_ID

from .filters import (
    APIKeyFilterSet,
    AuditEventFilterSet,
    InvitationFilterSet,
    NotificationFilterSet,
    SessionFilterSet,
    UserFilterSet,
)
from .models import APIKey, AuditEvent, Invitation, Notification, RefreshToken, User
from .serializers import (
    APIKeySerializer,
    AuditEventSerializer,
    DeactivationSerializer,
    HandedOverSerializer,
    InvitationSerializer,
    IssuedAPIKeySerializer,
    MarkedReadSerializer,
    NotificationSerializer,
    SessionSerializer,
    SuccessorSerializer,
    UserSerializer,
)
from .services import addresses, factors, invitations, notifications, own_password
from .services.handover import deactivate_person, hand_over
from .services.keys import issue_key, revoke_key

COUNTS = {"type": "object", "additionalProperties": {"type": "integer", "minimum": 0}}


class UserViewSet(TenantViewSet):
    """The people of this organisation."""

    queryset = User.objects.all()
    serializer_class = UserSerializer
    filterset_class = UserFilterSet
    ordering = ("-created_at",)
    fast = True
    search_fields = ("name", "email")
    confirms_account = True

    # Whether whoever sends this has shown that they know their own password.
    knows_password = False
    # For how long nobody here may name an address: see services.addresses.
    wait = None
    # Who may not remove a person may not close their account either.
    action_rights = {
        "open_records": "view",
        "hand_over": "delete",
        "deactivate": "delete",
        # Reach "own" must not do: with somebody's access token one would take their second factor away.
        "reset_second_factor": "delete",
    }
    # Their services lock two people, in one order: of two who hand over to each other one waits.
    lock_for_themselves = ("hand_over", "deactivate")

    def before_transaction(self):
        user, body = self.request.user, self.request.data
        changes_password = self.action in ("update", "partial_update") and isinstance(body, dict) and "password" in body
        if changes_password and self.requested_id() == user.pk:
            person = own_password.find_active(user_id=user.pk)
            own_password.confirm_own_password(user=person, password=body.get("current_password"))
            self.knows_password = True

    def names_address(self):
        body = self.request.data
        return self.action in ("create", "update", "partial_update") and isinstance(body, dict) and "email" in body

    def confirm_account(self):
        is_current = False
        if self.names_address():
            self.wait, is_current = addresses.hold(people=User.objects.current(self.request.user))
        if not is_current:
            super().confirm_account()

    def answer(self, handler):
        if not self.names_address():
            return super().answer(handler)
        try:
            with transaction.atomic():
                return super().answer(handler)
        except IntegrityError as error:
            if not addresses.is_taken(error):
                raise
            addresses.note_refusal(user=self.request.user)
            self.keeps_refusal = True
            return self.handle_exception(error)

    @extend_schema(responses={200: COUNTS})
    @action(detail=True, url_path="open-records")
    def open_records(self, request, pk=None):
        """How many open records of each kind name this person as the one who sees to them."""
        return Response(handover.count_open(self.get_object()))

    @extend_schema(request=SuccessorSerializer, responses=HandedOverSerializer)
    @action(detail=True, methods=["post"], url_path="hand-over")
    def hand_over(self, request, pk=None):
        """Give the person's open records to a colleague."""
        person = self.get_object()
        body = SuccessorSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        handover.ensure_may_move(request.user)
        moved = hand_over(person=person, successor=body.validated_data["to"])
        return self.handed_over(person, moved)

    @extend_schema(request=DeactivationSerializer, responses=HandedOverSerializer)
    @action(detail=True, methods=["post"])
    def deactivate(self, request, pk=None):
        """Close the account, which ends all its sessions, and hand the open records over if somebody is named."""
        person = self.get_object()
        body = DeactivationSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        successor = body.validated_data.get("hand_over_to")
        if successor:
            handover.ensure_may_move(request.user)
        moved = deactivate_person(person=person, successor=successor)
        return self.handed_over(person, moved)

    @staticmethod
    def handed_over(person, moved):
        return Response({"moved": moved, "open": handover.count_open(person)})

    @extend_schema(request=None, responses={204: None})
    @action(detail=True, methods=["post"], url_path="reset-second-factor")
    def reset_second_factor(self, request, pk=None):
        """Take the second factor of somebody who has lost it away, and end their sessions. Not your own."""
        factors.reset_second_factor(user=self.get_object(), actor=request.user)
        return Response(status=status.HTTP_204_NO_CONTENT)


class SessionViewSet(mixins.DestroyModelMixin, ReadOnlyTenantViewSet):
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
    confirms_account = ("create",)

    def perform_create(self, serializer):
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
    confirms_account = ("create", "resend")
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


class NotificationViewSet(mixins.DestroyModelMixin, ReadOnlyTenantViewSet):
    """What one is told, and whether one has read it: one's own, whatever one's role.

    They go by themselves: 90 days after they were read, a year after they were written.
    """

    queryset = Notification.objects.all()
    # Who works over all organisations is a person of the platform, and so is what they are told.
    platform_queryset = Notification.objects.filter(tenant_id=PLATFORM_TENANT_ID)
    serializer_class = NotificationSerializer
    filterset_class = NotificationFilterSet
    ordering = ("-created_at",)
    ordering_fields = ("created_at",)
    fast = True
    hosts = (TENANT, PLATFORM)
    action_rights = {"mark_read": "update", "mark_all_read": "update"}

    @extend_schema(request=None, responses=NotificationSerializer)
    @action(detail=True, methods=["post"], url_path="read")
    def mark_read(self, request, pk=None):
        """Mark it as read. Of one that was read already, the time stays."""
        notification = self.get_object()
        notification.mark_read()
        return Response(self.get_serializer(notification).data)

    @extend_schema(request=None, responses=MarkedReadSerializer)
    @action(detail=False, methods=["post"], url_path="read-all")
    def mark_all_read(self, request):
        """Mark all of one's own as read."""
        return Response({"read": notifications.mark_read(actor=request.user)})


class AuditEventViewSet(ReadOnlyTenantViewSet):
    """Who changed what, when, from which value to which."""

    queryset = AuditEvent.objects.all()
    serializer_class = AuditEventSerializer
    filterset_class = AuditEventFilterSet
    ordering = ("-created_at",)
    fast = True
    hosts = (TENANT, PLATFORM)
