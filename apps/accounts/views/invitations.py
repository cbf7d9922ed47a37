"""Joining by an invitation's link: for programs, and a page for people."""

from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.response import Response

from ..forms import JoinForm
from ..serializers import AcceptanceSerializer, AcceptedSerializer
from ..services import invitations
from ..services.signin import address_of
from .base import AuthView
from .links import SecretPage


class AcceptView(AuthView):
    @extend_schema(
        operation_id="auth_invitations_accept",
        request=AcceptanceSerializer,
        responses={201: AcceptedSerializer},
        description="Make the account that an invitation offers. Nobody is signed in by it: /api/v1/auth/token/ does, "
        "with whatever the organisation asks for. 400 `invitation_not_valid` is the one answer to every link that is "
        "used, over, revoked or made up.",
    )
    def post(self, request):
        invitations.accept_invitation(ip_address=address_of(request), **self.read(AcceptanceSerializer))
        return Response({"detail": invitations.ACCEPTED}, status=status.HTTP_201_CREATED)


class JoinPage(SecretPage):
    """Whoever joins signs in as everybody does, with whatever else that asks for."""

    form_class = JoinForm
    heading = "Join us"
    button = "Make my account"
    way_on = ("I have an account: sign in", "/admin/")
    done_heading = "Welcome"
    done = (
        "Your account is ready. Staff sign in to the back office; guests read through the API, where "
        "POST /api/v1/auth/token/ takes email and password."
    )
    done_link = ("Sign in", "/admin/")

    @property
    def intro(self):
        found = self.found
        return f"You will sign in as {found}, with the role {found.get_role_display().lower()}." if found else ""

    def look_up(self, token):
        return invitations.find_invitation(token=token)

    def carry_out(self, values):
        invitations.accept_invitation(
            token=values["token"],
            name=values["name"],
            password=values["password"],
            ip_address=address_of(self.request),
        )
