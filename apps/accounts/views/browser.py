"""Signing in to the back office: email and password, then the second factor where there is one, or is to be one.

Between the two steps the session is nobody's. It holds who has sent the right password, when, and where they want to
go, and that for PATIENCE, or until that password is changed.
"""

from datetime import datetime, timedelta

from django.contrib import messages
from django.contrib.admin import site
from django.contrib.auth import login, logout
from django.contrib.auth.views import LoginView
from django.http import HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse, reverse_lazy
from django.utils.crypto import constant_time_compare
from django.utils.decorators import method_decorator
from django.views.decorators.cache import never_cache
from django.views.decorators.csp import csp_override
from django.views.decorators.debug import sensitive_post_parameters
from django.views.generic import FormView, TemplateView

from nexora.kernel import clock
from nexora.kernel.admin.site import CSP
from nexora.kernel.errors import NexoraError
from nexora.kernel.scope import tenant_scope

from ..forms import CodeForm, ProofForm, SignInForm
from ..models import User
from ..models.factors import SecondFactorEnrolmentRequired, SecondFactorRequired
from ..services import factors, signin

BETWEEN = "second_step"
PATIENCE = timedelta(minutes=5)


@method_decorator([csp_override(CSP), never_cache, sensitive_post_parameters()], name="dispatch")
class AccountPage:
    """Mixed into a view: one's own account is of the host's tenant, wherever a super_admin is at work just now."""

    title = ""

    def dispatch(self, request, *args, **kwargs):
        with tenant_scope(request.tenant.id):
            response = super().dispatch(request, *args, **kwargs)
            return response.render() if hasattr(response, "render") else response

    def get_context_data(self, **kwargs):
        context = super().get_context_data(**kwargs)
        return {**site.each_context(self.request), "title": self.title, "subtitle": None, **context}

    def show_codes(self, codes, onwards):
        """The only page that ever shows them: the answer to this very request."""
        context = {"title": "Recovery codes", "codes": codes, "onwards": onwards}
        return render(self.request, "admin/second_factor/codes.html", {**site.each_context(self.request), **context})


class SignIn(AccountPage, LoginView):
    title = "Sign in"
    template_name = "admin/login.html"
    authentication_form = SignInForm
    next_page = reverse_lazy("admin:index")

    def get(self, request, *args, **kwargs):
        if site.has_permission(request):
            return HttpResponseRedirect(self.get_success_url())
        return super().get(request, *args, **kwargs)

    def form_valid(self, form):
        user, onwards = form.get_user(), self.get_success_url()
        try:
            with signin.between_steps(self.request):
                factors.ensure_second_factor(user=user)
        except SecondFactorRequired:
            return self.go_on(user, onwards, "signin:code")
        except SecondFactorEnrolmentRequired:
            return self.go_on(user, onwards, "signin:set-up")
        enter(self.request, user)
        return HttpResponseRedirect(onwards)

    def go_on(self, user, onwards, page):
        logout(self.request)
        self.request.session[BETWEEN] = {
            "user": str(user.pk),
            "hash": user.get_session_auth_hash(),
            "at": clock.now().isoformat(),
            "next": onwards,
        }
        return HttpResponseRedirect(reverse(page))

    def get_context_data(self, **kwargs):
        context = super().get_context_data(**kwargs)
        return context | {"app_path": self.request.get_full_path(), "username": self.request.user.get_username()}


def enter(request, user):
    """The browser is the person's from here on."""
    request.session.pop(BETWEEN, None)
    signin.welcome(request=request, user=user, by="back office")
    login(request, user)


class SecondStep:
    """Mixed into a view: for who has sent the right password, and not long ago. `person` is nobody's session yet."""

    form_class = CodeForm
    person = None
    onwards = ""

    def dispatch(self, request, *args, **kwargs):
        between = request.session.get(BETWEEN)
        if between and clock.now() - datetime.fromisoformat(between["at"]) < PATIENCE:
            person = User.objects.active().filter(pk=between["user"]).first()
            # As Django asks of a session: whoever has changed the password since wants nobody in by the old one.
            if person and constant_time_compare(person.get_session_auth_hash(), between.get("hash", "")):
                self.person, self.onwards = person, between["next"]
        if self.person is None:
            if request.session.pop(BETWEEN, None):
                messages.warning(request, "That took too long, or your password was changed. Sign in again.")
            return HttpResponseRedirect(reverse("signin:sign-in"))
        return super().dispatch(request, *args, **kwargs)

    def form_valid(self, form):
        try:
            signin.try_again(request=self.request, user=self.person)
            return self.prove(form.cleaned_data["code"])
        except NexoraError as error:
            form.add_error("code", error.detail)
            return self.form_invalid(form)

    @property
    def address(self):
        return signin.address_of(self.request)


class CodeStep(AccountPage, SecondStep, FormView):
    title = "Second factor"
    template_name = "admin/second_factor/code.html"

    def prove(self, code):
        factors.ensure_second_factor(user=self.person, code=code, address=self.address)
        enter(self.request, self.person)
        return HttpResponseRedirect(self.onwards)


class SetUpStep(AccountPage, SecondStep, FormView):
    title = "Set up your second factor"
    template_name = "admin/second_factor/set_up.html"

    def get(self, request):
        return self.unless_enrolled(super().get)

    def post(self, request):
        return self.unless_enrolled(super().post)

    def unless_enrolled(self, handle):
        """Whoever has a factor shows it; the password alone sets up no other."""
        if factors.has_second_factor(self.person):
            return HttpResponseRedirect(reverse("signin:code"))
        return handle(self.request)

    def prove(self, code):
        codes = factors.confirm_enrolment(user=self.person, code=code, address=self.address)
        enter(self.request, self.person)
        return self.show_codes(codes, self.onwards)

    def get_context_data(self, **kwargs):
        return super().get_context_data(enrolment=enrolment_of(self.request, self.person), **kwargs)


def enrolment_of(request, person):
    """The one that this page was shown before, or a new one."""
    known = factors.find_enrolment(user=person, reference=request.POST.get("reference", ""))
    return known or factors.start_enrolment(user=person)


class OwnFactor(AccountPage, TemplateView):
    """One's own, while signed in. Every change asks for the password again, and for a code where there is one."""

    title = "Second factor"
    template_name = "admin/second_factor/own.html"

    def post(self, request):
        act = {"start": self.start, "confirm": self.confirm, "codes": self.renew, "remove": self.remove}.get(
            request.POST.get("action")
        )
        return act(request) if act else self.get(request)

    def start(self, request):
        def act(user, code):
            return self.show_enrolment(factors.start_enrolment(user=user, code=code))

        return self.with_proof(act)

    def confirm(self, request):
        user = User.objects.get(pk=request.user.pk)
        form = CodeForm(request.POST)
        enrolment = factors.find_enrolment(user=user, reference=request.POST.get("reference", ""))
        if enrolment is None:
            messages.warning(request, "Another device was set up since this page was shown. Begin again.")
            return HttpResponseRedirect(request.path)
        if form.is_valid():
            try:
                signin.try_again(request=request, user=user)
                codes = factors.confirm_enrolment(user=user, code=form.cleaned_data["code"])
            except NexoraError as error:
                form.add_error("code", error.detail)
            else:
                signin.forgive(request=request, user=user)
                return self.show_codes(codes, request.path)
        return self.show_enrolment(enrolment, form)

    def renew(self, request):
        def act(user, code):
            return self.show_codes(factors.renew_recovery_codes(user=user, code=code), request.path)

        return self.with_proof(act)

    def remove(self, request):
        def act(user, code):
            factors.remove_second_factor(user=user, code=code)
            messages.success(request, "You sign in with your password alone now.")
            return HttpResponseRedirect(request.path)

        return self.with_proof(act)

    def with_proof(self, act):
        """act(user, code), if the password is right; the form with what is wrong otherwise."""
        form = self.proof(self.request.POST)
        if form.is_valid():
            try:
                password, code = form.cleaned_data["password"], form.cleaned_data.get("code")
                with signin.recognised(request=self.request, email=self.request.user.email, password=password) as user:
                    return act(user, code)
            except NexoraError as error:
                is_password = error.code == "invalid_credentials"
                form.add_error(
                    "password" if is_password else None, "This is not your password." if is_password else error.detail
                )
        return self.render_to_response(self.get_context_data(proof=form))

    def proof(self, data=None):
        return ProofForm(data, has_factor=factors.has_second_factor(self.request.user))

    def show_enrolment(self, enrolment, form=None):
        return self.render_to_response(self.get_context_data(enrolment=enrolment, form=form or CodeForm()))

    def get_context_data(self, **kwargs):
        user = self.request.user
        own = {
            "has_factor": factors.has_second_factor(user),
            "codes_left": factors.recovery_codes_left(user),
            "is_mandatory": factors.is_mandatory(user),
            "proof": self.proof(),
        }
        return super().get_context_data(**(own | kwargs))
