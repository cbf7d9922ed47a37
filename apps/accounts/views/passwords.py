"""Forgotten passwords: for programs, and pages for people."""

from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.response import Response

from ..forms import EmailForm, NewPasswordForm
from ..serializers import ResetRequestSerializer, ResetSerializer
from ..services import passwords
from ..services.signin import address_of
from .base import AuthView
from .links import SecretPage
from .pages import FormPage


class ResetRequestView(AuthView):
    @extend_schema(
        operation_id="auth_password_reset",
        request=ResetRequestSerializer,
        responses={202: None},
        description="Have a link to a new password mailed. The answer is the same whether or not the address has an "
        "account here.",
    )
    def post(self, request):
        passwords.request_password_reset(ip_address=address_of(request), **self.read(ResetRequestSerializer))
        return Response(status=status.HTTP_202_ACCEPTED)


class ResetView(AuthView):
    @extend_schema(
        operation_id="auth_password_reset_confirm",
        request=ResetSerializer,
        responses={204: None},
        description="Set a new password by the token of the link. All sessions of the person end. 400 "
        "`reset_link_not_valid` is the one answer to every link that is used, over or made up.",
    )
    def post(self, request):
        passwords.reset_password(ip_address=address_of(request), **self.read(ResetSerializer))
        return Response(status=status.HTTP_204_NO_CONTENT)


class ResetRequestPage(FormPage):
    form_class = EmailForm
    heading = "Forgot your password?"
    intro = "We mail you a link to a new one."
    button = "Mail me a link"
    other = ("Back to the sign-in", "/admin/")
    done_heading = "Look into your mail"
    done = "If this address has an account here, a link to a new password is on its way. It is good for an hour."
    done_link = ("Back to the sign-in", "/admin/")

    def carry_out(self, values):
        passwords.request_password_reset(email=values["email"], ip_address=address_of(self.request))


class ResetPage(SecretPage):
    form_class = NewPasswordForm
    heading = "Choose a new password"
    intro = "You will be signed out everywhere, and sign in with the new one."
    button = "Set my password"
    way_on = ("Ask for another link", "/password-reset")
    done_heading = "Your password is changed"
    done = "You are signed out everywhere. Sign in with the new password."
    done_link = ("Sign in", "/admin/")

    def look_up(self, token):
        return passwords.find_by_reset_token(token=token)

    def carry_out(self, values):
        passwords.reset_password(
            token=values["token"], password=values["password"], ip_address=address_of(self.request)
        )
