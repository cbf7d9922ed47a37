"""Sign-in, refresh and sign-out. Everything about sessions happens in sessions."""

from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.permissions import IsAuthenticated
from rest_framework.response import Response
from rest_framework.views import APIView

from nexora.kernel.errors import NotSignedIn
from nexora.kernel.permissions import scopes_of

from ..models import User
from ..serializers import EndedSerializer, MeSerializer, RefreshSerializer, TokenPairSerializer
from ..serializers.factors import SignInSerializer
from ..services import factors, own_password, sessions, signin
from .base import AuthView, IsPerson


class TokenView(AuthView):
    @extend_schema(
        operation_id="auth_token_create",
        request=SignInSerializer,
        responses=TokenPairSerializer,
        description="Sign in on this host's organisation. The access token lives 5 minutes, the session 14 days. "
        "401 `second_factor_required`: send a `code` as well; 401 `second_factor_enrolment_required`: first set "
        "one up at auth/second-factor/.",
    )
    def post(self, request):
        return Response(signin.sign_in(request=request._request, **self.read(SignInSerializer)))


class TokenRefreshView(AuthView):
    @extend_schema(
        operation_id="auth_token_refresh",
        request=RefreshSerializer,
        responses=TokenPairSerializer,
        description="Exchange a refresh token for the next pair. 401 `token_rotated`: another request was first, and "
        "the session lives; 401 `session_ended`: the token had been replaced before, and the session is over; 401 "
        "`second_factor_enrolment_required`: the organisation requires a second factor since, and the session is over.",
    )
    def post(self, request):
        used = {"user_agent": request.headers.get("User-Agent"), "ip_address": signin.address_of(request)}
        return Response(sessions.refresh_session(**self.read(RefreshSerializer), **used))


class LogoutView(AuthView):
    @extend_schema(
        operation_id="auth_token_logout",
        request=RefreshSerializer,
        responses={204: None},
        description="End the session of this refresh token.",
    )
    def post(self, request):
        sessions.end_session(**self.read(RefreshSerializer))
        return Response(status=status.HTTP_204_NO_CONTENT)


class LogoutAllView(APIView):
    permission_classes = (IsPerson,)

    @extend_schema(
        operation_id="auth_token_logout_all",
        request=None,
        responses=EndedSerializer,
        description="End all your sessions, this one and those of browsers included.",
    )
    def post(self, request):
        user = own_password.find_active(user_id=request.user.pk)
        return Response({"ended": sessions.end_all_sessions(user=user)})


class MeView(APIView):
    permission_classes = (IsAuthenticated,)

    @extend_schema(
        operation_id="auth_me",
        responses=MeSerializer,
        description="Who you are here, and what your role may do: of a program, the person and what its key may do.",
    )
    def get(self, request):
        user = User.objects.active().with_second_factor().select_related("tenant").filter(pk=request.user.pk).first()
        if user is None:
            raise NotSignedIn("This account is no longer active.", code="account_closed")
        user.recovery_codes_left = factors.recovery_codes_left(user)
        return Response(MeSerializer(user, context={"scopes": scopes_of(request.user)}).data)
