"""Counts and sums of a list's rows: `GET …/aggregate/?group_by=stage&sum=value&count=true`.

    class DealViewSet(Aggregated, TenantViewSet):
        ...
        aggregates = Aggregates(group_by=("stage", "assigned_to", "created_at__month"), sum=("value",))

Only declared columns are taken: each group is a row of the answer, so what has as many values as rows is not declared.
The list's filters and its search narrow the rows; tenant and reach are those of the list.
"""

from dataclasses import dataclass
from datetime import UTC

from django.db import models
from django.db.models import Count, F, Sum
from django.db.models.functions import TruncMonth
from rest_framework.decorators import action
from rest_framework.response import Response

from nexora.kernel.api.exceptions import invalid
from nexora.kernel.api.filters import SEARCH, FilterBackend, refused_parameters

GROUP_BY, SUM, COUNT = "group_by", "sum", "count"
MONTH = "__month"
MAX_GROUP_BY = 2
MAX_GROUPS = 1000


@dataclass(frozen=True)
class Aggregates:
    """
    group_by   columns, and `<column>__month` for the months, in UTC, of a column of moments
    sum        columns of numbers
    """

    group_by: tuple
    sum: tuple = ()

    def check(self, model):
        """TypeError for what `model` cannot be grouped by or summed."""
        columns = {field.name: field for field in model._meta.concrete_fields}
        for name in self.group_by:
            column = columns.get(name.removesuffix(MONTH))
            if column is None or isinstance(column, models.DateTimeField) != name.endswith(MONTH):
                raise TypeError(f"{model.__name__} cannot be grouped by {name}: a column, or <moment>{MONTH}.")
        for name in self.sum:
            if not isinstance(columns.get(name), (models.IntegerField, models.DecimalField)):
                raise TypeError(f"{model.__name__} has no column of numbers called {name} to sum.")

    # -- What is asked

    def asked(self, params):
        """((group_by, sum, whether to count), errors)."""
        errors = {}
        chosen = {}
        for name, known, most in ((GROUP_BY, self.group_by, MAX_GROUP_BY), (SUM, self.sum, len(self.sum))):
            chosen[name] = [one.strip() for one in params[name].split(",")] if name in params else []
            if set(chosen[name]) - set(known):
                errors[name] = [f"Here it takes: {', '.join(known)}." if known else "There is nothing to sum here."]
            elif len(chosen[name]) > most or len(set(chosen[name])) < len(chosen[name]):
                errors[name] = [f"At most {most} different ones." if most > 1 else "One only."]
        count = {"true": True, "false": False, None: not chosen[SUM]}.get(params.get(COUNT))
        if count is None:
            errors[COUNT] = ["true or false."]
        elif not count and not chosen[SUM] and SUM not in errors:
            errors[COUNT] = ["Nothing is left to answer. Ask for a sum, or leave this out."]
        return (chosen[GROUP_BY], chosen[SUM], count), errors

    # -- The answer

    def rows(self, queryset, group_by, sums, count):
        """[{"group": {…}, "count": n, "sum": {…}}], ordered by the groups, NULL last."""
        model = queryset.model
        groups = {f"group_{i}": self._expression(model, name) for i, name in enumerate(group_by)}
        measures = {f"sum_{i}": Sum(name) for i, name in enumerate(sums)}
        if count:
            # Of rows, not of keys: an index that covers the groups then answers alone.
            measures["count"] = Count("*")
        queryset = queryset.order_by()
        if groups:
            order = [F(alias).asc(nulls_last=True) for alias in groups]
            found = list(queryset.values(**groups).annotate(**measures).order_by(*order)[: MAX_GROUPS + 1])
        else:
            found = [queryset.aggregate(**measures)]
        if len(found) > MAX_GROUPS:
            raise invalid(
                {GROUP_BY: [f"More than {MAX_GROUPS} groups. Narrow the rows by filters, or group by fewer columns."]}
            )
        return [self._shown(model, row, group_by, sums, count) for row in found]

    @staticmethod
    def _expression(model, name):
        if name.endswith(MONTH):
            return TruncMonth(name.removesuffix(MONTH), tzinfo=UTC, output_field=models.DateField())
        return F(model._meta.get_field(name).attname)

    @staticmethod
    def _shown(model, row, group_by, sums, count):
        shown = {"group": {name: row[f"group_{i}"] for i, name in enumerate(group_by)}}
        if count:
            shown["count"] = row["count"]
        if sums:
            shown["sum"] = {name: _total(model._meta.get_field(name), row[f"sum_{i}"]) for i, name in enumerate(sums)}
        return shown

    # -- The documentation

    def parameters(self):
        """Of the OpenAPI document."""
        parameters = [
            _parameter(
                GROUP_BY,
                f"Up to {MAX_GROUP_BY} of these; months are UTC's. Without it there is one group.",
                _several(self.group_by, MAX_GROUP_BY),
            ),
            _parameter(
                COUNT,
                "Whether to count the rows of each group; by default where nothing is summed.",
                {"type": "boolean"},
            ),
        ]
        if self.sum:
            parameters.insert(1, _parameter(SUM, "What to sum in each group.", _several(self.sum, len(self.sum))))
        return parameters

    def answer_schema(self, model):
        row = {
            "group": {
                "type": "object",
                "description": "The values that the rows of this group share.",
                "properties": {name: self._group_schema(model, name) for name in self.group_by},
            },
            "count": {"type": "integer", "minimum": 0},
        }
        if self.sum:
            row["sum"] = {
                "type": "object",
                "properties": {name: _sum_schema(model._meta.get_field(name)) for name in self.sum},
            }
        return {
            "type": "object",
            "required": ["results"],
            "properties": {
                "results": {
                    "type": "array",
                    "maxItems": MAX_GROUPS,
                    "items": {"type": "object", "required": ["group"], "properties": row},
                }
            },
        }

    @staticmethod
    def _group_schema(model, name):
        if name.endswith(MONTH):
            return {"type": ["string", "null"], "format": "date"}
        column = model._meta.get_field(name)
        if isinstance(column, models.BooleanField):
            return {"type": ["boolean", "null"]}
        if isinstance(column, models.IntegerField):
            return {"type": ["integer", "null"]}
        text = {"type": ["string", "null"]}
        return text | {"format": "uuid"} if column.is_relation else text


def _total(column, value):
    if isinstance(column, models.DecimalField):
        return f"{value or 0:.{column.decimal_places}f}"
    return value or 0


def _sum_schema(column):
    if isinstance(column, models.DecimalField):
        return {"type": "string", "format": "decimal"}
    return {"type": "integer"}


def _several(names, most):
    one = f"({'|'.join(names)})"
    return {"type": "string", "pattern": f"^{one}(,{one}){{0,{most - 1}}}$"}


def _parameter(name, description, schema):
    return {"name": name, "in": "query", "required": False, "description": description, "schema": schema}


# No docstring: readers of the OpenAPI document would be shown it.
class Aggregated:
    aggregates = None
    filtered_actions = ("list", "export", "aggregate")

    def __init_subclass__(cls, **kwargs):
        super().__init_subclass__(**kwargs)
        if not isinstance(cls.aggregates, Aggregates):
            raise TypeError(f"{cls.__name__} needs aggregates, such as Aggregates(group_by=(…), sum=(…)).")
        cls.aggregates.check(cls.queryset.model)

    @action(detail=False)
    def aggregate(self, request):
        """Counts and sums of the rows that the list would show, by group."""
        params = request.query_params
        known = [*([SEARCH] if self.search_fields else []), GROUP_BY, SUM, COUNT, *self.filterset_class.base_filters]
        queryset, errors = FilterBackend.narrow(self.get_queryset(), params, self)
        asked, wrong = self.aggregates.asked(params)
        if errors := refused_parameters(params, known) | errors | wrong:
            raise invalid(errors)
        return Response({"results": self.aggregates.rows(queryset, *asked)})
