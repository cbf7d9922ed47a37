"""Buttons on the page of a record: each leads to a page that asks first, and is done by what that page posts."""

from django.contrib import messages
from django.contrib.admin.utils import unquote
from django.core.exceptions import ValidationError
from django.db import DatabaseError
from django.http import Http404, HttpResponseRedirect
from django.template.response import TemplateResponse

from nexora.kernel.admin import over_all_tenants
from nexora.kernel.admin.links import change_url
from nexora.kernel.admin.refusals import refusal_of
from nexora.kernel.errors import NexoraError

REFUSALS = (NexoraError, ValidationError, DatabaseError)


class Buttons:
    """Mixed into admin classes of what people start, stop and take over."""

    def found(self, request, object_id):
        """The record, looked up once a request: each button of the page asks. None: there is none for this person."""
        kept = request.__dict__.setdefault("records", {})
        key = (self.opts.label, str(object_id))
        if key not in kept:
            kept[key] = object_id and self.get_object(request, unquote(str(object_id)))
        return kept[key]

    def record(self, request, object_id):
        record = self.found(request, object_id)
        if record is None:
            raise Http404
        return record

    def may_control(self, request, workflow):
        """As in services.control. A run has one tenant's rights, so over all of them nothing is started or stopped."""
        workflows = self.admin_site.get_model_admin(type(workflow))
        return not over_all_tenants() and workflows.has_change_permission(request, workflow)

    def asked(self, request, object_id, *, title, label, sentences, do):
        """The page that asks, or, on a POST, what has come of it. `do(record)` answers (where to go, what to say)."""
        record = self.record(request, object_id)
        if request.method == "POST":
            try:
                where, said = do(record)
            except REFUSALS as error:
                where, said, level = change_url(record), self.refused(error), messages.ERROR
            else:
                level = messages.SUCCESS
            self.message_user(request, said, level)
            return HttpResponseRedirect(where)
        context = {"title": title, "label": label, "sentences": sentences}
        return self.page(request, "admin/workflows/asked.html", record, context)

    def page(self, request, template, record, context):
        context = {
            **self.admin_site.each_context(request),
            "original": record,
            "opts": self.opts,
            "back": change_url(record),
            **context,
        }
        request.current_app = self.admin_site.name
        return TemplateResponse(request, template, context)

    @staticmethod
    def refused(error):
        """What to say; raises what is a fault of ours."""
        if isinstance(error, ValidationError):
            return " ".join(error.messages)
        refusal = refusal_of(error)
        if refusal is None:
            raise error
        fields = [f"{' '.join(map(str, said))}" for said in refusal.fields.values()]
        return " ".join(dict.fromkeys([refusal.detail, *fields]))
