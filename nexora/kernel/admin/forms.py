"""Forms of the admin: what the database and the services refuse becomes an error beside the field."""

import json

from django import forms
from django.contrib.postgres.forms import SimpleArrayField
from django.core.exceptions import ValidationError
from django.db import models
from django.forms.fields import InvalidJSONInput
from unfold.contrib.forms.widgets import ArrayWidget
from unfold.forms import PaginationInlineFormSet
from unfold.widgets import UnfoldAdminTextareaWidget

from nexora.kernel import permissions, scope
from nexora.kernel.admin.lists import CappedPaginator
from nexora.kernel.json import validate_json
from nexora.kernel.models import TenantModel


class JSONWidget(UnfoldAdminTextareaWidget):
    def __init__(self, attrs=None):
        super().__init__({"class": "json-input", "spellcheck": "false", "rows": 6, **(attrs or {})})


class PrettyJSONField(forms.JSONField):
    """JSON as people read it: indented, in the order it was written, refused where PostgreSQL or the API would."""

    widget = JSONWidget

    def to_python(self, value):
        try:
            value = super().to_python(value)
        except RecursionError:
            raise ValidationError("Nested too deeply.", code="too_deep") from None
        except ValueError:  # a number of thousands of digits
            raise ValidationError("Send numbers that long as text.", code="integer_range") from None
        if value not in self.empty_values:
            validate_json(value)
        return value

    def bound_data(self, data, initial):
        """What was typed, as typed, unless it can be shown again in good order."""
        try:
            value = super().bound_data(data, initial)
            if value is not None and not self.disabled:
                validate_json(value)
        except (RecursionError, ValueError, ValidationError):
            return InvalidJSONInput(data)
        return value

    def has_changed(self, initial, data):
        try:
            return super().has_changed(initial, data)
        except ValidationError:
            return True

    def prepare_value(self, value):
        if isinstance(value, InvalidJSONInput):
            return value
        return "" if value is None else json.dumps(value, ensure_ascii=False, indent=2, cls=self.encoder)


class TextListField(SimpleArrayField):
    """A list of texts, one input each: Django's own joins them with commas and splits those that hold one."""

    def __init__(self, base_field, **kwargs):
        kwargs["widget"] = ArrayWidget
        super().__init__(base_field, **kwargs)

    def prepare_value(self, value):
        return value

    def has_changed(self, initial, data):
        return list(initial or []) != list(data or [])


class RecordForm(forms.ModelForm):
    """The form of a record. The admin class that makes it sets `actor`, who edits, and `refusal`, below.

    left_to_database   columns whose uniqueness no query looks at beforehand

    Columns that were not edited are not written: a form shows less than is stored (microseconds, the difference between
    NULL and empty text), and saving it must not change what nobody touched.
    """

    actor = None
    refusal = None
    left_to_database = ()

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self._narrow_to_reach()
        self._narrow_to_tenant()

    # -- Reach

    def _narrow_to_reach(self):
        """Relations offer what the person may see; what the record holds already stays."""
        for name, field in self.fields.items():
            queryset = getattr(field, "queryset", None)
            if queryset is None or permissions.reach(self.actor, queryset.model, "view") != permissions.OWN:
                continue
            held = models.Q(pk=getattr(self.instance, f"{name}_id", None))
            field.queryset = queryset.filter(permissions.named_in(queryset.model, self.actor) | held)

    # -- Tenant

    @property
    def tenant_id(self):
        """The record's tenant, as far as it is known: that of the stored record, of the scope, or the one chosen."""
        instance = self.instance
        if not isinstance(instance, TenantModel) or instance.tenant_field != "tenant":
            return None
        chosen = getattr(self, "cleaned_data", {}).get("tenant")
        return chosen.pk if chosen else instance.tenant_id

    def _narrow_to_tenant(self):
        """On the platform: relations of a record offer records of its own tenant only."""
        current = scope.current()
        tenant_id = self.tenant_id
        if not (current and current.is_over_all_tenants and tenant_id):
            return
        for field in self._tenant_relations().values():
            field.queryset = field.queryset.filter(tenant_id=tenant_id)
            field.widget.attrs["data-tenant"] = str(tenant_id)
            inner = getattr(field.widget, "widget", field.widget)
            inner.attrs["data-tenant"] = str(tenant_id)

    def _tenant_relations(self):
        """{name: form field} of relations to records of tenants."""
        found = {}
        for name, field in self.fields.items():
            model = getattr(getattr(field, "queryset", None), "model", None)
            if model and name != "tenant" and getattr(model, "tenant_field", None) == "tenant":
                found[name] = field
        return found

    # -- Validation

    def clean(self):
        cleaned = super().clean()
        cleaned = self.cleaned_data if cleaned is None else cleaned
        tenant_id = self.tenant_id
        if tenant_id:
            for name in self._tenant_relations():
                related = cleaned.get(name)
                if related is not None and related.tenant_id != tenant_id:
                    self.add_error(name, "This belongs to another tenant. Choose a record of the same one.")
        return cleaned

    def _post_clean(self):
        if self.instance._state.adding:
            super()._post_clean()
        else:
            # construct_instance copies what is in cleaned_data.
            everything = self.cleaned_data
            self.cleaned_data = {name: everything[name] for name in self.changed_data if name in everything}
            super()._post_clean()
            self.cleaned_data = {name: value for name, value in everything.items() if name not in self.errors}
        self._report_refusal()

    def validate_constraints(self):
        """As Django's, but the tenant counts although no field shows it, and errors stand beside their field."""
        exclude = self._get_validation_exclusions()
        if "tenant" not in self._errors:
            exclude.discard("tenant")
        exclude.update(self.left_to_database)
        try:
            self.instance.validate_constraints(exclude=exclude)
        except ValidationError as error:
            self._update_errors(self._beside_fields(error))

    def _beside_fields(self, error):
        fields = {}
        for constraint in self._meta.model._meta.constraints:
            if isinstance(constraint, models.UniqueConstraint):
                named = set(constraint.fields)
            elif isinstance(constraint, models.CheckConstraint):
                named = set(constraint.condition.referenced_base_fields)
            else:
                continue
            named &= set(self.fields)
            if len(named - {"tenant"}) == 1:
                fields[str(constraint.get_violation_error_message())] = (named - {"tenant"}).pop()
        sorted_errors = {}
        for name, errors in error.update_error_dict({}).items():
            for single in errors:
                sorted_errors.setdefault(fields.get(str(single.message), name), []).append(single)
        return ValidationError(sorted_errors)

    def add_error(self, field, error):
        """As Django's, but an error about a column that this form does not show stands above the form."""
        if isinstance(error, ValidationError) and hasattr(error, "error_dict"):
            for name, errors in error.error_dict.items():
                shown = name if name in self.fields else None
                for single in errors:
                    super().add_error(shown, single)
        else:
            super().add_error(field if field in self.fields else None, error)

    def _report_refusal(self):
        """What save() raised when this form was first sent; see RecordAdmin.changeform_view."""
        if self.refusal is None:
            return
        placed = False
        for name, sentences in self.refusal.fields.items():
            if name in self.fields:
                self.add_error(name, [str(sentence) for sentence in sentences])
                placed = True
        if not placed:
            self.add_error(None, self.refusal.detail)


class RecordFormSet(PaginationInlineFormSet):
    """Rows of an inline: they belong to the tenant of the record they hang on."""

    def __init__(self, *args, instance=None, queryset=None, **kwargs):
        model = getattr(queryset, "model", None)
        if isinstance(instance, TenantModel) and getattr(model, "tenant_field", None) == "tenant" and instance.pk:
            # Over all tenants nothing else says so, and every index begins with the tenant.
            queryset = queryset.filter(tenant_id=instance.owning_tenant_id)
        super().__init__(*args, instance=instance, queryset=queryset, **kwargs)

    def get_page(self, paginator, page):
        # A workflow may have a million runs.
        self.paginator = CappedPaginator(paginator.object_list, paginator.per_page)
        return super().get_page(self.paginator, page)

    def _construct_form(self, i, **kwargs):
        form = super()._construct_form(i, **kwargs)
        self._adopt(form)
        return form

    @property
    def empty_form(self):
        form = super().empty_form
        self._adopt(form)
        return form

    def full_clean(self):
        # By now the form of a new record has said which tenant it belongs to.
        for form in self.forms:
            self._adopt(form)
        super().full_clean()

    def _adopt(self, form):
        child, parent = form.instance, self.instance
        if isinstance(child, TenantModel) and child._state.adding and isinstance(parent, TenantModel):
            child.tenant_id = parent.owning_tenant_id
            form._narrow_to_tenant()
