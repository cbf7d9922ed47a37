"""A list as a CSV file, as it is filtered and searched at that moment."""

from functools import cache

from django.contrib import messages
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.utils import flatten_fieldsets
from django.contrib.admin.views.main import ALL_VAR, ERROR_FLAG, IS_POPUP_VAR, ORDER_VAR, PAGE_VAR, TO_FIELD_VAR
from django.core.exceptions import ValidationError
from django.db import DataError
from django.http import HttpResponseRedirect
from django.urls import reverse
from unfold.decorators import action

from nexora.kernel.api.exports import Export
from nexora.kernel.api.pagination import Order
from nexora.kernel.api.serializers import TenantModelSerializer, TenantRelatedField
from nexora.kernel.errors import NexoraError

# What an address says of a page, and not of which rows there are.
PAGING = (PAGE_VAR, ALL_VAR, ORDER_VAR, ERROR_FLAG, IS_POPUP_VAR, TO_FIELD_VAR)


@cache
def columns_of(model, names):
    """A serializer that writes these columns as the API would."""
    meta = type("Meta", (), {"model": model, "fields": names, "read_only_fields": names})
    tenant = {"tenant": TenantRelatedField(read_only=True)} if "tenant" in names else {}
    return type(f"{model.__name__}Columns", (TenantModelSerializer,), {"Meta": meta, **tenant})


class ExportedList:
    """Mixed into admin classes: a button above the list.

    Rows are those of get_queryset(), newest first; columns those that the list and the record's page show.

    exported   further columns of the file, which pages show in other words
    """

    actions_list = ["export"]
    exported = ()

    @action(description="Export", icon="download", permissions=["view"])
    def export(self, request):
        asked = request.GET = _without_paging(request.GET)
        try:
            rows = self.get_changelist_instance(request).queryset
            names = self.exported_columns(request)
            order = Order(self.model, [f"-{self.newest_by}"])
            export = Export(rows, columns_of(self.model, names), names, order, by_tenant=True)
            return export.answer(request, {name: ", ".join(values) for name, values in asked.lists()})
        except NexoraError as error:
            refusal = error.detail
        except (IncorrectLookupParameters, DataError, OverflowError, ValidationError):
            refusal = "That filter holds a value that no record can have."
        self.message_user(request, refusal, messages.WARNING)
        return HttpResponseRedirect(self._address("changelist"))

    def exported_columns(self, request):
        """Names of columns, in the model's order. Never one that no page shows: those may hold secrets."""
        shown = {
            *self.exported,
            *self.get_list_display(request),
            *flatten_fieldsets(self.get_fieldsets(request, self.model())),
        }
        return tuple(
            column.name
            for column in self.opts.concrete_fields
            # What PostgreSQL makes of other columns stands in those.
            if column.name in shown and column.name not in self.model.redacted and not column.generated
        )

    def changelist_view(self, request, extra_context=None):
        response = super().changelist_view(request, extra_context)
        asked = _without_paging(request.GET).urlencode()
        for button in (getattr(response, "context_data", None) or {}).get("actions_list", ()):
            if asked and button.get("path") == self._address("export"):
                button["path"] += f"?{asked}"
        return response

    def _address(self, page):
        return reverse(f"{self.admin_site.name}:{self.opts.app_label}_{self.opts.model_name}_{page}")


def _without_paging(params):
    kept = params.copy()
    for name in PAGING:
        kept.pop(name, None)
    return kept
