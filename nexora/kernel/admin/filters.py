"""List filters that the theme does not have."""

from datetime import UTC, datetime, time

from django.core.exceptions import ValidationError
from django.forms import DateField, TimeField
from unfold.contrib.filters.admin import AutocompleteSelectFilter, RangeDateTimeFilter

from nexora.kernel import permissions


class RecordFilter(AutocompleteSelectFilter):
    """The theme's, which would write out the name of any record whose id an address holds."""

    def choices(self, changelist):
        for choice in super().choices(changelist):
            field = choice["form"].fields[self.lookup_kwarg]
            field.queryset = permissions.narrow(field.queryset.all(), self.request.user, "view")
            yield choice


class MomentRangeFilter(RangeDateTimeFilter):
    """From one moment (UTC) to another. A day without a time means the whole day; the theme's would do nothing."""

    def queryset(self, request, queryset):
        bounds = {}
        for end, lookup, whole_day in (("from", "gte", time.min), ("to", "lte", time.max)):
            moment = self._moment(end, whole_day)
            if moment is not None:
                bounds[f"{self.parameter_name}__{lookup}"] = moment
        return queryset.filter(**bounds)

    def _moment(self, end, whole_day):
        try:
            day = DateField(required=False).clean(self.used_parameters.get(f"{self.parameter_name}_{end}_0"))
            hour = TimeField(required=False).clean(self.used_parameters.get(f"{self.parameter_name}_{end}_1"))
        except ValidationError:
            return None
        return day and datetime.combine(day, hour or whole_day, tzinfo=UTC)
