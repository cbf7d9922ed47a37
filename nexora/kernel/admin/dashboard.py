"""The first page of the admin, made of panels that the apps contribute.

    @panel(order=10)                      # in an app's admin.py
    def pipeline(request):
        if not permissions.reach(request.user, Deal, "view"):
            return None                   # the person may not see it: no panel
        return Bars("Open deals", …)      # of seen_by(request, Deal)

A panel looks at no more than the newest WINDOW rows of a table, so that the page costs the same however large a
tenant is.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from nexora.kernel import permissions
from nexora.kernel.admin.lists import newest_first

WINDOW = 10_000
# By the index that every table has for it. In no order a table would be read from its beginning.
NEWEST_FIRST = newest_first("created_at")

_panels: list[tuple[int, Callable]] = []


@dataclass(frozen=True, slots=True)
class Figure:
    """One number with its label; `link` leads to the records behind it."""

    label: str
    value: str
    hint: str = ""
    link: str = ""
    icon: str = "numbers"
    is_bad: bool = False


@dataclass(frozen=True, slots=True)
class Figures:
    """A row of numbers across the page."""

    figures: list
    template = "admin/dashboard/figures.html"
    wide = True


@dataclass(frozen=True, slots=True)
class Bar:
    """`share` is of the longest bar, 0 to 1."""

    label: str
    share: float
    value: str
    hint: str = ""

    @property
    def percent(self):
        """Text for a style, free of any language's decimal comma."""
        return f"{max(0, min(self.share, 1)) * 100:.1f}"


@dataclass(frozen=True, slots=True)
class Bars:
    """Horizontal bars."""

    title: str
    bars: list
    hint: str = ""
    empty: str = "Nothing yet."
    link: str = ""
    template = "admin/dashboard/bars.html"
    wide = False


@dataclass(frozen=True, slots=True)
class Columns:
    """A column chart, oldest on the left."""

    title: str
    bars: list
    hint: str = ""
    empty: str = "Nothing yet."
    link: str = ""
    template = "admin/dashboard/columns.html"
    wide = False


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of a list: what, a remark, where it leads, and a badge."""

    title: str
    remark: str = ""
    link: str = ""
    badge: str = ""
    tone: str = ""


@dataclass(frozen=True, slots=True)
class Entries:
    title: str
    entries: list = field(default_factory=list)
    hint: str = ""
    empty: str = "Nothing yet."
    link: str = ""
    template = "admin/dashboard/entries.html"
    wide = False


def seen_by(request, model):
    """The rows that the person may see: what a panel counts and shows."""
    return permissions.narrow(model._default_manager.all(), request.user, "view")


def panel(*, order):
    """Register a function of the request that returns a panel, or None for somebody who may not see it."""

    def register(make):
        _panels.append((order, make))
        return make

    return register


def panels_for(request):
    made = (make(request) for _, make in sorted(_panels, key=lambda item: item[0]))
    return [panel for panel in made if panel is not None]


def count_up_to_window(queryset):
    """The number of rows as text, counting no further than WINDOW: "10,000+"."""
    number = queryset.order_by(*NEWEST_FIRST)[: WINDOW + 1].count()
    return f"{WINDOW:,}+" if number > WINDOW else f"{number:,}"


def newest(queryset):
    """`queryset`, looking only among the newest WINDOW rows of its table.

    The moment of the oldest of them is asked for first: PostgreSQL knows how few rows follow a moment that is written
    out, where it would join a subquery to the whole table.
    """
    moments = queryset.model._default_manager.order_by(*NEWEST_FIRST)
    for oldest in moments.values_list("created_at", flat=True)[WINDOW - 1 : WINDOW]:
        return queryset.filter(created_at__gte=oldest) if oldest else queryset
    return queryset
