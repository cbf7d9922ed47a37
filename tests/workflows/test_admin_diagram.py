"""Definitions as boxes and in words."""

import pytest

from apps.workflows.admin import member_order, words
from apps.workflows.admin.diagram import diagram, outcomes_of
from apps.workflows.definition.registry import actions, triggers

TRIGGER = {"type": "record.created", "resource": "deals", "when": {"path": "record.value", "op": "gt", "value": "5"}}
FORK = {
    "key": "fork",
    "type": "branch",
    "with": {
        "if": {"path": "record.stage", "op": "in", "value": ["proposal", "negotiation"]},
        "then": [{"key": "wait", "type": "wait", "with": {"for": "P1DT2H"}}],
        "else": [{"key": "enough", "type": "stop"}],
    },
}
EACH = {
    "key": "each",
    "type": "for_each",
    "with": {"resource": "deals", "do": [{"key": "tell", "type": "notify", "with": {"text": "x"}}]},
    "on_error": {"branch": [{"key": "sorry", "type": "stop"}]},
}


def boxes(drawn):
    """{pointer: Box} of all."""
    found, waiting = {}, [drawn.start, *drawn.boxes]
    while waiting:
        box = waiting.pop()
        found[box.pointer] = box
        waiting += [inner for _, block in box.blocks for inner in block]
    return found


def test_steps_stand_in_the_block_that_they_belong_to():
    found = boxes(diagram(TRIGGER, [FORK, EACH]))
    assert {pointer: box.key for pointer, box in found.items()} == {
        "trigger": "",
        "actions/0": "fork",
        "actions/0/with/then/0": "wait",
        "actions/0/with/else/0": "enough",
        "actions/1": "each",
        "actions/1/with/do/0": "tell",
        "actions/1/on_error/branch/0": "sorry",
    }
    assert [title for title, _ in found["actions/1"].blocks] == ["For each", "If it fails"]
    assert found["trigger"].only_if == "record.value is more than 5"
    assert found["actions/0"].lines == [("if", "record.stage is one of proposal, negotiation")]
    assert found["actions/0/with/then/0"].lines == [("for", "1 day 2 hours")]


def test_every_kind_has_a_box_of_its_own():
    examples = [kind.example for kind in actions.values() if kind.example]
    drawn = diagram({"type": "manual"}, examples)
    assert [box.title for box in drawn.boxes] == [actions[given["type"]].title for given in examples]
    for kind in triggers.values():
        assert diagram(kind.example or {"type": kind.type}, []).start.title == kind.title


@pytest.mark.parametrize(
    ("trigger", "steps"),
    [
        ({"type": "x"}, "nonsense"),
        (None, None),
        ([1], [3, None, [], {}]),
        ({"type": ["a"]}, {"type": "notify"}),
        ({"type": "manual", "when": 7}, [{"key": 5, "type": ["a"], "with": "x", "when": [], "retry": 3}]),
        ({"type": "manual"}, [{"key": "a", "type": "branch", "with": {"if": {"all": 3}, "then": ["b"], "else": {}}}]),
        ({"type": "manual"}, [{"key": "a", "type": "stop", "on_error": {"branch": "x"}, "retry": {"max": "many"}}]),
        ({"type": "manual"}, [{"type": "wait", "with": {"for": {"a": [1]}}, "on_error": {}}]),
        ({"type": "manual"}, [{"type": "branch", "with": {"if": {"not": {"path": 3, "op": [], "value": {}}}}}]),
    ],
)
def test_what_is_no_definition_is_drawn_as_far_as_it_can_be(trigger, steps):
    drawn = diagram(trigger, steps)
    assert all(isinstance(box.title, str) and box.title for box in boxes(drawn).values())
    member_order.trigger(trigger)
    member_order.actions(steps)


def test_a_long_definition_is_cut():
    drawn = diagram({"type": "manual"}, [{"key": f"s{n}", "type": "stop"} for n in range(1000)])
    assert drawn.is_cut and len(drawn.boxes) < 300


def test_problems_stand_at_the_innermost_box():
    drawn = diagram(
        TRIGGER,
        [FORK],
        problems=[
            "actions/0/with/then/0/with/for: is no duration.",
            "actions/0/with/if/path: is unknown.",
            "actions: is too long.",
            "trigger/resource: is unknown.",
        ],
    )
    found = boxes(drawn)
    assert found["actions/0/with/then/0"].problems == ["with/for: is no duration."]
    assert found["actions/0"].problems == ["with/if/path: is unknown."] and found["actions/0"].tone == "danger"
    assert found["trigger"].problems == ["resource: is unknown."]
    assert drawn.problems == ["actions: is too long."]


def test_a_run_colours_the_steps_it_came_to_and_adds_up_rounds():
    rows = [("0", "completed"), ("0.else.0", "completed"), ("1", "completed")]
    rows += [("1#0.do.0", "completed"), ("1#1.do.0", "failed"), ("1#2.do.0", "completed"), ("1.on_error.0", "skipped")]
    found = boxes(diagram(TRIGGER, [FORK, EACH], outcomes=outcomes_of(rows)))
    assert found["actions/1/with/do/0"].outcomes == [("Failed", "danger", 1), ("Completed", "success", 2)]
    assert found["actions/1/with/do/0"].tone == "danger" and found["actions/1/on_error/branch/0"].tone == "skipped"
    assert found["actions/0/with/then/0"].is_left_out and not found["actions/0/with/else/0"].is_left_out


def test_secrets_are_in_no_box():
    given = {"method": "POST", "url": "https://x.example/?token=abc123", "headers": {"X-Api-Key": "abc123"}}
    drawn = diagram({"type": "manual"}, [{"key": "call", "type": "http.request", "with": given}])
    assert "abc123" not in str(drawn) and "x.example" in str(drawn)


@pytest.mark.parametrize(
    ("tree", "sentence"),
    [
        ({"path": "a.b", "op": "eq", "value": None}, "a.b is nothing"),
        ({"path": "a.b", "op": "is_null"}, "a.b is empty"),
        ({"path": "a.b", "op": "is_null", "value": False}, "a.b is not empty"),
        ({"path": "a.b", "op": "changed"}, "a.b has changed"),
        ({"path": "a.b", "op": "changed_to", "value": "x"}, "a.b has changed to x"),
        (
            {"all": [{"path": "a", "op": "ne", "value": 1}, {"any": [{"path": "b", "op": "lt", "value": 2},
                                                                   {"not": {"path": "c", "op": "gte", "value": 3}}]}]},
            "a is not 1 and (b is less than 2 or not (c is at least 3))",
        ),
        ({"path": "a", "op": "sounds_like", "value": 1}, "a sounds_like 1"),
        ("nonsense", "nonsense"),
    ],
)  # fmt: skip
def test_a_condition_is_a_sentence(tree, sentence):
    assert words.condition(tree) == sentence


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0.0 s"), (0.012, "12 ms"), (1.5, "1.5 s"), (180, "3 minutes"), (345_600, "4 days")]
)
def test_how_long_it_took(seconds, text):
    assert words.span(seconds) == text


def test_definitions_are_shown_in_the_order_in_which_people_write_them():
    """PostgreSQL keeps the members of an object by the length of their names."""
    stored = {"with": {"else": [], "then": [{"type": "stop", "key": "a"}], "if": {}}, "type": "branch", "key": "f"}
    (shown,) = member_order.actions([stored])
    assert list(shown) == ["key", "type", "with"] and list(shown["with"]) == ["if", "then", "else"]
    assert list(shown["with"]["then"][0]) == ["key", "type"] and shown == stored
    spec = {"when": {"not": {"op": "eq", "path": "record.name", "value": 1}}, "type": "record.created"}
    assert list(member_order.trigger(spec)) == ["type", "when"] and member_order.trigger(spec) == spec
    assert list(member_order.trigger(spec)["when"]["not"]) == ["path", "op", "value"]
    assert list(member_order.trigger({"to": 1, "resource": "deals", "type": "field.changed"})) == [
        "type",
        "resource",
        "to",
    ]
