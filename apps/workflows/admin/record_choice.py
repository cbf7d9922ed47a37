"""Which record a workflow is to run on: what is there is searched by the rules of its own list."""

from dataclasses import dataclass
from uuid import UUID

from django import forms
from unfold.widgets import UnfoldAdminTextInputWidget

from nexora.kernel import permissions
from nexora.kernel.admin.forms import JSONWidget, PrettyJSONField
from nexora.kernel.admin.lists import find_by_prefix, newest_first

from ..definition.resources import resource_named
from ..serializers import TrialSerializer
from . import words

MOST_OFFERED = 10


@dataclass(frozen=True, slots=True)
class Choice:
    id: str
    label: str
    remark: str
    is_chosen: bool


class ChoosingForm(forms.Form):
    """`record` is chosen among `choices`, or an id that was found elsewhere."""

    record = forms.UUIDField(error_messages={"required": "Choose a record.", "invalid": "That is no id of a record."})


class TrialForm(ChoosingForm):
    changes = PrettyJSONField(
        required=False,
        label="Change that is to have started it",
        widget=JSONWidget({"rows": 3}),
        help_text="For conditions that ask what has changed: {field: [from, to]}. Left empty: none.",
    )

    def __init__(self, *args, about, **kwargs):
        super().__init__(*args, **kwargs)
        if about is None:
            del self.fields["record"], self.fields["changes"]

    def clean_changes(self):
        changes = self.cleaned_data["changes"]
        if changes in (None, ""):
            return None
        serializer = TrialSerializer(data={"changes": changes})
        if not serializer.is_valid():
            raise forms.ValidationError("Must be {field: [from, to]}.")
        return changes


class SearchForm(forms.Form):
    q = forms.CharField(required=False, max_length=200, label="", widget=UnfoldAdminTextInputWidget)


def resource_of(workflow):
    """The resource of the records that a workflow is about, or None."""
    return resource_named(workflow.listens_to)


def offered(request, site, workflow, *, term="", chosen=None):
    """(what to type into the search box, [Choice]): records that begin like `term`, newest first."""
    model = resource_of(workflow).model
    records = site.get_model_admin(model)
    found = records.get_queryset(request)
    if workflow.created_by is not None:
        found = permissions.narrow(found, workflow.created_by, "view")
    found = find_by_prefix(found, term, records.get_search_fields(request))
    rows = list(found.order_by(*newest_first(records.newest_by))[:MOST_OFFERED])
    if (key := _key(chosen)) and key not in [row.pk for row in rows]:
        rows = [*records.get_queryset(request).filter(pk=key), *rows]
    choices = [Choice(str(row.pk), str(row), _remark(row, records.newest_by), row.pk == key) for row in rows]
    return records.search_help_text, choices


def _key(text):
    try:
        return UUID(str(text))
    except ValueError:
        return None


def _remark(record, name):
    return words.moment(getattr(record, name, None))


def likely_changes(trigger):
    """The change that a trigger waits for, as far as it says which."""
    match trigger:
        case {"type": "field.changed", "field": str(name)}:
            return {name: [trigger.get("from"), trigger.get("to")]}
        case {"type": "deal.stage_entered", "stage": stage}:
            return {"stage": [None, stage]}
    return None
