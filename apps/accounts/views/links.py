"""Pages that a mailed secret opens."""

from contextlib import suppress

from django.utils.decorators import method_decorator
from django.views.decorators.debug import sensitive_post_parameters

from nexora.kernel.errors import NexoraError

from .pages import DONE, LinkPage


@method_decorator(sensitive_post_parameters(), name="dispatch")
class SecretPage(LinkPage):
    """Says at once that a link is not valid, before anybody fills in a form.

    look_up   override: what the token stands for; a NexoraError is the whole page
    found     what it answered
    way_on    (words, path) of what somebody with a dead link may do
    """

    found = way_on = None

    def look_up(self, token):
        raise NotImplementedError

    def get(self, request):
        if DONE not in request.GET:
            try:
                self.found = self.look_up(request.GET.get("token", ""))
            except NexoraError as error:
                return self.page("pages/dead_link.html", {"error": error}, status=error.status, wait=error.wait)
        return super().get(request)

    def show(self, form, **how):
        if form.is_bound and self.found is None:
            # The page of a mistake says what the first one said.
            with suppress(NexoraError):
                self.found = self.look_up(form.data.get("token", ""))
        return super().show(form, **how)
