import re
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from apps.workflows.definition.filters import FILTERS
from apps.workflows.definition.values import BadTemplate, BadValue, placeholders, render
from tests.workflows.language import RECORD, look_up


def in_record(expression):
    return render(f"{{{{ record.{expression} }}}}", look_up)


APPLIED = [
    ("nothing | default:'x'", "x"), ("blank | default:5", 5), ("unknown | default:true", True), ("name | default:'x'",
    "ada LOVELACE"),
    ("empty | default:'x'", []), ("nothing | upper | default:'x'", "x"),
    ("name | upper", "ADA LOVELACE"), ("count | upper", "3"), ("nothing | upper", None),
    ("name | lower", "ada lovelace"), ("name | capitalize", "Ada LOVELACE"), ("blank | capitalize", ""),
    ("padded | trim", "x"), ("name | truncate:12", "ada LOVELACE"), ("name | truncate:4", "ada…"),
    ("name | truncate:1", "…"),
    ("name | replace:'a','.'", ".d. LOVELACE"), ("value | replace:'.',','", "1234,50"), ("name | replace:'x','y'",
    "ada LOVELACE"),
    ("due | date", "26 Nov 2026"), ("day | date", "26 Nov 2026"), ("text_day | date", "26 Nov 2026"),
    ("text_due | date", "26 Nov 2026"),
    ("due | datetime", "26 Nov 2026, 09:30 UTC"), ("day | datetime", "26 Nov 2026, 00:00 UTC"),
    ("text_due | datetime", "26 Nov 2026, 09:30 UTC"),
    ("due | iso", "2026-11-26T09:30:00Z"), ("day | iso", "2026-11-26"), ("text_due | iso", "2026-11-26T09:30:00Z"),
    ("value | money", "1,234.50"), ("count | money", "3.00"), ("ratio | money", "0.10"),
    ("value | minus:1234.504 | money", "0.00"),
    ("value | number", "1,234.5"), ("count | number", "3"), ("value | round | number", "1,235"),
    ("value | round:1", Decimal("1234.5")), ("value | round", Decimal("1235")), ("count | round:2", 3),
    ("ratio | round:0", Decimal(0)),
    ("due | plus:'P1DT30M'", datetime(2026, 11, 27, 10, 0, tzinfo=UTC)), ("day | plus:'P1W'", date(2026, 12, 3)),
    ("day | plus:'PT2H'", datetime(2026, 11, 26, 2, tzinfo=UTC)), ("text_day | minus:'P26D'", date(2026, 10, 31)),
    ("text_due | minus:'PT30M'", datetime(2026, 11, 26, 9, 0, tzinfo=UTC)),
    ("count | plus:1", 4), ("count | minus:0.5", Decimal("2.5")), ("ratio | plus:0.2", Decimal("0.3")),
    ("value | plus:1", Decimal("1235.50")),
    ("tags | lines", "- a\n- b"), ("empty | lines", ""), ("mixed | lines",
    "- \n- yes\n- 1\n- 2.50\n- 26 Nov 2026\n- x\n- {\"a\":[1,null]}\n- [\"y\"]"),
    ("tags | join", "a, b"), ("tags | join:' / '", "a / b"), ("empty | join", ""),
    ("tags | count", 2), ("empty | count", 0), ("custom | count", 3), ("nothing | count", None),
    ("tags | first", "a"), ("empty | first", None), ("tags | last | upper", "B"), ("empty | last", None),
    ("custom | json", '{"size":1,"colours":["red"],"since":"2026-11-26T09:30:00Z"}'), ("nothing | json", "null"),
    ("name | json", '"ada LOVELACE"'),
]  # fmt: skip


@pytest.mark.parametrize(("expression", "filled"), APPLIED)
def test_a_filter_is_applied(expression, filled):
    found = in_record(expression)
    assert found == filled and type(found) is type(filled)


def test_every_filter_is_in_the_table_and_says_how_it_is_written():
    assert {name for expression, _ in APPLIED for name in re.findall(r"\| (\w+)", expression)} == set(FILTERS)
    for name, known in FILTERS.items():
        ((read, _),) = placeholders(f"{{{{ now | {known.example} }}}}")[0].filters
        assert read == known.name == name and known.title


@pytest.mark.parametrize(
    ("expression", "sentence"),
    [
        ("tags | upper", "takes a text, not a list."), ("custom | truncate:5", "takes a text, not an object."),
        ("name | date", "takes a date, not a text that is none."), ("count | datetime",
        "takes a date, not a number."),
        ("won | money", "takes a number, not true or false."), ("name | round:2",
        "takes a number, not a text that is none."),
        ("name | plus:1", "takes a number, not a text"), ("due | plus:1", "takes a number, not a date."),
        ("count | plus:'P1D'", "takes a date, not a number."),
        ("name | lines", "takes a list, not a text."), ("custom | first", "takes a list, not an object."),
        ("name | count", "takes a list or an object, not a text."),
        ("day" + " | plus:'P3650D'" * 8 + " | x", None), ("far | plus:'P3650D'", "leads beyond the years 1 to 9999."),
        ("early | minus:'PT1S'", "leads beyond"),
        ("huge | plus:1", "takes a number"), ("wide | money", "takes a number"),
    ],
)  # fmt: skip
def test_a_filter_that_does_not_fit_names_the_path_and_itself(expression, sentence, monkeypatch):
    monkeypatch.setitem(RECORD, "far", date(9999, 1, 1))
    monkeypatch.setitem(RECORD, "early", datetime(1, 1, 1, tzinfo=UTC))
    monkeypatch.setitem(RECORD, "huge", 10**4_000)
    monkeypatch.setitem(RECORD, "wide", Decimal("1e9999"))
    if sentence is None:
        with pytest.raises(BadTemplate):
            in_record(expression)
        return
    with pytest.raises(BadValue) as caught:
        in_record(expression)
    path, _, rest = expression.partition(" | ")
    assert str(caught.value).startswith(f"record.{path} | {rest.partition(':')[0]} {sentence}")
