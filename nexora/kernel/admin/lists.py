"""Lists of any length: counts that stop, searches by prefix, order by an index."""

import uuid
from contextlib import suppress

from django.core.paginator import Paginator
from django.db.models import F, Q
from django.utils.functional import cached_property

# An exact count reads every row; nobody pages further than this.
MOST_COUNTED = 10_000


class CappedPaginator(Paginator):
    """Counts to MOST_COUNTED and no further: the rows beyond are reached by searching and filtering."""

    template_name = "admin/pagination_capped.html"

    @cached_property
    def count(self):
        if isinstance(self.object_list, (list, tuple)):
            return len(self.object_list)
        return self.object_list.order_by()[: MOST_COUNTED + 1].count()

    @cached_property
    def is_capped(self):
        return self.count > MOST_COUNTED

    @property
    def count_text(self):
        return f"{MOST_COUNTED:,}+" if self.is_capped else f"{self.count:,}"


def newest_first(column):
    """The order that `nexora.kernel.db.indexes.newest_first` serves."""
    return [F(column).desc(nulls_last=True), "-id"]


def find_by_prefix(queryset, term, fields):
    """Rows whose id is `term`, or one of whose `fields` (with a lookup: `name__istartswith`) begins with it.

    The term is one prefix, spaces included: "Ada Lo" finds Ada Lovelace.
    """
    term = term.strip()
    if not term:
        return queryset
    found = Q()
    for lookup in fields:
        found |= Q(**{lookup: term})
    with suppress(ValueError):
        found |= Q(pk=uuid.UUID(term))
    return queryset.filter(found)
