"""How PostgreSQL writes each field of a serializer, so that the document is the same as the serializer's own."""

from functools import cache

from django.db import models
from rest_framework import serializers as drf

from nexora.kernel.api import serializers as ours

AS_IT_IS = "{column}"
# ISO 8601: microseconds where there are any, always six digits, and Z.
MOMENT = (
    "to_char({column} AT TIME ZONE 'UTC', CASE WHEN {column} = date_trunc('second', {column}) "
    'THEN \'YYYY-MM-DD"T"HH24:MI:SS"Z"\' ELSE \'YYYY-MM-DD"T"HH24:MI:SS.US"Z"\' END)'
)

# By exact class: a subclass may represent its values otherwise.
WRITTEN = {
    drf.BooleanField: AS_IT_IS,
    drf.CharField: AS_IT_IS,
    drf.ChoiceField: AS_IT_IS,
    drf.DateField: AS_IT_IS,
    drf.EmailField: AS_IT_IS,
    drf.IntegerField: AS_IT_IS,
    drf.IPAddressField: "host({column})",
    drf.UUIDField: AS_IT_IS,
    ours.JSONField: AS_IT_IS,
    ours.MomentField: MOMENT,
    ours.SlugField: AS_IT_IS,
    ours.TenantRelatedField: AS_IT_IS,
    ours.TextField: AS_IT_IS,
    ours.TrueFalseField: AS_IT_IS,
    ours.WholeNumberField: AS_IT_IS,
}
TEXT = (drf.CharField, ours.TextField)
REPRESENTING = ("to_representation", "data", "get_fields", "get_field_names", "_readable_fields", "fields")


class Unwritable(TypeError):
    """PostgreSQL cannot write this serializer's documents."""


@cache
def fields_of(serializer_class):
    """{name: (column, SQL template)} of every field that is shown. Unwritable names the first that cannot be."""
    for parent in serializer_class.__mro__:
        if parent is ours.TenantModelSerializer:
            break
        if name := next((name for name in REPRESENTING if name in vars(parent)), None):
            raise Unwritable(f"{parent.__name__} overrides {name}, which only Python can run")
    model = serializer_class.Meta.model
    columns = {field.name: field for field in model._meta.concrete_fields}
    found = {}
    for name, field in serializer_class().fields.items():
        if field.write_only:
            continue
        column = columns.get(field.source)
        written = column is not None and _written(field, column)
        if not written:
            raise Unwritable(
                f"{serializer_class.__name__}.{name} is a {type(field).__name__}, which only Python can write"
            )
        found[name] = field.source, written
    return found


def _written(field, column):
    if type(field) is drf.ListField:
        return AS_IT_IS if type(field.child) in TEXT else None
    if type(field) in (drf.DecimalField, ours.MoneyField):
        plain = field.rounding is None and not field.localize and not field.normalize_output
        if plain and isinstance(column, models.DecimalField) and field.decimal_places == column.decimal_places:
            return f"round({{column}}, {field.decimal_places})::text"
        return None
    return WRITTEN.get(type(field))
