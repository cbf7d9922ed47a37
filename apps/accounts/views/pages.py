"""Pages for people who are not signed in: a form, and what is said once it is carried out."""

from django.db import IntegrityError
from django.http import HttpResponseRedirect
from django.shortcuts import render
from django.utils.decorators import method_decorator
from django.views import View
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt

from nexora.kernel.api.exceptions import as_error
from nexora.kernel.brand import brand_of
from nexora.kernel.errors import NexoraError

DONE = "done"


@method_decorator(never_cache, name="dispatch")
class FormPage(View):
    """
    form_class     a Django form; what it refuses stands beside its fields
    heading        and `intro`, a sentence under it; `button`, what is to be done
    carry_out      override: do it with the cleaned values. A NexoraError is shown in the form
    other          (words, path) of what else one may want
    done_heading   and `done`, what is said afterwards; `done_link`, (words, path) where to go on
    """

    form_class = None
    heading = intro = button = done_heading = done = ""
    other = done_link = None

    def carry_out(self, values):
        raise NotImplementedError

    def get(self, request):
        if DONE in request.GET:
            return self.page("pages/done.html")
        return self.show(self.form_class())

    def post(self, request):
        form = self.form_class(request.POST)
        if not form.is_valid():
            return self.show(form, status=400)
        try:
            self.carry_out(form.cleaned_data)
        except (NexoraError, IntegrityError) as refused:
            error = as_error(refused)
            _put_into(form, error)
            return self.show(form, status=error.status, wait=error.wait)
        # Reloaded, the next page does nothing again. It is this path without what a link brought along.
        return HttpResponseRedirect(f"{request.path}?{DONE}", status=303)

    def show(self, form, *, status=200, wait=None):
        return self.page("pages/form.html", {"form": form}, status=status, wait=wait)

    def page(self, template, context=None, *, status=200, wait=None):
        known = {"page": self, "brand": brand_of(self.request), **(context or {})}
        response = render(self.request, template, known, status=status)
        if wait:
            response["Retry-After"] = str(wait)
        return response


# No token against forgery: no cookie counts here, and the link is itself the proof. A browser that sends no referrer
# says that the form is from nowhere (`Origin: null`), which that check refuses.
@method_decorator(csrf_exempt, name="dispatch")
class LinkPage(FormPage):
    """Where the link in a mail leads: its query fills hidden fields, and nothing is done before the button is pressed.

    Programs that look at every link in a mail use none up. The address, which holds a secret, is told to no other site.
    """

    def get(self, request):
        if DONE in request.GET:
            return super().get(request)
        return self.show(self.form_class(initial={name: request.GET.get(name) for name in self.form_class.base_fields}))

    def page(self, *args, **kwargs):
        response = super().page(*args, **kwargs)
        response["Referrer-Policy"] = "no-referrer"
        return response


def _put_into(form, error):
    shown = {name for name, field in form.fields.items() if not field.widget.is_hidden}
    beside = {name: sentences for name, sentences in error.fields.items() if name in shown}
    for name, sentences in (beside or {None: [error.detail]}).items():
        form.add_error(name, sentences)
