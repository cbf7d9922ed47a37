"""Confirmation of addresses: for programs, and the page that the link in a mail leads to."""

from django import forms
from django.utils.decorators import method_decorator
from django.views.decorators.debug import sensitive_post_parameters
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.response import Response

from ..serializers import AcceptedSerializer, EmailAddressSerializer, EmailTokenSerializer, VerifiedSerializer
from ..services import links, verification
from ..services.signin import address_of
from .base import AuthView
from .pages import FormPage, LinkPage

RESENT = "If an account here has this address and has yet to confirm it, another mail is on its way."


class VerifyEmailView(AuthView):
    @extend_schema(
        operation_id="auth_verify_email",
        request=EmailTokenSerializer,
        responses=VerifiedSerializer,
        description="Confirm an address by the token that was mailed to it. A token works once, for 72 hours, and only "
        "while the account has that address; afterwards 400 `link_not_valid`. That of a sign-up takes the password, "
        "too.",
    )
    def post(self, request):
        user = verification.verify_email(**self.read(EmailTokenSerializer), address=address_of(request))
        return Response({"email": user.email})


class ResendView(AuthView):
    @extend_schema(
        operation_id="auth_verify_email_resend",
        request=EmailAddressSerializer,
        responses={202: AcceptedSerializer},
        description="Mail another link to an address that has yet to be confirmed. The answer does not tell whether "
        "there is such an account.",
    )
    def post(self, request):
        verification.request_verification(**self.read(EmailAddressSerializer), address=address_of(request))
        return Response({"detail": RESENT}, status=status.HTTP_202_ACCEPTED)


class TokenForm(forms.Form):
    """Nothing to fill in: what the link brought along is posted when the button is pressed."""

    token = forms.CharField(max_length=2000, widget=forms.HiddenInput)


class SignUpTokenForm(TokenForm):
    password = forms.CharField(
        strip=False,
        max_length=255,
        label="The password that you chose",
        widget=forms.PasswordInput({"autocomplete": "current-password"}),
    )


@method_decorator(sensitive_post_parameters("token", "password"), name="dispatch")
class VerifyEmailPage(LinkPage):
    form_class = TokenForm
    heading = "Confirm your email address"
    intro = "Press the button to confirm that this address is yours."
    button = "Confirm"
    other = ("Send me another link", "/verify-email/resend")
    done_heading = "Your address is confirmed"
    done = "Thank you. You can sign in now."
    done_link = ("Sign in", "/admin/")

    def setup(self, request, *args, **kwargs):
        super().setup(request, *args, **kwargs)
        claims = links.read_email_token((request.POST or request.GET).get("token", ""))
        if claims and claims.purpose == links.SIGN_UP:
            self.form_class, self.intro = SignUpTokenForm, "Open your organisation with the password that you chose."

    def carry_out(self, values):
        verification.verify_email(**values, address=address_of(self.request))


class EmailForm(forms.Form):
    email = forms.EmailField(max_length=255, widget=forms.EmailInput({"autocomplete": "username"}))


class ResendPage(FormPage):
    form_class = EmailForm
    heading = "Another link"
    intro = "We send it to the address that you have yet to confirm."
    button = "Send it"
    done_heading = "Look into your mail"
    done = RESENT

    def carry_out(self, values):
        verification.request_verification(**values, address=address_of(self.request))
