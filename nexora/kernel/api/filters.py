"""What a list may be asked: filters, `search` and `ordering`, each checked by name. Whatever is not known is refused.

    class DealFilterSet(TenantFilterSet):
        class Meta:
            model = Deal
            fields = ["customer", "stage", "value", "created_at"]     # lookups follow from each column's type

Only the filters that a request names are built and cleaned; django-filter's own form of all of them costs most of a
millisecond. A filter with `method=` takes django-filter's normal path.
"""

from datetime import UTC

from django import forms
from django.contrib.postgres.fields import ArrayField
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Q
from django.utils.dateparse import parse_datetime
from django_filters import filters
from django_filters.filterset import FILTER_FOR_DBFIELD_DEFAULTS, BaseFilterSet, FilterSetMetaclass
from django_filters.rest_framework import DjangoFilterBackend

from nexora.kernel.api.exceptions import invalid
from nexora.kernel.json import check_text

SEARCH, ORDERING, FIELDS, FORMAT = "search", "ordering", "fields", "format"
FORMATS = ("csv", "jsonl")
MAX_VALUES = 100
MAX_SEARCH_LENGTH = 200
MAX_SEARCH_WORDS = 8
MAX_ORDERING = 3
MAX_COMPLAINTS = 20


# -- Filters whose bad values are errors, where django-filter's own would be ignored or rounded


class TrueFalseField(forms.Field):
    def to_python(self, value):
        try:
            return {"true": True, "false": False}[value]
        except KeyError:
            raise ValidationError("true or false.") from None


class TrueFalseFilter(filters.BooleanFilter):
    field_class = TrueFalseField


class MomentField(forms.Field):
    def to_python(self, value):
        try:
            moment = parse_datetime(value)
        except ValueError:
            moment = None
        if moment is None:
            raise ValidationError("A time such as 2026-11-23T08:30:00Z, or a day such as 2026-11-23.")
        if moment.tzinfo is None:
            return moment.replace(tzinfo=UTC)
        try:
            # PostgreSQL knows no offset of 16 hours or more.
            return moment.astimezone(UTC)
        except OverflowError:
            raise ValidationError("A time between the years 1 and 9999 of UTC.") from None


class MomentFilter(filters.IsoDateTimeFilter):
    """ISO 8601. Without an offset it is UTC; a day alone is its first instant."""

    field_class = MomentField


class WholeNumberFilter(filters.NumberFilter):
    field_class = forms.IntegerField

    def get_max_validator(self):
        return None


class AllOfFilter(filters.BaseCSVFilter, filters.CharFilter):
    """Rows whose array holds every one of the comma-separated values."""


class ChoiceInFilter(filters.BaseInFilter, filters.ChoiceFilter):
    """django-filter's own takes any text."""


def lookups_of(field):
    """The lookups that a column's type offers."""
    nullable = ["isnull"] if field.null else []
    if isinstance(field, ArrayField):
        return ["contains", *nullable]
    if isinstance(field, models.BooleanField):
        return ["exact"]
    if field.primary_key:
        return ["in"]
    if isinstance(field, models.DateTimeField):
        return ["gte", "gt", "lte", "lt", *nullable]
    if isinstance(field, (models.DateField, models.IntegerField, models.DecimalField)):
        return ["exact", "gte", "lte", *nullable]
    return ["exact", "in", *nullable]


class TenantFilterSet(BaseFilterSet, metaclass=FilterSetMetaclass):
    """`Meta.fields` lists columns; their lookups come from `lookups_of`. A dict of names and lookups works too."""

    FILTER_DEFAULTS = FILTER_FOR_DBFIELD_DEFAULTS | {
        ArrayField: {"filter_class": AllOfFilter},
        models.BooleanField: {"filter_class": TrueFalseFilter},
        models.DateTimeField: {"filter_class": MomentFilter},
        models.IntegerField: {"filter_class": WholeNumberFilter},
        # No query for the record named: an unknown id, like another tenant's, simply has no rows.
        models.ForeignKey: {"filter_class": filters.UUIDFilter},
    }

    @classmethod
    def get_fields(cls):
        if isinstance(cls._meta.fields, (list, tuple)):
            return {name: lookups_of(cls._meta.model._meta.get_field(name)) for name in cls._meta.fields}
        return super().get_fields()

    @classmethod
    def filter_for_lookup(cls, field, lookup_type):
        if lookup_type == "isnull":
            return TrueFalseFilter, {}
        if lookup_type == "in" and field.choices:
            return ChoiceInFilter, {"choices": field.choices}
        return super().filter_for_lookup(field, lookup_type)

    @classmethod
    def narrow(cls, queryset, params, request=None):
        """(queryset, errors): the rows that every filter named in `params` lets through."""
        errors = {}
        conditions = []
        for name, one in cls.base_filters.items():
            if name not in params:
                continue
            try:
                conditions.append((name, one, cls._clean(name, one, params)))
            except ValidationError as error:
                errors[name] = error.messages
        if errors:
            return queryset, errors
        if any(one.method for _, one, _ in conditions):
            return cls(data=params, queryset=queryset, request=request).qs, {}
        for _, one, value in conditions:
            queryset = one.filter(queryset, value)
        return queryset, {}

    @staticmethod
    def _clean(name, one, params):
        text = params[name]
        check_text(text)
        if not text.strip():
            raise ValidationError("Empty. Give a value, or leave the parameter out.")
        if isinstance(one, filters.BaseCSVFilter):
            values = text.split(",")
            if len(values) > MAX_VALUES:
                raise ValidationError(f"At most {MAX_VALUES} values at once.")
            if not all(value.strip() for value in values):
                raise ValidationError("One of the values between the commas is empty.")
        return one.field.clean(one.field.widget.value_from_datadict(params, {}, name))


# -- The backend


class FilterBackend(DjangoFilterBackend):
    """Applies a list's parameters; refuses every unknown, doubled or malformed one, all in one answer."""

    filterset_base = TenantFilterSet

    def filter_queryset(self, request, queryset, view):
        params = request.query_params
        queryset, bad_values = self.narrow(queryset, params, view)
        errors = refused_parameters(params, self.known_parameters(view)) | bad_values
        try:
            requested_ordering(view, params)
        except ValidationError as error:
            errors[ORDERING] = error.messages
        try:
            requested_fields(view.shown_names(), params)
        except ValidationError as error:
            errors[FIELDS] = error.messages
        try:
            requested_format(params)
        except ValidationError as error:
            errors.setdefault(FORMAT, error.messages)
        if errors:
            raise invalid(errors)
        return queryset

    @staticmethod
    def narrow(queryset, params, view):
        """(queryset, errors): the rows that filters and search let through."""
        queryset, errors = view.filterset_class.narrow(queryset, params, view.request)
        try:
            queryset = queryset.filter(search_condition(view.search_fields, params.get(SEARCH, "")))
        except ValidationError as error:
            errors[SEARCH] = error.messages
        return queryset, errors

    @staticmethod
    def known_parameters(view):
        """Names of every parameter that the list of `view` takes, in the order of the documentation."""
        paging = (FORMAT,) if view.action == "export" else view.pagination_class.parameters
        return [
            *([SEARCH] if view.search_fields else []),
            ORDERING,
            FIELDS,
            *paging,
            *view.filterset_class.base_filters,
        ]


def refused_parameters(params, known):
    """{name: [sentence]} for parameters that are not known here or given more than once."""
    errors = {}
    for name in params:
        if name not in known:
            takes = f"Known are: {', '.join(known)}." if known else "This address takes none."
            errors[name[:100]] = [f"Unknown parameter. {takes}"]
        elif len(params.getlist(name)) > 1:
            several = f" For several values: {name}__in=a,b." if f"{name}__in" in known else ""
            errors[name] = [f"Given more than once.{several}"]
        if len(errors) == MAX_COMPLAINTS:
            break
    return errors


# -- Search


def search_condition(fields, text):
    """Rows with a field that begins with `text`, or in which every word of it begins some field. Case is ignored."""
    words = search_words(text)
    if not words:
        return Q()
    return words_begin(*(dict.fromkeys(fields, word) for word in (" ".join(words), *words)))


def search_words(text):
    check_text(text)
    words = text.split()
    if len(" ".join(words)) > MAX_SEARCH_LENGTH:
        raise ValidationError(f"At most {MAX_SEARCH_LENGTH} characters.")
    if len(words) > MAX_SEARCH_WORDS:
        raise ValidationError(f"At most {MAX_SEARCH_WORDS} words.")
    return words


def words_begin(whole, *words):
    """`whole` and each of `words` are {field: what it should begin with}."""
    if len(whole) == 1:
        # Several words begin one field only together. Asked for singly they are ranges that exclude each other, which
        # the planner takes for some: it would walk the list for them instead of looking them up.
        return _begins(whole)
    every_word = Q()
    for word in words:
        every_word &= _begins(word)
    return _begins(whole) | every_word if len(words) > 1 else every_word


def _begins(prefixes):
    found = Q()
    for name, prefix in prefixes.items():
        found |= Q(**{f"{name}__begins": prefix})
    return found


# -- Ordering


ORDERED_TYPES = (
    models.BooleanField, models.CharField, models.DateField, models.DecimalField, models.IntegerField,
)  # fmt: skip


def can_order_by(field):
    """Whether an order by this column means something to a person."""
    return isinstance(field, ORDERED_TYPES) and not field.is_relation


def requested_ordering(view, params):
    """Names of fields, `-` for descending: the `ordering` parameter, else the viewset's."""
    text = params.get(ORDERING)
    if text is None:
        return view.ordering
    names = tuple(name.strip() for name in text.split(","))
    bare = [name.removeprefix("-") for name in names]
    unknown = [name for name in bare if name not in view.ordering_fields]
    if unknown:
        raise ValidationError(f"Lists here can be ordered by: {', '.join(view.ordering_fields)}.")
    if len(names) > MAX_ORDERING or len(set(bare)) < len(bare):
        raise ValidationError(f"At most {MAX_ORDERING} different fields.")
    return names


# -- Sparse fields


def requested_fields(names, params):
    """Those of `names` that the `fields` parameter asks for, in their own order; all of them where it is not given."""
    text = params.get(FIELDS)
    if text is None:
        return names
    wanted = text.split(",")
    if not set(wanted) <= set(names):
        raise ValidationError(f"Unknown: {_first_unknown(wanted, names)}. Known are: {', '.join(names)}.")
    return tuple(name for name in names if name in wanted)


def requested_format(params):
    """The kind of file that an export is asked for."""
    kind = params.get(FORMAT, FORMATS[0])
    if kind not in FORMATS:
        raise ValidationError(f"One of: {', '.join(FORMATS)}.")
    return kind


def _first_unknown(wanted, names):
    name = next(name for name in wanted if name not in names)
    return repr(name[:100].encode(errors="replace").decode())
