"""Whatever is sent to whichever address: an answer, never a fault."""

import json

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.contracts import routes

AWKWARD = [
    "1e400", "NaN", "-0", "Infinity", "\x00", "a\x00b", "٣", "\uff11\uff12", "1_0",
    " ", ",", "a,b", "%", "_", "'", "\\",
    "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "2024-02-30", "9999-12-31", "24:00",
    "00000000-0000-0000-0000-000000000000", "99999999999999999999999", "-1e49", "true", "null",
]  # fmt: skip
texts = st.text(st.characters(exclude_categories=["Cs"])) | st.sampled_from(AWKWARD)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from([*AWKWARD, 10**40, "\ud800"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
LISTS = routes.LISTS
CREATES = [route for route in routes.ON_TENANT if ("post", "create") in route.methods]
thorough = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


def assert_answered(answer):
    assert answer.status_code < 500, answer.content
    if answer.status_code >= 400:
        assert answer.headers["Content-Type"] == "application/problem+json"


@thorough
@given(data=st.data())
def test_a_list_bears_any_parameter(client_for, admin, data):
    route = data.draw(st.sampled_from(LISTS))
    viewset = route.viewset
    known = [*viewset.filterset_class.base_filters, "search", "ordering", "cursor", "page_size"]
    params = data.draw(st.dictionaries(st.sampled_from(known) | st.text(max_size=5), texts, max_size=3))
    assert_answered(client_for(admin).get(route.address(), params))


@thorough
@given(data=st.data())
def test_a_write_bears_any_value(client_for, admin, acme, data):
    route = data.draw(st.sampled_from(CREATES))
    fields = sorted(route.viewset.serializer_class().fields)
    body = data.draw(st.dictionaries(st.sampled_from(fields) | st.text(max_size=5), values, min_size=1, max_size=4))
    sound = routes.body_for(route, routes.make(route.model, acme)) if data.draw(st.booleans()) else {}
    client = client_for(admin)
    answer = client.post(route.address(), json.dumps(sound | body, default=str), content_type="application/json")
    assert_answered(answer)
    if answer.status_code == 201:
        # What could be stored can be read, compared and listed.
        assert client.get(answer.headers["Location"]).json() == answer.json()
        assert client.get(route.address()).status_code == 200
