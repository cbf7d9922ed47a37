import json
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from uuid import UUID

import pytest
from django.conf import settings
from hypothesis import given
from jsonschema import Draft202012Validator

from apps.workflows.definition.conditions import KINDS, OPS, explain, holds, problems, schema
from apps.workflows.definition.values import BadValue
from tests.workflows.language import (
    KEY,
    NOW,
    anything,
    conditions,
    found_scalars,
    found_values,
    look_up,
    seeing,
    sound_conditions,
)

TREE = {
    "all": [
        {"path": "record.name", "op": "starts_with", "value": "ADA"},
        {"any": [{"path": "record.count", "op": "gt", "value": 5}, {"path": "record.won", "op": "eq", "value": True}]},
        {"not": {"path": "record.due", "op": "lt", "value": "{{ now | minus:'P1D' }}"}},
    ]
}


def anywhere(path):
    return None


def leaf(op, value=..., path="record.name"):
    return {"path": path, "op": op} | ({} if value is ... else {"value": value})


def compares(found, op, value):
    return holds(leaf(op, value), lambda path: found, None)


# -- Comparing


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (None, None), (True, True), ("a", "a"), (1, 1.0), (Decimal("0.1"), 0.1), (Decimal("1200.00"), 1200),
        (Decimal("1200.00"), "1200"), ("1200.0", 1200), (2**60 + 1, str(2**60 + 1)), (-0.0, 0),
        (KEY, str(KEY)), (KEY, str(KEY).upper()), (KEY, UUID(str(KEY))),
        (NOW, "2026-11-26T09:30:00Z"), (NOW, "2026-11-26T11:30:00+02:00"), (NOW, "2026-11-26T09:30"),
        (date(2026, 11, 26), "2026-11-26"), (date(2026, 11, 26), datetime(2026, 11, 26, tzinfo=UTC)),
        (date(2026, 11, 26), "2026-11-26T02:00:00+02:00"),
        ([1, "a", None], [1.0, "a", None]), ({"a": [Decimal(1)]}, {"a": [1]}), ([], []), ({}, {}),
    ],
)  # fmt: skip
def test_what_is_equal(one, other):
    for found, value in ((one, other), (other, one)):
        assert compares(found, "eq", value) and not compares(found, "ne", value)
        assert compares(found, "in", ["x", value]) and compares([found], "contains", value) is (value is not None)
        assert not compares(found, "gt", value) and not compares(found, "lt", value)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (None, ""), (None, False), (None, 0), (None, []), (True, 1), (True, "true"), (False, 0), (False, ""), ("a",
        "A"),
        ("a", "a "), ("1", "1.0"), (1, "1a"), (1, "1e0"), (1, " 1"), (0.1, Decimal("0.10000000000000001")),
        (2**60, float(2**60) + 2**10),
        (float("nan"), float("nan")), (Decimal("NaN"), Decimal("NaN")), (Decimal("sNaN"), 1),
        (float("inf"), float("inf")),
        (KEY, UUID(int=1)), (KEY, KEY.int), (KEY, KEY.hex), (NOW, NOW.timestamp()), (NOW, "26 Nov 2026"), (NOW,
        "2026-11-26"),
        ("2026-11-26", "2026-11-26T00:00:00Z"), (date(2026, 11, 26), "2026-11-31"), ([1], 1), ([1], [1, 2]),
        ([1], [True]), ({"a": 1}, {"b": 1}),
        ({}, []), ([], ""), (10**4_000, 10**4_000),
    ],
)  # fmt: skip
def test_what_is_unequal(one, other):
    for found, value in ((one, other), (other, one)):
        assert compares(found, "ne", value) and not compares(found, "eq", value)
        assert not compares(found, "in", [value])


@pytest.mark.parametrize(
    ("less", "more"),
    [
        (1, 2), (-1, 0.5), (Decimal("9.99"), 10), (Decimal("9.99"), "10"), ("9.99", Decimal(10)),
        (0.1, Decimal("0.11")), (2**60, 2**60 + 1),
        ("10", "9"), ("B", "a"), ("", "a"), (NOW, "2026-11-26T09:30:01Z"), ("2026-11-26", NOW),
        (date(2026, 11, 26), NOW),
        (date(2026, 11, 25), date(2026, 11, 26)), (date(2026, 11, 26), "2026-11-26T00:00:01Z"),
        (datetime(1, 1, 1, tzinfo=UTC), "9999-12-31"),
    ],
)  # fmt: skip
def test_what_is_less_than_what(less, more):
    for op, right, wrong in (("lt", less, more), ("lte", less, more), ("gt", more, less), ("gte", more, less)):
        assert compares(right, op, wrong) and not compares(wrong, op, right)
    assert compares(less, "lte", less) and compares(less, "gte", less)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (None, 1), (None, None), (True, False), (True, 0), (1, "a"), (1, NOW), (NOW, "soon"), (NOW, 5), (KEY, KEY),
        (KEY, "a"), ([1], [2]),
        ({}, {}), (float("nan"), 1), (float("inf"), 1), (Decimal("sNaN"), Decimal(1)), (10**4_000, 1),
    ],
)  # fmt: skip
def test_what_has_no_order(one, other):
    for op in ("gt", "gte", "lt", "lte"):
        assert not compares(one, op, other) and not compares(other, op, one)


@pytest.mark.parametrize(
    ("found", "op", "value", "result"),
    [
        ("Annual LICENCE", "contains", "licence", True), ("licence", "contains", "Annual", False), ("Straße",
        "contains", "STRASSE", True),
        ("12", "contains", 1, False), (12, "contains", 1, False), (None, "contains", "", False), ({"a": 1},
        "contains", "a", False),
        (["a", "B"], "contains", "b", False), (["a", "B"], "contains", "B", True), ([Decimal(1)],
        "contains", 1, True), ([], "contains", "a", False),
        ("Ada", "starts_with", "aD", True), ("Ada", "starts_with", "da", False), (["Ada"], "starts_with", "A", False),
        (None, "starts_with", "a", False),
        ("a", "in", ["A", "b"], False), (None, "in", [None], True), (True, "in", [1], False), (1, "in", "1", False),
        (["a"], "in", ["a"], False),
        (None, "is_null", ..., True), (None, "is_null", True, True), (None, "is_null", False, False), ("",
        "is_null", ..., False), ([], "is_null", False, True),
    ],
)  # fmt: skip
def test_what_texts_and_lists_hold(found, op, value, result):
    assert compares(found, op, value) is result


@pytest.mark.parametrize(
    ("op", "value", "result"),
    [
        ("changed", ..., True), ("changed_to", "won", True), ("changed_to", "lost", False), ("changed_to",
        "Won", False),
        ("changed_from", "lost", True), ("changed_from", "won", False), ("changed_to", "{{ record.stage }}", True),
    ],
)  # fmt: skip
def test_a_change_is_asked_about(op, value, result):
    changes = {"stage": ("lost", "won"), "value": ("1200.00", "1300.00"), "same": (1, 1)}
    assert holds(leaf(op, value, "record.stage"), lambda path: "won", changes) is result
    for without in (None, {}, {"other": (1, 2)}, {"stage": ("won", "won")}):
        assert holds(leaf(op, value, "record.stage"), lambda path: "won", without) is False
    assert holds(leaf("changed_to", 1300, "record.value"), look_up, changes)
    assert holds(leaf("changed_from", None, "record.stage"), look_up, {"stage": (None, "new")})


def test_every_op_is_known_and_asked_about_once():
    assert set(OPS) == {
        "eq", "ne", "gt", "gte", "lt", "lte", "in", "contains", "starts_with", "is_null", "changed", "changed_to",
        "changed_from",
    }  # fmt: skip


def test_what_is_missing_is_null_on_both_sides():
    gone = "record.gone"
    assert holds(leaf("is_null", path=gone), look_up, None) and holds(leaf("eq", None, gone), look_up, None)
    assert holds(leaf("eq", "{{ record.gone }}", gone), look_up, None)
    assert holds(leaf("in", ["{{ record.gone }}", "{{ record.count }}"], "record.count"), look_up, None)
    assert not holds(leaf("gt", "{{ record.gone }}", "record.count"), look_up, None)
    assert not holds(leaf("lt", "{{ record.tags | upper }}", "record.count"), look_up, None)
    assert holds(leaf("eq", "{{ record.gone | default:3 }}", "record.count"), look_up, None)


# -- Trees


def test_groups_combine_what_is_in_them():
    assert problems(TREE, anywhere) == []
    assert holds(TREE, look_up, None)
    yes, no = leaf("is_null", False), leaf("is_null")
    assert holds({"all": [yes, yes]}, look_up, None) and not holds({"all": [yes, no]}, look_up, None)
    assert holds({"any": [no, yes]}, look_up, None) and not holds({"any": [no, no]}, look_up, None)
    assert holds({"not": no}, look_up, None) and not holds({"not": {"not": no}}, look_up, None)


def test_each_path_is_asked_for_once_and_only_if_it_matters():
    asked = []

    def counts(path):
        asked.append(path)
        return look_up(path)

    name = leaf("eq", "{{ record.name }}")
    assert holds({"any": [{"all": [name, name]}, leaf("eq", 1, "record.count")]}, counts, None)
    assert asked == [("record", "name")]


def test_an_explanation_has_a_line_for_every_comparison():
    changes = {"stage": ("lost", "won")}
    tree = {"any": [*TREE["all"], leaf("changed_to", "won", "record.stage"), leaf("is_null", path="record.gone")]}
    found = explain(tree, look_up, changes)
    assert [(line["path"], line["op"], line["holds"]) for line in found] == [
        ("record.name", "starts_with", True), ("record.count", "gt", False), ("record.won", "eq", True),
        ("record.due", "lt", False), ("record.stage", "changed_to", True), ("record.gone", "is_null", True),
    ]  # fmt: skip
    assert found[3] == {
        "path": "record.due", "op": "lt", "value": "2026-11-25T09:30:00Z", "found": "2026-11-26T09:30:00Z",
        "holds": False,
    }  # fmt: skip
    assert found[4]["found"] == ["lost", "won"] and found[5]["value"] is None
    assert json.loads(json.dumps(found)) == found


def test_what_the_look_up_raises_passes_through():
    for error in (KeyError("x"), BadValue("x"), RuntimeError("x")):

        def broken(path, error=error):
            raise error

        for evaluate in (holds, explain):
            with pytest.raises(type(error)):
                evaluate(leaf("eq", 1), broken, None)


# -- Checking


@pytest.mark.parametrize(
    ("tree", "pointer", "sentence"),
    [
        (None, "", "is no condition"), ([], "", "is no condition"), ("record.name", "", "is no condition"), ({},
        "path", "is missing"), ({}, "op", "is missing"),
        ({"all": []}, "all", "at least one"), ({"any": {}}, "any", "is a list"), ({"not": []}, "not",
        "is no condition"), ({"all": [1]}, "all/0", "is no condition"),
        ({"all": [leaf("changed")], "any": []}, "", "One of all, any and not"), ({"all": [leaf("changed")],
        "path": "now"}, "", "stands alone"),
        (leaf("eq", 1) | {"vlaue": 1}, "vlaue", "is unknown. A comparison has path, op and value."),
        (leaf("like", "a"), "op", "is unknown. Known are eq, ne, gt"), (leaf(["eq"], "a"), "op", "is unknown"),
        (leaf(None, "a"), "op", "is unknown"),
        ({"op": "changed"}, "path", "is missing"), (leaf("eq", 1, 5), "path", "must be a text"), (leaf("eq", 1, ""),
        "path", "A path is missing"),
        (leaf("eq", 1, "customer.name"), "path", "not with 'customer'"), (leaf("eq", 1, "record.name | upper"),
        "path", "no part of a path"),
        (leaf("eq", 1, "{{ record.name }}"), "path", "begins with"), (leaf("eq", 1, "record.nowhere"), "path",
        "There is no nowhere."),
        (leaf("eq"), "value", "is missing. With eq it is a value."), (leaf("in"), "value",
        "is missing. With in it is a list"), (leaf("changed_to"), "value", "is missing"),
        (leaf("changed", 1), "value", "must be left out"), (leaf("is_null", "yes"), "value", "true or false"),
        (leaf("is_null", "{{ now }}"), "value", "true or false"),
        (leaf("is_null", None), "value", "is nothing. With is_null it is true or false"),
        (leaf("gt", None), "value", "is nothing. With gt it is a number, a date or a text."), (leaf("lte", True),
        "value", "true or false"), (leaf("lt", [1]), "value", "is a list"),
        (leaf("contains", ["a"]), "value", "is a list"), (leaf("contains", None), "value", "is nothing"),
        (leaf("starts_with", 5), "value", "is a number. With starts_with it is a text."),
        (leaf("in", []), "value", "a list of 1 to 200"), (leaf("in", [1] * 201), "value", "a list of 1 to 200"),
        (leaf("in", "a,b"), "value", "is a text"),
        (leaf("in", "{{ now }}{{ now }}"), "value", "is a text"), (leaf("in", {"a": 1}), "value", "is an object"),
        (leaf("in", ["a", "{{ x }}"]), "value/1", "begins with"),
        (leaf("eq", "{{ now | shout }}"), "value", "There is no filter 'shout'"), (leaf("eq", {"a": ["{{"]}),
        "value/a/0", "never closed"),
        (leaf("eq", "{{ record.nowhere }}"), "value", "There is no nowhere."),
        *((leaf(op, *value, path=path), "path", f"must be record.<field> with {op}") for op, *value in (("changed",),
        ("changed_to", 1), ("changed_from", 1))
          for path in ("record", "before.name", "record.customer.name", "now")),
    ],
)  # fmt: skip
def test_problems_say_what_is_wrong_and_where(tree, pointer, sentence):
    def resolves(path):
        return "There is no nowhere." if "nowhere" in path else None

    for wrap, prefix in ((lambda one: one, ""), (lambda one: {"any": [leaf("changed"), {"not": one}]}, "any/1/not")):
        found = problems(wrap(tree), resolves)
        at = "/".join(part for part in (prefix, pointer) if part)
        assert [said for place, said in found if place == at and sentence in said], found
        assert len(found) <= 2


def test_a_tree_has_at_most_ten_levels_and_a_hundred_comparisons():
    tree = leaf("changed")
    for _ in range(9):
        tree = {"not": tree}
    assert problems(tree, anywhere) == [] and holds(tree, look_up, {"name": (1, 2)}) is False
    assert problems({"not": tree}, anywhere) == [
        ("/".join(["not"] * 10), "is nested too deeply: a condition has at most 10 levels.")
    ]
    many = {"any": [leaf("is_null", False, "record.gone")] * 100}
    assert problems(many, anywhere) == [] and len(explain(many, look_up, None)) == 100
    more = {"any": [*many["any"], leaf("is_null", False)]}
    assert [pointer for pointer, _ in problems({"any": [more, many]}, anywhere)] == ["any/0/any/100"]
    assert holds(more, look_up, None) is False


def test_the_definitions_of_the_demo_are_sound():
    trees = []
    for row in json.loads((Path(settings.BASE_DIR) / "fixtures/04_workflows.json").read_text()):
        if row["model"] == "workflows.workflow":
            waiting = [row["fields"]["trigger"], row["fields"]["actions"]]
            while waiting:
                value = waiting.pop()
                if isinstance(value, dict):
                    trees += [value[name] for name in ("when", "if", "where") if name in value]
                waiting += value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    assert len(trees) >= 5
    for tree in trees:
        assert problems(tree, anywhere) == []
        assert holds(tree, look_up, None) in (True, False)


# -- Whatever it is


@given(anything | conditions, found_values)
def test_no_tree_raises(tree, pool):
    found = problems(tree, anywhere)
    assert all(isinstance(pointer, str) and sentence.endswith(".") for pointer, sentence in found)
    assert holds(tree, seeing(pool), {"name": (pool[0], pool[-1])}) in (True, False)
    json.dumps(explain(tree, seeing(pool), None), allow_nan=False)


@given(sound_conditions, found_values)
def test_a_tree_holds_as_its_explanation_says(tree, pool):
    assert problems(tree, anywhere) == []
    changes = {"name": (pool[0], pool[-1])}
    lines = iter(explain(tree, seeing(pool), changes))

    def combined(tree):
        for kind in KINDS:
            if kind in tree:
                inner = [combined(one) for one in (tree[kind] if kind != "not" else [tree[kind]])]
                return {"all": all(inner), "any": any(inner), "not": not inner[0]}[kind]
        return next(lines)["holds"]

    assert combined(tree) is holds(tree, seeing(pool), changes)
    assert next(lines, None) is None


@given(found_scalars, found_scalars)
def test_equality_is_mutual_and_excludes_less_and_more(one, other):
    def asked(op, found, value):
        return holds(leaf(op, "{{ now }}"), {("record", "name"): found, ("now",): value}.get, None)

    assert asked("eq", one, other) is asked("eq", other, one) is not asked("ne", one, other)
    assert asked("lt", one, other) is asked("gt", other, one)
    assert [asked(op, one, other) for op in ("eq", "lt", "gt")].count(True) <= 1
    assert asked("lte", one, other) in (asked("lt", one, other), asked("eq", one, other))


PUBLISHED = Draft202012Validator({**schema(), "$defs": {"condition": schema()}})


@given(anything | conditions | sound_conditions)
def test_the_schema_and_the_problems_agree(tree):
    """A schema does not read placeholders, nor count the whole; all else it says as well."""
    if not problems(tree, anywhere):
        assert PUBLISHED.is_valid(tree)
    if not PUBLISHED.is_valid(tree):
        assert problems(tree, anywhere)


def test_the_schema_is_one():
    Draft202012Validator.check_schema(schema())
    assert PUBLISHED.is_valid(TREE)
    for tree in (
        leaf("changed", 1),
        leaf("in", []),
        leaf("eq"),
        leaf("gt", None),
        {"all": []},
        leaf("changed", path="before.x"),
    ):
        assert not PUBLISHED.is_valid(tree)


def test_what_is_too_large_to_compare_with_is_null():
    value = "{{ record.name | replace:'a','" + "b" * 500 + "' }}"
    found = {("record", "name"): "a" * 500, ("now",): None}
    assert not holds(leaf("contains", value), found.get, None)
    assert holds(leaf("eq", value, "now"), found.get, None)
