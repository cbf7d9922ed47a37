import json
import string
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.workflows.definition.values import (
    ROOTS,
    BadTemplate,
    BadValue,
    Placeholder,
    TooLarge,
    Unresolved,
    duration,
    jsonable,
    placeholders,
    problems,
    render,
)
from nexora.kernel.json import validate_json
from tests.workflows.language import DAY, KEY, NOW, anything, found_values, look_up, seeing, templates

# -- Reading


def test_a_placeholder_is_read_with_its_place():
    text = "Hi {{ record.name | truncate:80|replace:'}}',\"|\" }}, {{now}}"
    assert placeholders(text) == [
        Placeholder(("record", "name"), (("truncate", (80,)), ("replace", ("}}", "|"))), 3, 51),
        Placeholder(("now",), (), 53, 60),
    ]
    assert text[3:51].endswith("}}") and text[53:60] == "{{now}}"


@pytest.mark.parametrize(
    ("literal", "argument"),
    [
        ("'a b'", "a b"), ('"it\'s"', "it's"), ("''", ""), ("'\n'", "\n"), ("0", 0), ("-12", -12),
        ("1.50", Decimal("1.50")), ("true", True), ("false", False),
    ],
)  # fmt: skip
def test_an_argument_is_a_literal(literal, argument):
    ((_, given),) = placeholders(f"{{{{ now | default : {literal} }}}}")[0].filters
    assert given == (argument,) and type(given[0]) is type(argument)


@pytest.mark.parametrize(
    ("text", "column", "sentence"),
    [
        ("a {{ record.name", 3, "never closed"),
        ("{{", 1, "never closed"),
        ("{{ now | ", 10, "name of a filter is missing"),
        ("{{ }}", 4, "path is missing"),
        ("{{}}", 3, "path is missing"),
        ("{{ . }}", 4, "begins with record"),
        ("{{ | upper }}", 4, "path is missing"),
        ("{{ customer.name }}", 4, "begins with record, before, .* not with 'customer'"),
        ("{{ record..name }}", 4, "no part of a path"),
        ("{{ record.tags.12345 }}", 4, "no part of a path"),
        ("{{ record.tags.-1 }}", 4, "no part of a path"),
        ("{{ record.2nd }}", 4, "no part of a path"),
        ("{{ record." + "a." * 7 + "a }}", 4, "at most 8 parts"),
        ("{{ record." + "a" * 65 + " }}", 4, "at most 64 characters"),
        ("{{ record.name email }}", 16, "go on with | or }}"),
        ("{{ record.name } }", 16, "go on with | or }}"),
        ("{{ record.name[0] }}", 15, "go on with | or }}"),
        ("{{ record.name() }}", 15, "go on with | or }}"),
        ("{{ 1 + 1 }}", 4, "begins with record"),
        ("{{ now | shout }}", 10, "no filter 'shout'. Filters are default, "),
        ("{{ now | __class__ }}", 10, "no filter '__class__'"),
        ("{{ now | upper:1 }}", 10, "upper takes nothing after it"),
        ("{{ now | truncate }}", 10, "truncate takes a number of characters .*such as truncate:80"),
        ("{{ now | truncate:'80' }}", 10, "truncate takes a number of characters"),
        ("{{ now | truncate:0 }}", 10, "truncate takes a number of characters"),
        ("{{ now | truncate:true }}", 10, "truncate takes a number of characters"),
        ("{{ now | truncate:8.5 }}", 10, "truncate takes a number of characters"),
        ("{{ now | replace:'a' }}", 10, "replace takes a text that is not empty and a text"),
        ("{{ now | replace:'','b' }}", 10, "replace takes a text that is not empty and a text"),
        ("{{ now | replace:'a','b','c' }}", 10, "replace takes"),
        ("{{ now | round:13 }}", 10, "round takes a number of decimals"),
        ("{{ now | plus:true }}", 10, "plus takes a duration or a number"),
        ("{{ now | plus:'soon' }}", 10, "A duration is written such as"),
        ("{{ now | plus:'P1M' }}", 10, "Years and months differ"),
        ("{{ now | default: }}", 19, "comes a 'text'"),
        ("{{ now | default:x }}", 18, "comes a 'text'"),
        ("{{ now | default:now }}", 18, "comes a 'text'"),
        ("{{ now | default:1e5 }}", 19, "go on with"),
        ("{{ now | default:'a }}", 18, "never closed"),
        ("{{ now | default:'a\\'b' }}", 22, "go on with"),
        ("{{ now" + " | trim" * 9 + " }}", 65, "at most 8 filters"),
        ("{{now}}" * 51, 351, "at most 50 in one text"),
    ],
)
def test_what_cannot_be_read_is_said_with_its_column(text, column, sentence):
    with pytest.raises(BadTemplate, match=sentence) as caught:
        placeholders(text)
    assert str(caught.value).endswith(f" (column {column}).")


def test_a_text_has_a_length_and_single_braces_are_text():
    assert placeholders("}} { {record.name} {% if %} ${x} %s {0} " * 400) == []
    assert len(placeholders("{{now}}" * 50)) == 50
    with pytest.raises(BadTemplate, match="at most 20,000 characters"):
        placeholders("x" * 20_001)


# -- Filling in


@pytest.mark.parametrize(
    ("value", "filled"),
    [
        ("{{ record.value }}", Decimal("1234.50")), ("{{record.due}}", NOW), ("{{ record.day }}", DAY),
        ("{{ record.won }}", True), ("{{ record.nothing }}", None), ("{{ record.tags }}", ["a", "b"]),
        ("{{ record.tags.1 }}", "b"), ("{{ record.custom.colours.0 }}", "red"), ("{{ record.id }}", KEY),
        ("{{ now | minus:'P21D' }}", datetime(2026, 11, 5, 9, 30, tzinfo=UTC)),
        (" {{ record.count }}", " 3"),
        ("{{ record.count }}{{ record.count }}", "33"),
        ("[{{ record.nothing }}]", "[]"), ("is {{ record.won }}", "is yes"), ("at {{ record.due }}",
        "at 26 Nov 2026, 09:30 UTC"),
        ("on {{ record.day }}", "on 26 Nov 2026"), ("for {{ record.value }}", "for 1234.50"), ("~{{ record.ratio }}",
        "~0.1"),
        ("#{{ record.id }}", f"#{KEY}"), ("in {{ record.tags }}", "in a, b"),
        ("= {{ record.mixed }}", '= , yes, 1, 2.50, 26 Nov 2026, x, {"a":[1,null]}, ["y"]'),
        ("= {{ record.custom }}", '= {"size":1,"colours":["red"],"since":"2026-11-26T09:30:00Z"}'),
        ({"{{ record.id }}": ["{{ record.count }}", 1, None, False]}, {"{{ record.id }}": [3, 1, None, False]}),
        ("no braces", "no braces"), (12.5, 12.5), ([], []), ({}, {}),
    ],
)  # fmt: skip
def test_values_are_filled_in(value, filled):
    assert render(value, look_up) == filled


@given(st.text() | templates)
def test_what_is_filled_in_is_never_read_again(text):
    asked = []

    def knows_one_text(path):
        asked.append(path)
        return text

    assert render({"a": ["{{ record.name }}"]}, knows_one_text) == {"a": [text]}
    assert render("a {{ record.name }} {{ record.name | default:'x' }}", knows_one_text) in (
        f"a {text} {text}",
        f"a {text} x",
    )
    assert asked == [("record", "name")] * 2


def test_the_answer_shares_no_list_with_the_definition():
    definition = {"to": ["x"], "json": {}}
    assert render(definition, look_up) == definition
    assert render(definition, look_up)["to"] is not definition["to"]


def test_a_missing_value_is_named_unless_a_default_comes_first():
    with pytest.raises(Unresolved, match=r"record\.phone has no value\.") as caught:
        render("Call {{ record.phone | upper | default:'nobody' }}", look_up)
    assert caught.value.path == ("record", "phone")
    assert render("Call {{ record.phone | default:'nobody' | upper }}", look_up) == "Call NOBODY"

    def nameless(path):
        raise Unresolved("The record is gone.")

    with pytest.raises(Unresolved, match="The record is gone") as caught:
        render("{{ record.email }}", nameless)
    assert caught.value.path == ("record", "email")


def test_what_the_look_up_raises_passes_through():
    for error in (KeyError("x"), TooLarge("x"), BadValue("x")):

        def broken(path, error=error):
            raise error

        with pytest.raises(type(error)) as caught:
            render("a {{ record.name | default:'x' }}", broken)
        assert caught.value is error


# -- Bounds


def giving(value):
    return lambda path: value


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ("{{ now }}", "x" * 65_537), ("a{{ now }}", "x" * 65_536), ("{{ now }}" * 2, "x" * 40_000),
        (["{{ now }}"] * 5, "x" * 60_000), ("{{ now }}", [1] * 10_001), (["{{ now }}"] * 2, [1] * 6_000),
        ("{{ now | lines }}", ["x" * 100] * 700), ("{{ now | join:'" + "x" * 700 + "' }}", [1] * 100),
        ("{{ now | json }}", ["x" * 7_000] * 10), ("{{ now | replace:'x','" + "y" * 100 + "' }}", "x" * 700),
        (["{{ now | upper | truncate:1 }}"] * 100, "x" * 65_000), ("{{ now }}", {"x" * 300_000: 1}),
    ],
)  # fmt: skip
def test_what_is_filled_in_has_a_size(value, found):
    with pytest.raises(TooLarge):
        render(value, giving(found))


def test_the_largest_that_may_be():
    assert len(render("{{ now }}", giving("x" * 65_536))) == 65_536
    assert len(render("a{{ now }}b", giving("x" * 65_534))) == 65_536
    assert len(render("{{ now | lines }}", giving(["x" * 63] * 992))) == 65_471
    assert len(render(["{{ now }}"] * 4, giving("x" * 65_536))) == 4
    assert render("{{ now | truncate:2 }}", giving("x" * 1_000_000)) == "x…"
    levels = 1
    for _ in range(63):
        levels = [levels]
    assert render("{{ now }}", giving(levels)) == levels
    with pytest.raises(TooLarge, match="64 levels"):
        render(["{{ now }}"], giving([levels]))


# -- Checking


def test_problems_say_where():
    def resolves(path):
        return None if path[-1] == "name" else f"There is no {path[-1]}."

    value = {
        "subject": "{{ record.emial }} {{ record.name }} {{ record.emial }} {{ record.fax }}",
        "json": {"items": [1, {"x": "{{ record.name | shout }}"}, None]},
        "to": "{{ record.name }}",
    }
    found = problems(value, resolves)
    assert [pointer for pointer, _ in found] == ["subject", "subject", "json/items/1/x"]
    assert [sentence for _, sentence in found[:2]] == ["There is no emial.", "There is no fax."]
    assert problems("{{", resolves) == [("", "{{ is never closed by }} (column 1).")]
    assert len(problems(["{{"] * 1_000, resolves)) == 100


@given(anything)
def test_whatever_it_is_problems_are_said_and_never_raised(value):
    for pointer, sentence in problems(value, lambda path: None):
        assert isinstance(pointer, str) and sentence.endswith(".")


@given(st.recursive(templates | st.integers(), lambda inner: st.lists(inner, max_size=3)), found_values)
def test_what_has_no_problems_can_be_filled_in(value, pool):
    if problems(value, lambda path: None):
        return
    try:
        found = render(value, seeing(pool))
    except (Unresolved, BadValue, TooLarge):
        return
    json.dumps(jsonable(found), allow_nan=False)
    validate_json(jsonable(found))


@pytest.mark.parametrize("root", ROOTS)
def test_every_root_may_be_named(root):
    assert placeholders(f"{{{{ {root}.x }}}}")[0].path == (root, "x")


# -- Durations and JSON


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("P4D", timedelta(days=4)), ("P2W", timedelta(weeks=2)), ("PT2H", timedelta(hours=2)), ("P0D", timedelta(0)),
        ("P1W2DT3H4M5.5S", timedelta(9, 5, 500_000, 0, 4, 3)), ("PT90M", timedelta(hours=1.5)),
        ("P3653D", timedelta(3653)),
    ],
)  # fmt: skip
def test_a_duration_is_iso_8601(text, found):
    assert duration(text) == found


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("P1M", "Years and months"), ("P1Y", "Years and months"), ("-P1D", "no sign"), ("P3654D", "ten years"),
        ("P" + "9" * 12 + "W", "ten years"),
        *((text, "is written such as") for text in ("", "P", "PT", "P1DT", "1D", "P1H", "PD", "P1.5D", "p1d", "P1D ",
        "P٣D", "P" + "9" * 13 + "D", None, 5, [])),
    ],
)  # fmt: skip
def test_what_is_no_duration_is_said(text, sentence):
    with pytest.raises(BadTemplate, match=sentence):
        duration(text)


def test_json_is_made_of_every_value():
    east = timezone(timedelta(hours=14))
    value = {
        "a": (NOW, DAY, Decimal("1.50"), KEY),
        "b": [2**63, float("nan"), datetime(2026, 1, 1, tzinfo=UTC).replace(tzinfo=None), "x", None, True],
    }
    assert jsonable(value) == {
        "a": ["2026-11-26T09:30:00Z", "2026-11-26", "1.50", str(KEY)],
        "b": [str(2**63), None, "2026-01-01T00:00:00Z", "x", None, True],
    }
    assert jsonable(datetime(2026, 1, 1, 1, tzinfo=east)) == "2025-12-31T11:00:00Z"
    assert jsonable(datetime(1, 1, 1, tzinfo=east)) == "0001-01-01T00:00:00+14:00"


def test_letters_of_other_alphabets_are_no_path():
    for letter in "éя٣\u200b\u00a0":
        with pytest.raises(BadTemplate):
            placeholders(f"{{{{ record.{letter} }}}}")
    assert placeholders(f"{{{{{string.whitespace[:4]}now{string.whitespace[:4]}}}}}")[0].path == ("now",)
