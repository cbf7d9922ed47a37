from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apps.crm.models import Deal
from nexora.kernel.api.pagination import Order, decode_cursor, encode_cursor
from nexora.kernel.scope import tenant_scope
from tests.factories import CustomerFactory, DealFactory

FIELDS = ["created_at", "expected_close_date", "probability", "value", "title", "stage", "closed_at"]
MONDAY = datetime(2026, 11, 23, 8, tzinfo=UTC)


def orderings():
    names = st.lists(st.sampled_from(FIELDS), min_size=1, max_size=3, unique=True)
    return st.builds(
        lambda names, signs: [f"-{n}" if down else n for n, down in zip(names, signs, strict=False)],
        names,
        st.lists(st.booleans(), min_size=3, max_size=3),
    )


def walk(order, queryset, size):
    """Every page, through the text of its cursor, as a client would."""
    seen, position = [], None
    while True:
        rows = order.page(queryset, position, size + 1)
        seen += rows[:size]
        if len(rows) <= size:
            return seen
        position = decode_cursor(order, encode_cursor(order, order.position(rows[size - 1])))


def sort_key(row, order):
    """What PostgreSQL's NULLS LAST in every direction means, in Python."""
    key = []
    for part in (*order.keys, order.tie):
        value = getattr(row, part.field)
        key.append((value is None, Reversed(value) if part.descending else value))
    return key


class Reversed:
    def __init__(self, value):
        self.value = value

    def __lt__(self, other):
        return other.value is not None and other.value < self.value

    def __eq__(self, other):
        return self.value == other.value


@pytest.fixture
def deals(acme, globex):
    """Rows full of ties and NULLs: the two things that lose or repeat rows."""
    customer = CustomerFactory(tenant=acme)
    moments = [None, MONDAY, MONDAY + timedelta(microseconds=1), MONDAY + timedelta(days=1)]
    for number in range(40):
        DealFactory(
            tenant=acme,
            customer=customer,
            created_at=moments[number % 4],
            expected_close_date=[None, date(2026, 1, 1), date(2026, 2, 1)][number % 3],
            probability=[None, 0, 50][number % 3],
            value=Decimal(["1.00", "1.10", "-3.00"][number % 3]),
            title=["a", "B", "ä", "'", "\u2028"][number % 5],
            stage="closed_won" if number % 2 else "proposal",
        )
    DealFactory(tenant=globex)
    with tenant_scope(acme):
        yield Deal.objects.all()


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(names=orderings(), size=st.integers(1, 60))
def test_paging_visits_every_row_once_and_in_order(deals, names, size):
    order = Order(Deal, names)
    seen = walk(order, deals, size)
    assert [row.pk for row in seen] == [row.pk for row in order.apply(deals)]
    assert len({row.pk for row in seen}) == 40


def test_nulls_come_last_in_both_directions(deals):
    for name in ("created_at", "-created_at"):
        order = Order(Deal, [name])
        values = [row.created_at for row in order.apply(deals)]
        assert values[-10:] == [None] * 10
        assert None not in values[:-10]
        rows = list(order.apply(deals))
        assert rows == sorted(rows, key=lambda row: sort_key(row, order))


def test_a_first_page_costs_one_query_and_a_later_one_at_most_two(deals):
    order = Order(Deal, ["-created_at"])
    with CaptureQueriesContext(
        connection,
    ) as queries:
        rows = order.page(deals, None, 11)
    assert len(queries) == 1
    with CaptureQueriesContext(connection) as queries:
        order.page(deals, order.position(rows[9]), 11)
    assert len(queries) == 1
    with CaptureQueriesContext(connection) as queries:
        assert len(order.page(deals, order.position(rows[9]), 100)) == 30
    assert len(queries) == 2


def test_the_newest_first_order_is_read_from_its_index(deals):
    order = Order(Deal, ["-created_at"])
    rows = order.page(deals, None, 3)
    statements = []
    for position in (None, order.position(rows[-1]), [None, rows[-1].pk]):
        with CaptureQueriesContext(connection) as queries:
            order.page(deals, position, 2)
        statements.append(queries[0]["sql"])
    with connection.cursor() as cursor:
        # The planner would rather read the whole of a small table.
        cursor.execute("SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off; SET LOCAL enable_sort = off")
        for statement in statements:
            cursor.execute(f"EXPLAIN {statement}")
            plan = "\n".join(line for (line,) in cursor.fetchall())
            assert "idx_deals_tenant_id_created_at_id" in plan, plan
            assert "Sort" not in plan, plan
        assert "ROW(created_at, id) <" in _explain(cursor, statements[1])


def _explain(cursor, statement):
    cursor.execute(f"EXPLAIN {statement}")
    return "\n".join(line for (line,) in cursor.fetchall()).split("Index Cond:")[1]


@settings(max_examples=200, deadline=None)
@given(text=st.text(max_size=80))
def test_no_text_that_we_did_not_write_is_a_cursor(text):
    with pytest.raises(ValueError, match="Not a cursor of this list"):
        decode_cursor(Order(Deal, ["-created_at"]), text)


def test_a_cursor_is_bound_to_its_list_order_and_tenant(acme, globex):
    position = [MONDAY, DealFactory.build(tenant=acme).pk]
    order = Order(Deal, ["-created_at"])
    with tenant_scope(acme):
        cursor = encode_cursor(order, position)
        assert decode_cursor(order, cursor) == position
        for other in (Order(Deal, ["created_at"]), Order(Deal, ["-updated_at"])):
            with pytest.raises(ValueError, match="Not a cursor"):
                decode_cursor(other, cursor)
        for altered in (cursor[:-1], cursor + "A", "A" + cursor[1:], cursor.swapcase()):
            with pytest.raises(ValueError, match="Not a cursor"):
                decode_cursor(order, altered)
    with tenant_scope(globex), pytest.raises(ValueError, match="Not a cursor"):
        decode_cursor(order, cursor)


# -- Through the API


def test_the_pages_of_a_list_follow_from_next(client_for, acme, member):
    customer = CustomerFactory(tenant=acme)
    made = {str(DealFactory(tenant=acme, customer=customer).pk) for _ in range(7)}
    client, url, seen = (
        client_for(member),
        "/api/v1/deals/?page_size=3&stage__in=qualification,proposal&ordering=title",
        [],
    )
    while url:
        answer = client.get(url).json()
        assert len(answer["results"]) <= 3
        seen += [row["id"] for row in answer["results"]]
        url = answer["next"]
    assert len(seen) == len(set(seen))
    assert set(seen) <= made


@pytest.mark.parametrize("size", ["0", "201", "-1", "1.5", "x", "", "1000000", "٣", "9" * 5000])
def test_a_page_size_outside_the_range_is_refused(client_for, member, size):
    answer = client_for(member).get("/api/v1/deals/", {"page_size": size})
    assert answer.status_code == 400
    assert answer.json()["errors"] == {"page_size": ["A whole number from 1 to 200."]}


@pytest.mark.parametrize("cursor", ["", "x", "AAAA", "=", "\x00", "😀", "W10"])
def test_a_cursor_that_is_none_is_refused(client_for, member, cursor):
    answer = client_for(member).get("/api/v1/deals/", {"cursor": cursor})
    assert answer.status_code == 400
    assert answer.json()["errors"].keys() == {"cursor"}


# -- Counting


def test_rows_are_counted_only_when_asked(client_for, acme, globex, member):
    customer, other = CustomerFactory(tenant=acme), CustomerFactory(tenant=globex)
    for stage in ("proposal", "proposal", "negotiation"):
        DealFactory(tenant=acme, customer=customer, stage=stage)
    DealFactory(tenant=globex, customer=other, stage="proposal")
    client = client_for(member)

    def page(**params):
        with CaptureQueriesContext(connection) as queries:
            answer = client.get("/api/v1/deals/", params).json()
        return answer, [q["sql"] for q in queries if 'FROM "deals"' in q["sql"]]

    uncounted, queries = page(count="false")
    assert uncounted.keys() == {"results", "next"} and len(queries) == 1 and "counted" not in queries[0]
    counted, queries = page(count="true", page_size=1)
    everything = counted["count"]
    assert len(queries) == 1 and "counted" in queries[0]
    # The count is of all pages, on each of them.
    assert client.get(counted["next"]).json()["count"] == everything == len(uncounted["results"])
    assert page(count="true", stage="negotiation")[0]["count"] == sum(
        deal["stage"] == "negotiation" for deal in uncounted["results"]
    )


@pytest.mark.parametrize("text", ["1", "yes", "", "TRUE"])
def test_counting_is_true_or_false(client_for, member, text):
    answer = client_for(member).get("/api/v1/deals/", {"count": text})
    assert answer.status_code == 400
    assert answer.json()["errors"] == {"count": ["true or false."]}
