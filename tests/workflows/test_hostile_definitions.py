"""Whatever somebody writes into a definition or a record: refused or contained, each in a fifth of a second."""

import gc
import time
from contextlib import contextmanager
from datetime import UTC, date, datetime

import pytest

from apps.workflows.definition.conditions import explain, holds, problems
from apps.workflows.definition.values import BadTemplate, BadValue, TooLarge, Unresolved, duration, jsonable, render
from apps.workflows.definition.values import problems as value_problems
from tests.workflows.language import look_up

pytestmark = pytest.mark.once

LONG = "x" * 1_000_000
FEW = 0.2  # seconds of this process


@contextmanager
def little_time():
    # A collection would look through all that the session has made, in whose time it happens to come.
    gc.disable()
    begin = time.process_time()
    try:
        yield
    finally:
        spent = time.process_time() - begin
        gc.enable()
    assert spent < FEW, f"took {spent:.2f} s"


def anywhere(path):
    return None


def nested(levels, wrap, inside):
    for _ in range(levels):
        inside = wrap(inside)
    return inside


def equals(value, path="record.name"):
    return {"path": path, "op": "eq", "value": value}


# -- Texts that cannot be read

REFUSED = {
    "a hundred thousand open braces": "{" * 100_000,
    "as many open braces as a text may have": "{" * 20_000,
    "braces within braces": "{{" * 9_000 + "record.name" + "}}" * 900,
    "a placeholder within one": "{{ record.{{ record.name }} }}",
    "braces never closed, again and again": "{{ record.name " * 1_300,
    "a million characters": LONG,
    "a million characters that fill in": "{{ record.name }}" * 60_000,
    "spaces without end": "{{" + " " * 19_990,
    "dots without end": "{{ record" + "." * 19_900 + " }}",
    "a path without end": "{{ record" + ".a" * 9_900 + " }}",
    "a name without end": "{{ record." + "a" * 19_900 + " }}",
    "filters without end": "{{ record.name" + " | upper" * 2_400 + " }}",
    "arguments without end": "{{ record.name | replace:" + ",".join(["'a'"] * 4_900) + " }}",
    "a quote never closed": "{{ record.name | default:'" + '"\'"' * 6_000,
    "a number without end": "{{ record.count | plus:" + "9" * 19_900 + " }}",
    "a number with an exponent": "{{ record.count | plus:1e400 }}",
    "a number that is none": "{{ record.count | plus:NaN }}",
    "a call": "{{ record.delete() }}",
    "an index": "{{ record['name'] }}",
    "a sum": "{{ 9**9**9 }}",
    "a filter by another name": "{{ record.name | __import__:'os' }}",
    "a filter of Jinja": "{{ record.name | attr:'__class__' }}",
    "a statement of Jinja": "{{ range(10**9) }}",
    "a root of Python": "{{ __builtins__.open }}",
    "a root of Django": "{{ settings.SECRET_KEY }}",
    "a time beyond all": "{{ now | plus:'P99999999D' }}",
    "a time beyond all numbers": "{{ now | minus:'P" + "9" * 10_000 + "D' }}",
    "a length beyond all": "{{ record.name | truncate:999999999999 }}",
    "nothing to replace": "{{ record.name | replace:'','xxxxxxxx' }}",
    "half a character": "{{ record.\ud800 }}",
    "a NUL in a path": "{{ record.\x00 }}",
    "letters that look like others": "{{ reсord.name }}",
    "digits that look like others": "{{ record.tags.٣ }}",
    "spaces that look like others": "{{\u2028record.name\u00a0}}",
}


@pytest.mark.parametrize("text", REFUSED.values(), ids=REFUSED.keys())
def test_a_text_is_refused(text):
    with little_time():
        assert len(value_problems({"a": [text]}, anywhere)) == 1
        with pytest.raises(BadTemplate) as caught:
            render({"a": [text]}, look_up)
        assert len(str(caught.value)) < 500
        assert problems(equals(text), anywhere)
        assert holds(equals(text), look_up, None) is holds({"not": equals(text)}, look_up, None) is False


# -- Texts that are only texts

CONTAINED = {
    "a format": "{0.__class__.__mro__[1].__subclasses__()}",
    "a format by name": "{record.__class__} %(record)s %n ${record} #{record} <%= record %>",
    "a statement": "{% for x in range(10) %}{% endfor %}",
    "a pattern that would never end": "(a+)+$ " + "a" * 10_000 + "!",
    "half a character": "\ud800 \udfff",
    "a NUL": "a\x00b",
    "closing braces": "}}" * 9_000,
    "single braces": "{ " * 9_000,
    "a number that is none": "1e400 NaN Infinity -0",
    "a path of the file system": "../../../../etc/passwd\x00.png",
}


@pytest.mark.parametrize("text", CONTAINED.values(), ids=CONTAINED.keys())
def test_a_text_stays_one(text):
    with little_time():
        assert value_problems(text, anywhere) == []
        assert render(text, look_up) == text
        for op in ("eq", "contains", "starts_with", "lte"):
            assert holds({"path": "record.name", "op": op, "value": text}, lambda path: text, None)


@pytest.mark.parametrize(
    "path", ["record.__class__", "record.__dict__.name", "record.name.upper", "record.tags.append", "record.tags.-1",
             "record.custom.keys", "now.__class__.__init__.__globals__", "steps.__proto__.x", "record.0",
             "record.tags.9999"],
)  # fmt: skip
def test_a_path_leads_into_no_attribute(path):
    with pytest.raises((Unresolved, BadTemplate)):
        render(f"{{{{ {path} }}}}", look_up)
    assert holds(equals(None, path), look_up, None) in (True, False)
    assert not holds({"path": path, "op": "contains", "value": "class"}, look_up, None)


def test_what_a_record_says_is_not_obeyed():
    evil = {"name": "{{ owner.email }}", "format": "{0.__class__}", "tags": ["{{ record.name }}", "{{ " * 50]}

    def finds(path):
        assert path[0] == "record"
        return evil[path[1]]

    definition = [
        "{{ record.name }} {{ record.format }}",
        "{{ record.tags }}",
        "{{ record.tags | lines | replace:'-','+' }}",
    ]
    assert render(definition, finds) == [
        "{{ owner.email }} {0.__class__}", evil["tags"], f"+ {{{{ record.name }}}}\n+ {evil['tags'][1]}",
    ]  # fmt: skip
    assert holds(equals("{{ record.name }}"), finds, None)


# -- Bombs


@pytest.mark.parametrize(
    ("template", "found"),
    [
        ("{{ now" + " | replace:'x','xxxxxxxxxxxxxxxx'" * 8 + " }}", "x" * 100),
        ("{{ now" + " | replace:'x','" + "x" * 2_000 + "' }}", "x" * 60_000),
        ("{{ now | join:'" + "x" * 19_000 + "' }}", list(range(100_000))),
        ("{{ now | lines }}", [LONG] * 1_000),
        ("{{ now | join:'' | join:'' }}", ["ab"] * 1_000_000),
        ("{{ now | json }}", {"a": ["\x00" * 60_000]}),
        ("{{ now | json | json | json | json }}", '"\\' * 8_000),
        ("{{ now | upper }}", "ΐ" * 60_000),
        ("{{ now }}" * 50, "x" * 60_000),
        ("{{ now }}", [[["x"] * 100] * 100] * 100),
        (["{{ now }}"] * 5_001, [1, 2]),
        (["{{ now | upper | lower | upper | lower | upper | lower | upper | lower }}"] * 5_000, "ß" * 30_000),
        (["{{ now | count | plus:1 }} {{ now | join | truncate:1 }}"] * 5_000, ["x"] * 9_000),
        ("{{ now }}", nested(10_000, lambda inner: [inner], 1)),
        ("a {{ now }}", nested(10_000, lambda inner: {"a": inner}, 1)),
        ("{{ now | json }}", nested(10_000, lambda inner: [inner], 1)),
        (["a {{ now }} b"] * 5_000, [{"a": [1] * 3_000}]),
        (["{{ now | json | truncate:9 }}"] * 5_000, [{"a": 1}] * 500),
        (["x"] * 1_000_000, None),
        (nested(10_000, lambda inner: [inner], "{{ now }}"), 1),
        (nested(10_000, lambda inner: {"a": inner}, 1), None),
    ],
    ids=range(21),
)  # fmt: skip
def test_a_bomb_is_too_large(template, found):
    with little_time(), pytest.raises(TooLarge):
        render(template, lambda path: found)
    condition = {"path": "record.name", "op": "eq", "value": template}
    with little_time():
        assert holds(condition, lambda path: found, None) in (True, False)


@pytest.mark.parametrize(
    "step", ["plus:'P3650D'", "minus:'P3650D'", "plus:999999999999999999", "minus:0.000000000000000001"]
)
@pytest.mark.parametrize(
    "found",
    [
        datetime(9999, 12, 31, 23, tzinfo=UTC), date(1, 1, 1), date(9999, 12, 31), "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:59:59-14:00",
        10**4_000, -(10**400), 1e308, float("inf"), float("nan"), "9" * 40, "9" * 1_000, "2026-02-30", "24:00", True,
    ],
    ids=range(15),
)  # fmt: skip
def test_arithmetic_ends_in_a_value_or_a_sentence(step, found):
    with little_time():
        try:
            value = render(f"{{{{ now{f' | {step}' * 8} }}}}", lambda path: found)
        except BadValue as error:
            assert str(error).startswith("now | ")
        else:
            assert len(str(jsonable(value))) < 500


@pytest.mark.parametrize("found", [10**5_000, -(10**100_000), 1e308, 5e-324], ids=range(4))
def test_a_number_beyond_all_is_written_or_too_large(found):
    def finds(path):
        return found

    with little_time():
        try:
            assert len(render("= {{ now }}", finds)) <= 65_536
        except TooLarge:
            assert abs(found) > 16**65_000
        assert type(jsonable([found])[0]) is (str if isinstance(found, int) else float)
        assert explain({"path": "now", "op": "gt", "value": "a"}, finds, None)[0]["holds"] is False


def test_a_duration_costs_nothing():
    for text in ("P" + "9" * 1_000_000 + "D", "P" + "1D" * 500_000, "PT" * 500_000, LONG, "P1D" + "\n" * 100_000):
        with little_time(), pytest.raises(BadTemplate):
            duration(text)


# -- Trees

leaf = equals("Ada")
TREES = {
    "ten thousand times not": nested(10_000, lambda inner: {"not": inner}, leaf),
    "ten thousand times all": nested(10_000, lambda inner: {"all": [inner]}, leaf),
    "a deep value": equals(nested(10_000, lambda inner: [inner], "{{")),
    "a hundred thousand comparisons": {"any": [leaf] * 100_000},
    "a hundred thousand things": {"any": [1] * 100_000},
    "a hundred thousand groups": {"any": [{"all": []}] * 100_000},
    "all of any of all": nested(8, lambda inner: {"all": [inner] * 10}, leaf),
    "a hundred thousand keys": leaf | {str(number): number for number in range(100_000)},
    "a key of a million characters": leaf | {LONG: 1},
    "an op of a million characters": leaf | {"op": LONG},
    "a path of a million characters": leaf | {"path": "record." + LONG},
    "a path of a million parts": leaf | {"path": "record" + ".a" * 500_000},
    "a path that is none": leaf | {"path": "record.name\n"},
    "a million choices": leaf | {"op": "in", "value": [1] * 1_000_000},
    "a hundred thousand broken values": leaf | {"op": "in", "value": ["{{"] * 100_000},
    "a list of ops": leaf | {"op": ["eq", {}]},
    "a tree in its own path": leaf | {"path": leaf},
    "a pattern for an op": leaf | {"op": "regex", "value": "(a+)+$"},
}


@pytest.mark.parametrize("tree", TREES.values(), ids=TREES.keys())
def test_a_tree_is_refused(tree):
    with little_time():
        found = problems(tree, anywhere)
        assert 1 <= len(found) <= 100
        assert sum(len(pointer) + len(sentence) for pointer, sentence in found) < 3_000_000
    with little_time():
        assert holds(tree, look_up, None) in (True, False)
    with little_time():
        assert len(explain(tree, look_up, None)) <= 100


def test_a_large_value_is_compared_once():
    """A hundred comparisons with the largest list that may be filled in."""
    found = ["x" * 20] * 9_000 + ["y"]
    tree = {"any": [{"path": "record.tags", "op": "eq", "value": "{{ now }}"}] * 10}
    with little_time():
        assert not holds(tree, {("record", "tags"): found, ("now",): [*found[:-1], "z"]}.get, None)


def test_a_hundred_comparisons_share_what_may_be_done():
    shouted = "{{ item | upper | lower | upper | lower | upper | lower | truncate:9 }}"
    tree = {"any": [{"path": "record.name", "op": "in", "value": [shouted] * 20}] * 100}
    assert problems(tree, anywhere) == []
    with little_time():
        assert not holds(tree, lambda path: "ß" * 60_000, None)


def test_deep_values_are_compared_without_a_stack():
    one, other = (nested(50_000, lambda inner: [inner], number) for number in (1, 1))
    with little_time():
        assert holds({"path": "now", "op": "contains", "value": 1}, lambda path: one, None) is False
        assert holds(equals("{{ item }}", "now"), {("now",): one, ("item",): other}.get, None) is False
