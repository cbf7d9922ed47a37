"""What `make bench` is made of. The bench itself takes minutes and belongs to no test run."""

import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import psycopg
import pytest

from nexora.bench import operations
from nexora.bench.load import run
from nexora.bench.servers import Measured, Slice
from nexora.bench.statements import Counter, call

IDS = {"customers": ["c1", "c2"], "activities": ["a1"]}


def test_every_server_is_asked_the_same_operations():
    asked = [set(module(IDS, "company")) for module in (operations.nexora, operations.stock, operations.bare)]
    assert asked[0] == asked[1] == asked[2]
    assert all(path.startswith("/api/v1/") for requests in operations.at_scale(IDS).values() for _, path, _ in requests)


def test_numbers_are_medians_over_the_rounds():
    measured = Measured(
        [
            Slice(requests=100, seconds=1, cpu_seconds=0.1, latencies=[0.001] * 99 + [0.5]),
            Slice(requests=100, seconds=2, cpu_seconds=0.3, latencies=[0.002] * 100),
            Slice(requests=100, seconds=4, cpu_seconds=0.2, latencies=[0.002] * 100),
        ]
    )
    assert measured.per_second == 50
    assert measured.cpu_ms == pytest.approx(2)
    assert measured.percentile(0.5) == pytest.approx(2)
    assert measured.percentile(0.999) == pytest.approx(500)


@pytest.fixture
def server():
    """A server on a free port that answers 200, and 500 on /broken; keeps what it was sent."""
    seen = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self):
            seen.append(self.rfile.read(int(self.headers["Content-Length"] or 0)))
            self.send_response(500 if self.path == "/broken" else 200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *args):
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as running:
        running.seen = seen
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        yield running
        running.shutdown()
        thread.join()


def test_the_load_stops_by_itself_and_never_writes_the_same_twice(server):
    found = run(server.server_port, 5, 6, {}, [["POST", "/", "#"]])
    assert len(found["latencies"]) == 6
    assert found["failure"] is None
    assert len(set(server.seen)) == 6
    assert len(run(server.server_port, 0, 1_000, {}, [["POST", "/", "#"]])["latencies"]) == 1


def test_the_load_stops_at_the_first_failure(server):
    found = run(server.server_port, 5, 6, {}, [["POST", "/", "#"], ["POST", "/broken", "#"]])
    assert len(found["latencies"]) == 2
    assert found["failure"].startswith("POST /broken answered 500")


def test_statements_are_counted_but_for_the_scope_and_the_transaction(monkeypatch):
    class Cursor(psycopg.Cursor):
        def execute(self, query):
            return query

    counter = Counter()
    cursor = object.__new__(Cursor)
    counter.watch(Cursor, "execute")
    for query in ("SELECT set_config('x', '1', false)", "SAVEPOINT s1", "BEGIN", b"SELECT 1", " update t set a = 1"):
        cursor.execute(query)
    assert counter.count == 2


def test_a_request_reaches_the_application_as_a_server_would_hand_it_over():
    def application(environ, start_response):
        seen.update(environ)
        start_response("201 Created", [])
        return [environ["wsgi.input"].read()]

    seen = {}
    status = call(application, {"Host": "acme.localhost", "X-A": "b"}, "POST", "/path/?page_size=50", "body")
    assert status == "201 Created"
    assert (seen["HTTP_HOST"], seen["HTTP_X_A"], seen["PATH_INFO"]) == ("acme.localhost", "b", "/path/")
    assert (seen["QUERY_STRING"], seen["CONTENT_LENGTH"]) == ("page_size=50", "4")
