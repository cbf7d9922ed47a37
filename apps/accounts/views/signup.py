"""Sign-up, on the platform's host: for programs, and as a page."""

from django import forms
from django.conf import settings
from django.contrib.auth.password_validation import password_validators_help_text_html
from django.http import Http404
from django.utils.decorators import method_decorator
from django.views.decorators.debug import sensitive_post_parameters, sensitive_variables
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.response import Response

from nexora.kernel.api.declarations import PLATFORM

from ..serializers import AcceptedSerializer, SignUpSerializer
from ..services import signup
from ..services.signin import address_of
from .base import AuthView
from .pages import FormPage


class SignUpView(AuthView):
    hosts = (PLATFORM,)

    @extend_schema(
        operation_id="signup",
        request=SignUpSerializer,
        responses={202: AcceptedSerializer},
        description="Open an organisation, on trial for 14 days, with its first admin. The answer does not tell if the "
        "address has an account: the mail that is sent to it does. Nobody can sign in until its link is followed, and "
        "a sign-up that nobody confirms is removed after 7 days. 409 `subdomain_taken`: choose another.",
    )
    def post(self, request):
        signup.sign_up(**self.read(SignUpSerializer), address=address_of(request))
        return Response({"detail": signup.DETAIL}, status=status.HTTP_202_ACCEPTED)


class SignUpForm(forms.Form):
    """The fields of SignUpSerializer, which checks them."""

    organisation = forms.CharField(max_length=100, widget=forms.TextInput({"autocomplete": "organization"}))
    subdomain = forms.CharField(
        max_length=63, widget=forms.TextInput({"autocapitalize": "none", "spellcheck": "false"})
    )
    name = forms.CharField(label="Your name", max_length=100, widget=forms.TextInput({"autocomplete": "name"}))
    email = forms.EmailField(max_length=255, widget=forms.EmailInput({"autocomplete": "username"}))
    password = forms.CharField(
        strip=False, max_length=255, widget=forms.PasswordInput({"autocomplete": "new-password"})
    )

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.fields["subdomain"].help_text = f"Your address will be <subdomain>.{settings.BASE_DOMAIN}"
        self.fields["password"].help_text = password_validators_help_text_html()

    def clean_subdomain(self):
        return self.cleaned_data["subdomain"].lower()

    def clean(self):
        cleaned = super().clean()
        if not self.errors:
            serializer = SignUpSerializer(data=cleaned)
            if serializer.is_valid():
                return serializer.validated_data
            for field, sentences in serializer.errors.items():
                for sentence in sentences:
                    self.add_error(field if field in self.fields else None, sentence)
        return cleaned


@method_decorator(sensitive_post_parameters("password"), name="dispatch")
class SignUpPage(FormPage):
    form_class = SignUpForm
    heading = "Open an organisation"
    intro = "On trial for 14 days, with an address of its own."
    button = "Sign up"
    done_heading = "Look into your mail"
    done = f"{signup.DETAIL} If none comes within minutes, look among unwanted mail."
    done_link = ("Back to the first page", "/")

    def dispatch(self, request, *args, **kwargs):
        if not request.tenant.is_platform:
            raise Http404
        return super().dispatch(request, *args, **kwargs)

    @method_decorator(sensitive_variables("values"))
    def carry_out(self, values):
        signup.sign_up(**values, address=address_of(self.request))
