import json

import pytest
from django.core.exceptions import ValidationError
from hypothesis import given
from hypothesis import strategies as st

from nexora.kernel.json import MAX_DEPTH, validate_json, validate_list, validate_object

storable = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"))
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | storable,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(storable, inner, max_size=4),
    max_leaves=20,
)


@given(values)
def test_json_is_valid(value):
    validate_json(value)
    validate_json(json.loads(json.dumps(value)))


@pytest.mark.parametrize(
    "value",
    [
        "a\x00",
        "\ud800",
        {"\x00": 1},
        {"\udfff": 1},
        {1: 1},
        [float("nan")],
        [float("inf")],
        {"a": [-float("inf")]},
        2**63,
        -(2**63) - 1,
        {1, 2},
        b"bytes",
        object(),
    ],
)
def test_what_cannot_be_stored_is_refused(value):
    with pytest.raises(ValidationError):
        validate_json(value)


def nested(levels):
    value = 1
    for _ in range(levels):
        value = [value]
    return value


def test_depth_has_a_limit_and_costs_no_stack():
    validate_json(nested(MAX_DEPTH))
    for levels in (MAX_DEPTH + 1, 100_000):
        with pytest.raises(ValidationError, match="64 levels"):
            validate_json(nested(levels))


def test_objects_and_lists_are_told_apart():
    validate_object({})
    validate_list([])
    for refuse, value in ((validate_object, []), (validate_list, {}), (validate_object, None), (validate_list, "x")):
        with pytest.raises(ValidationError):
            refuse(value)
