"""A record to look things up in, and what hypothesis may write into a definition and find in a record."""

from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from uuid import UUID

from hypothesis import strategies as st

from apps.workflows.definition.conditions import OPS
from apps.workflows.definition.filters import FILTERS
from apps.workflows.definition.values import Unresolved

KEY = UUID("6f1f0d5e-0000-4000-8000-00000000c0de")
NOW = datetime(2026, 11, 26, 9, 30, tzinfo=UTC)
DAY = date(2026, 11, 26)
RECORD = {
    "id": KEY,
    "name": "ada LOVELACE",
    "blank": "",
    "padded": "  x ",
    "value": Decimal("1234.50"),
    "due": NOW,
    "day": DAY,
    "text_day": "2026-11-26",
    "text_due": "2026-11-26T11:30:00+02:00",
    "nothing": None,
    "won": True,
    "count": 3,
    "ratio": 0.1,
    "tags": ["a", "b"],
    "empty": [],
    "mixed": [None, True, 1, Decimal("2.50"), DAY, "x", {"a": [1, None]}, ["y"]],
    "custom": {"size": 1, "colours": ["red"], "since": NOW},
}


def look_up(path):
    value = {"record": RECORD, "now": NOW}
    for part in path:
        try:
            value = value[int(part)] if isinstance(value, list) else value[part]
        except (KeyError, IndexError, TypeError, ValueError):
            raise Unresolved(f"{'.'.join(path)} has no value.") from None
    return value


storable = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=20)
scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(), max_size=20)
    | st.sampled_from([10**400, "\ud800", "\x00", "1e400", "NaN", "12.50", "2026-11-26", "2026-11-26T09:30:00Z"])
)
anything = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4)
)

PIECES = [
    "{{", "}}", "{{ record.name }}", "{{ now | minus:'P1D' }}", "{{ item.x | default:'y' | upper }}", "{", "}", " ",
    "|",
    ":", ",", "'", '"', ".", "record", "record.name", "now", "steps.a.b", "x", "1", "-1.5", "true", "P1D", "'P1D'",
    "__class__",
    "{{ record.name", *(f"| {known.example}" for known in FILTERS.values()),
]  # fmt: skip
pipelines = st.builds(
    lambda path, filters: f"{{{{ {path} {' '.join(filters)} }}}}",
    st.sampled_from(["record.name", "now", "steps.a.b.0", "item.x", "owner.email"]),
    st.lists(st.sampled_from([f"| {known.example}" for known in FILTERS.values()] + ["| plus:1"]), max_size=4),
)
templates = st.lists(st.sampled_from(PIECES) | pipelines | storable, max_size=6).map("".join)

# What a record or a step may hold.
zones = st.integers(-14, 14).map(lambda hours: timezone(timedelta(hours=hours)))
found_scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | storable
    | templates
    | st.decimals()
    | st.uuids()
    | st.dates()
    | st.datetimes(timezones=st.none() | zones)
    | st.sampled_from([10**4_200, "12.50", "2026-11-26", "2026-11-26T09:30:00Z"])
)
found_values = st.lists(
    st.recursive(
        found_scalars,
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(storable, inner, max_size=3),
        max_leaves=8,
    ),
    min_size=1,
    max_size=5,
)


def seeing(pool):
    """A look_up that finds one of `pool` at each path, and nothing at some."""

    def look_up(path):
        number = sum(map(ord, "".join(path))) % (len(pool) + 1)
        if number == len(pool):
            raise Unresolved(f"{'.'.join(path)} has no value.")
        return pool[number]

    return look_up


# Conditions.


def groups(inner, fewest):
    several = st.lists(inner, min_size=fewest, max_size=3)
    return st.one_of(
        st.fixed_dictionaries({"all": several}),
        st.fixed_dictionaries({"any": several}),
        st.fixed_dictionaries({"not": inner}),
    )


def sound_operand(op):
    """Members of a comparison beside path and op."""
    scalar = st.booleans() | st.integers() | storable.filter(lambda text: "{{" not in text) | pipelines
    order = st.integers() | st.floats(allow_nan=False, allow_infinity=False) | pipelines | st.just("2026-11-26")
    match op:
        case "changed":
            return st.just({})
        case "is_null":
            return st.just({}) | st.fixed_dictionaries({"value": st.booleans()})
        case "gt" | "gte" | "lt" | "lte":
            return st.fixed_dictionaries({"value": order})
        case "in":
            return st.fixed_dictionaries({"value": st.lists(scalar, min_size=1, max_size=3) | pipelines})
        case "contains":
            return st.fixed_dictionaries({"value": scalar})
        case "starts_with":
            return st.fixed_dictionaries({"value": storable.filter(lambda text: "{{" not in text)})
    return st.fixed_dictionaries({"value": st.none() | scalar | st.lists(scalar, max_size=2)})


def sound_comparison(op):
    paths = ["record.name"] if op.startswith("changed") else ["record.name", "before.x.0", "steps.a.b", "now", "item.x"]
    return st.builds(lambda path, rest: {"path": path, "op": op} | rest, st.sampled_from(paths), sound_operand(op))


paths = st.sampled_from(["record.name", "record.value", "before.name", "now", "record", "record..x", "x", 5])
operands = scalars | pipelines | st.lists(scalars | pipelines, max_size=3) | anything
comparisons = st.fixed_dictionaries(
    {"path": paths, "op": st.sampled_from([*OPS, "like"])}, optional={"value": operands, "extra": st.none()}
)
sound_comparisons = st.sampled_from(list(OPS)).flatmap(sound_comparison)
conditions = st.recursive(comparisons | sound_comparisons, lambda inner: groups(inner, 0), max_leaves=6)
sound_conditions = st.recursive(sound_comparisons, lambda inner: groups(inner, 1), max_leaves=6)
