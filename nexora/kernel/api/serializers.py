"""The base of every record's serializer: strict about what comes in, plain about what goes out."""

import copy
import uuid
from datetime import UTC
from functools import cache, cached_property

from django.core.exceptions import ObjectDoesNotExist
from django.core.exceptions import ValidationError as DjangoValidationError
from django.db import models
from rest_framework import serializers
from rest_framework.fields import SkipField, empty
from rest_framework.validators import UniqueValidator

from nexora.kernel import permissions, scope
from nexora.kernel.api.constraints import NO_SUCH_RECORD
from nexora.kernel.fields import TenantForeignKey
from nexora.kernel.json import validate_json
from nexora.kernel.models import Record
from nexora.kernel.querysets import TenantManager

READ_ONLY = "Read-only. Leave it out, or send the value that it has."
UNKNOWN_FIELD = "Unknown field."


# -- Fields that take the JSON type they document, where DRF's would convert


class TextField(serializers.CharField):
    def run_validation(self, data=empty):
        # One way to say "nothing": the column's NULL.
        if self.allow_null and isinstance(data, str) and not data.strip():
            data = None
        return super().run_validation(data)

    def to_internal_value(self, data):
        if not isinstance(data, str):
            self.fail("invalid")
        return super().to_internal_value(data)


class SlugField(serializers.SlugField, TextField):
    pass


class TrueFalseField(serializers.BooleanField):
    default_error_messages = {"invalid": "Must be true or false."}

    def to_internal_value(self, data):
        if not isinstance(data, bool):
            self.fail("invalid", input=data)
        return data


class WholeNumberField(serializers.IntegerField):
    def to_internal_value(self, data):
        if isinstance(data, bool) or not isinstance(data, int):
            self.fail("invalid")
        return super().to_internal_value(data)


class MomentField(serializers.DateTimeField):
    def to_representation(self, value):
        return value and value.astimezone(UTC).isoformat().replace("+00:00", "Z")


class MoneyField(serializers.DecimalField):
    """A Decimal: text in answers, text or a number in requests."""

    def to_internal_value(self, data):
        if isinstance(data, bool) or not isinstance(data, (str, int, float)):
            self.fail("invalid")
        # PostgreSQL keeps no minus zero.
        return super().to_internal_value(data) + 0


class JSONField(serializers.JSONField):
    def to_internal_value(self, data):
        validate_json(data)
        return super().to_internal_value(data)


class TenantRelatedField(serializers.PrimaryKeyRelatedField):
    """The id of a record of the tenant in scope; another tenant's id is as unknown as any other."""

    default_error_messages = {"does_not_exist": NO_SUCH_RECORD, "incorrect_type": "Must be an id: a UUID in quotes."}

    def to_internal_value(self, data):
        try:
            key = uuid.UUID(data) if isinstance(data, str) and len(data) == 36 else None
        except ValueError:
            key = None
        if key is None:
            self.fail("incorrect_type")
        return self._reference(key) if self._is_checked_by_database() else super().to_internal_value(key)

    def _is_checked_by_database(self):
        """Whether the composite foreign key of the column admits just the records that this field would find."""
        column = self.parent.Meta.model._meta.get_field(self.source)
        is_everyone = isinstance(self.queryset, TenantManager)
        return is_everyone and isinstance(column, TenantForeignKey) and scope.require("A relation").kind == scope.TENANT

    def _reference(self, key):
        """The record, of which nothing is known yet but its key: the first look at more fetches it."""
        model = self.queryset.model
        return model.from_db(self.queryset.db, [model._meta.pk.attname], [key])


# By exact class: fields that look at nothing but the value they are given, so that all requests may share them.
CONTEXT_FREE = {
    serializers.BooleanField,
    serializers.CharField,
    serializers.ChoiceField,
    serializers.DateField,
    serializers.DecimalField,
    serializers.EmailField,
    serializers.IntegerField,
    serializers.IPAddressField,
    serializers.ListField,
    serializers.UUIDField,
    JSONField,
    MomentField,
    MoneyField,
    SlugField,
    TenantRelatedField,
    TextField,
    TrueFalseField,
    WholeNumberField,
}
BUILDING = ("fields", "get_fields", "get_field_names", "get_extra_kwargs")


class TenantModelSerializer(serializers.ModelSerializer):
    """A ModelSerializer whose tenant is the scope's.

    * Unknown fields are errors; read-only ones may be sent back unchanged, so that what was read can be PUT.
    * Fields and Model.clean() of the candidate are checked once, so the API and the admin refuse alike. Uniqueness and
      foreign keys are the database's to check; nexora.kernel.api.constraints puts its refusals into words.

    Meta.create_only   fields that are given once and are read-only afterwards
    """

    serializer_field_mapping = serializers.ModelSerializer.serializer_field_mapping | {
        models.BooleanField: TrueFalseField,
        models.CharField: TextField,
        models.TextField: TextField,
        models.SlugField: SlugField,
        models.IntegerField: WholeNumberField,
        models.BigIntegerField: WholeNumberField,
        models.DateTimeField: MomentField,
        models.DecimalField: MoneyField,
        models.JSONField: JSONField,
    }
    serializer_related_field = TenantRelatedField

    def __init_subclass__(cls, **kwargs):
        super().__init_subclass__(**kwargs)
        name, fields = cls.__name__, getattr(getattr(cls, "Meta", None), "fields", ())
        if not isinstance(fields, (list, tuple)):
            raise TypeError(f"{name}.Meta.fields must list its fields: what a client sees is never an accident.")
        if "tenant" in fields and "tenant" not in cls._declared_fields:
            raise TypeError(f"{name} lists tenant, which is the host. Only a platform serializer declares that field.")

    def __init__(self, *args, shown=None, **kwargs):
        """`shown`: names of the only fields to build, for an answer that was asked to be narrow."""
        self.shown = shown
        super().__init__(*args, **kwargs)

    @classmethod
    @cache
    def shown_names(cls):
        """Names of the fields of an answer, in order."""
        return tuple(name for name, field in cls().fields.items() if not field.write_only)

    # -- Building the fields

    @cached_property
    def fields(self):
        shared = None
        if self.shown is None:
            shared = self.shared_fields(isinstance(self.instance, models.Model), self.partial)
        return super().fields if shared is None else shared

    @classmethod
    @cache
    def shared_fields(cls, edits, partial):
        """The fields of every serializer of this class; None, if one of them depends on the request.

        Building them costs more than all else that a small request does, and a field holds no state of its own.
        """
        for parent in cls.__mro__:
            if parent is TenantModelSerializer:
                break
            if any(name in vars(parent) for name in BUILDING):
                return None
        pattern = cls(cls.Meta.model() if edits else None, partial=partial)
        fields = serializers.ModelSerializer.fields.func(pattern)
        return fields if all(map(_is_context_free, fields.values())) else None

    def get_field_names(self, declared_fields, info):
        names = super().get_field_names(declared_fields, info)
        return names if self.shown is None else [name for name in names if name in self.shown]

    def build_standard_field(self, field_name, model_field):
        field_class, kwargs = super().build_standard_field(field_name, model_field)
        if "validators" in kwargs:
            # A check before the INSERT would be 400 most of the time and 409 in a race; the constraint is always 409.
            kwargs["validators"] = [v for v in kwargs["validators"] if not isinstance(v, UniqueValidator)]
        if isinstance(model_field, models.BooleanField) and model_field.has_default() and not kwargs.get("read_only"):
            # The column may hold NULL, for the seed says so; nobody needs a third answer.
            kwargs.pop("allow_null", None)
        return field_class, kwargs

    def get_unique_together_validators(self):
        return []

    def get_unique_for_date_validators(self):
        return []

    def get_fields(self):
        fields = super().get_fields()
        if isinstance(self.instance, models.Model):
            for name in fields.keys() & getattr(self.Meta, "create_only", ()):
                fields[name].read_only = True
                fields[name].required = False
        return fields

    # -- Reading a body

    def to_internal_value(self, data):
        if isinstance(data, dict):
            self._refuse_unknown_and_read_only(data)
        return super().to_internal_value(data)

    def _refuse_unknown_and_read_only(self, data):
        errors = {}
        for name in data:
            field = self.fields.get(name)
            if field is None:
                errors[str(name)[:100]] = [UNKNOWN_FIELD]
            elif field.read_only and not self._is_current(field, data[name]):
                errors[name] = [READ_ONLY]
            if len(errors) == 20:
                break
        if errors:
            raise serializers.ValidationError(errors)

    def _is_current(self, field, value):
        if not isinstance(self.instance, models.Model):
            return False
        try:
            current = field.get_attribute(self.instance)
        except SkipField:
            return False
        if isinstance(field, serializers.PrimaryKeyRelatedField):
            current = getattr(current, "pk", None)
            return value == (current and str(current))
        return value == (current if current is None else field.to_representation(current))

    def run_validation(self, data=empty):
        value = super().run_validation(data)
        if value is None:
            return None
        self._refuse_beyond_reach(value)
        return self._clean_as_record(value)

    def _refuse_beyond_reach(self, attrs):
        """A record that the person may not see is as unknown as any other; one that is named already may stay."""
        user = getattr(self.context.get("request"), "user", None)
        errors = {}
        for name, related in attrs.items():
            model = type(related)
            if not isinstance(related, Record) or permissions.reach(user, model, "view") != permissions.OWN:
                continue
            held = getattr(self.instance, f"{name}_id", None)
            if (
                related.pk != held
                and not permissions.narrow(model.objects.filter(pk=related.pk), user, "view").exists()
            ):
                errors[name] = [NO_SUCH_RECORD]
        if errors:
            raise serializers.ValidationError(errors)

    def _clean_as_record(self, attrs):
        """`attrs` as the model's own to_python, validators and clean() leave them; their errors, by field."""
        model = self.Meta.model
        columns = {field.name: field for field in model._meta.concrete_fields}
        given = {name: value for name, value in attrs.items() if name in columns}
        if isinstance(self.instance, models.Model):
            candidate = _twin(self.instance)
            for name, value in given.items():
                setattr(candidate, name, value)
        else:
            candidate = self.candidate = model(**given)
        # A foreign key's own check would ask the database, which looks anyway when it stores the key.
        unchecked = [name for name, field in columns.items() if name not in given or field.is_relation]
        before = {field.attname: candidate.__dict__.get(field.attname) for field in columns.values()}
        try:
            candidate.clean_fields(exclude=unchecked)
            candidate.clean()
        except DjangoValidationError as error:
            raise serializers.ValidationError(serializers.as_serializer_error(error)) from error
        except ObjectDoesNotExist as error:
            # clean() looked at a record that a relation only refers to.
            relations = [name for name in given if columns[name].is_relation]
            missing = [name for name in relations if isinstance(error, columns[name].related_model.DoesNotExist)]
            raise serializers.ValidationError({name: [NO_SUCH_RECORD] for name in missing or relations}) from error
        for name, field in columns.items():
            value = candidate.__dict__.get(field.attname)
            if name in given and not field.is_relation:
                attrs[name] = value
            elif value is not before[field.attname] and value != before[field.attname]:
                attrs.pop(name, None)
                attrs[field.attname] = value
        return attrs

    # -- Saving

    def create(self, validated_data):
        record = self.candidate
        for name, value in validated_data.items():
            if record.__dict__.get(name, self) is not value:
                setattr(record, name, value)
        record.save(force_insert=True)
        return record

    def update(self, instance, validated_data):
        for name, value in validated_data.items():
            setattr(instance, name, value)
        instance.save()
        return instance


def _twin(record):
    """A record with the same values, whose related records are looked up anew."""
    twin = type(record).__new__(type(record))
    twin.__dict__ |= record.__dict__
    twin._state = copy.copy(record._state)
    twin._state.fields_cache = {}
    return twin


def _is_context_free(field):
    if any(getattr(used, "requires_context", False) for used in (field.default, *field.validators)):
        return False
    return type(field) in CONTEXT_FREE and (
        not isinstance(field, serializers.ListField) or _is_context_free(field.child)
    )
