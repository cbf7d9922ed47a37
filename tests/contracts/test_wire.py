"""What no client library sends, on a socket of the production server: refused by it or by us, and never a fault.

The server answers what is no HTTP by itself, with a status and nothing else; whatever reaches the application under
/api/ is answered with problem+json.
"""

import json
import time

import pytest

from tests.contracts.wire import CUSTOMERS, Server, organisation

# django_db for the database itself: the server sees nothing of a test's transaction.
pytestmark = [pytest.mark.slow, pytest.mark.django_db]

MEGABYTE = 1024 * 1024
JSON = b"Content-Type: application/json\r\n"
CLOSE = b"Connection: close\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n"
ADA = b'{"name": "Ada"}'
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
# 10,000 of them are more than a server need read.
MANY_LINES = b"".join(b"X-%d: a\r\n" % i for i in range(10_000))


@pytest.fixture(scope="module")
def home(django_db_setup, django_db_blocker):
    with django_db_blocker.unblock(), organisation() as (host, token):
        yield b"Host: " + host.encode() + b"\r\n", b"Authorization: Bearer " + token.encode() + b"\r\n"


@pytest.fixture(scope="module")
def running(home, django_db_blocker, tmp_path_factory):
    place = tmp_path_factory.mktemp("web")
    (place / "static").mkdir()
    (place / "static" / "a.css").write_text("a {}")
    (place / "secret").write_text("secret")
    with django_db_blocker.unblock():
        server = Server(place / "web.log", place / "static")
    try:
        yield server
    finally:
        server.stop()


@pytest.fixture
def server(running, home):
    """The server, which must serve the next person as if nothing had happened."""
    yield running
    answer = running.send(request(home))
    assert (answer.status, list(answer.json())) == (200, ["results", "next"])
    assert running.is_unharmed()
    assert "Traceback" not in running.child.output() and "panicked" not in running.child.output()


def request(home, *headers, method=b"GET", path=CUSTOMERS, version=b"HTTP/1.1", host=None, body=b"", end=CLOSE):
    host = home[0] if host is None else host
    return b"%b %b %b\r\n%b%b\r\n%b" % (method, path, version, host, end + home[1] + b"".join(headers), body)


def post(home, body, *headers, length=None, **kwargs):
    length = b"Content-Length: %d\r\n" % (len(body) if length is None else length)
    return request(home, JSON, length, *headers, method=b"POST", body=body, **kwargs)


def in_chunks(*parts):
    return b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"


def chunked(home, body, *headers, **kwargs):
    return request(home, JSON, CHUNKED, *headers, method=b"POST", body=body, **kwargs)


# {what: (function of `home` that makes the bytes, status of the server)}
NO_HTTP = {
    "noise": (lambda home: b"\x00\xff\x16\x03\x01noise\r\n\r\n", 400),
    "TLS": (lambda home: b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"A" * 500, 400),
    "HTTP/0.9": (lambda home: b"GET /\r\n\r\n", 400),
    "HTTP/9.9": (lambda home: request(home, version=b"HTTP/9.9"), 400),
    "HTTP/2.0 without its preface": (lambda home: request(home, version=b"HTTP/2.0"), 400),
    "NUL in the path": (lambda home: request(home, path=b"/api/\x00"), 400),
    "CR in the path": (lambda home: request(home, path=b"/api/\rx"), 400),
    "blank in the path": (lambda home: request(home, path=b"/api/ x"), 400),
    "a path without its slash": (lambda home: request(home, path=b"api/v1/"), 400),
    "a path of 70,000 letters": (lambda home: request(home, path=b"/" + b"a" * 70_000), 414),
    "NUL in a header": (lambda home: request(home, b"X-A: a\x00b\r\n"), 400),
    "CR in a header": (lambda home: request(home, b"X-A: a\rX-B: b\r\n"), 400),
    "a folded header": (lambda home: request(home, b"X-A: a\r\n b\r\n"), 400),
    "a header without its colon": (lambda home: request(home, b"nonsense\r\n"), 400),
    "a blank before the colon": (lambda home: request(home, b"X-A : b\r\n"), 400),
    "a header of a megabyte": (lambda home: request(home, b"X-A: " + b"x" * MEGABYTE + b"\r\n"), 431),
    "10,000 headers": (lambda home: request(home, MANY_LINES), 431),
    "one header 10,000 times": (lambda home: request(home, b"Cookie: a=b\r\n" * 10_000), 431),
    "a method that is none": (lambda home: request(home, method=b"G\xffT"), 400),
    "a length below nothing": (lambda home: post(home, ADA, length=-5), 400),
    "a length beyond 64 bits": (lambda home: post(home, ADA, length=10**30), 400),
    "two lengths": (lambda home: post(home, ADA, b"Content-Length: 5\r\n"), 400),
    "a coding that is none": (
        lambda home: request(home, JSON, b"Transfer-Encoding: x\r\n", method=b"POST", body=in_chunks(ADA)), 400,
    ),
    "chunks in HTTP/1.0": (lambda home: chunked(home, in_chunks(ADA), version=b"HTTP/1.0"), 400),
}  # fmt: skip

# The same with the application's status.
HOSTILE = {
    "1,000 empty lines before": (lambda home: b"\r\n" * 1000 + request(home), 200),
    "lines without CR": (lambda home: request(home).replace(b"\r\n", b"\n"), 200),
    "HTTP/1.0": (lambda home: request(home, version=b"HTTP/1.0"), 200),
    "a coded NUL in the path": (lambda home: request(home, path=b"/api/v1/cust%00omers/"), 404),
    "a coded line end in the path": (lambda home: request(home, path=b"/api/v1/customers/%0d%0aSet-Cookie:%20a/"), 404),
    "dots": (lambda home: request(home, path=b"/api/v1/../../etc/passwd"), 404),
    "a path of 60,000 letters": (lambda home: request(home, path=CUSTOMERS + b"a" * 60_000 + b"/"), 404),
    "a query of 20,000 letters": (lambda home: request(home, path=b"/api/v1/customers/?search=" + b"a" * 20_000), 414),
    "a header of 70,000 letters": (lambda home: request(home, b"X-A: " + b"x" * 70_000 + b"\r\n"), 200),
    "an ETag of 70,000 letters": (lambda home: request(home, b'If-Match: "' + b"x" * 70_000 + b'"\r\n'), 200),
    "bytes in a header that are no ASCII": (lambda home: request(home, b"Accept-Language: \xff\xfe\r\n"), 200),
    "headers that look like the server's own": (
        lambda home: request(home, b"Http_Host: x\r\nTransfer_Encoding: chunked\r\nContent_Length: 9\r\n"), 200,
    ),
    "an absolute address": (lambda home: request(home, path=b"http://evil.example/api/v1/customers/"), 200),
    "no host": (lambda home: request(home, host=b""), 404),
    "an empty host": (lambda home: request(home, host=b"Host: \r\n"), 404),
    "an unknown host": (lambda home: request(home, host=b"Host: evil.example\r\n"), 404),
    "a host that is none": (lambda home: request(home, host=b"Host: a b%00\xff\r\n"), 404),
    "a host of 60,000 letters": (lambda home: request(home, host=b"Host: " + b"a" * 60_000 + b"\r\n"), 404),
    "a host with a name before it": (lambda home: request(home, host=home[0].replace(b": ", b": x@")), 404),
    "two hosts": (lambda home: request(home, host=home[0] + b"Host: globex.localhost\r\n"), 404),
    "the same host twice": (lambda home: request(home, host=home[0] * 2), 404),
    "a forwarded host": (lambda home: request(home, b"X-Forwarded-Host: evil.example\r\n"), 200),
    "a method of 10,000 letters": (lambda home: request(home, method=b"X" * 10_000), 405),
    "a method of every sign": (lambda home: request(home, method=b"!#$%&'*+-.^_`|~"), 405),
    "TRACE": (lambda home: request(home, method=b"TRACE"), 405),
    "10 MB": (lambda home: post(home, b" " * (10 * MEGABYTE)), 413),
    "10 MB in chunks": (lambda home: chunked(home, in_chunks(*[b" " * MEGABYTE] * 10)), 413),
    "10 GB, says the length": (lambda home: post(home, b"", length=10**10), 413),
    "a length that is too short": (lambda home: post(home, ADA, length=5), 400),
    "chunks that are none": (lambda home: chunked(home, b"zz\r\nnonsense\r\n"), 400),
    "a chunk below nothing": (lambda home: chunked(home, b"-5\r\nnonsense\r\n"), 400),
    "a chunk beyond 64 bits": (lambda home: chunked(home, b"f" * 17 + b"\r\nx"), 400),
    "packed bytes": (lambda home: post(home, b"\x1f\x8b\x08\x00", b"Content-Encoding: gzip\r\n"), 400),
    "chunks in a GET": (lambda home: request(home, CHUNKED, body=in_chunks(ADA)), 200),
    "an upgrade to HTTP/2": (lambda home: request(home, b"Upgrade: h2c\r\nHTTP2-Settings: AAMA\r\n"), 200),
    "an upgrade to a WebSocket": (lambda home: request(home, b"Upgrade: websocket\r\n"), 200),
}  # fmt: skip


@pytest.mark.parametrize("what", NO_HTTP)
def test_the_server_refuses_what_is_no_http(what, server, home):
    make, status = NO_HTTP[what]
    answer = server.send(make(home))
    assert (answer.status, answer.is_by_application, answer.body) == (status, False, b"")


@pytest.mark.parametrize("what", HOSTILE)
def test_the_application_answers_everything_else(what, server, home):
    make, status = HOSTILE[what]
    answer = server.send(make(home))
    assert answer.status == status, answer
    assert_problem(answer)


def assert_problem(answer):
    if answer.status >= 400:
        assert answer.content_type == "application/problem+json"
        assert answer.json()["status"] == answer.status
    else:
        assert answer.content_type == "application/json"


# -- Bodies


@pytest.mark.parametrize(
    "make",
    [
        lambda home: post(home, ADA),
        lambda home: chunked(home, in_chunks(ADA)),
        lambda home: chunked(home, in_chunks(*(ADA[i : i + 1] for i in range(len(ADA))))),
        # Chunks count where both are given.
        lambda home: chunked(home, in_chunks(ADA), b"Content-Length: 5\r\n"),
        lambda home: post(home, ADA, b"Content-Length: %d\r\n" % len(ADA)),
        lambda home: post(home, ADA, b"Expect: 100-continue\r\n"),
        lambda home: post(home, ADA, b"Expect: 200-maybe\r\n"),
    ],
    ids=["announced", "one chunk", "chunks of a byte", "both", "announced twice", "expected", "expecting nonsense"],
)
def test_a_body_is_read_however_it_comes(make, server, home):
    answer = server.send(make(home))
    assert (answer.status, answer.json()["name"]) == (201, "Ada")


def test_a_body_that_waits_to_be_asked_for_is_asked_for(server, home):
    asked = post(home, ADA, b"Expect: 100-continue\r\n")
    with server.connect() as connected:
        connected.sendall(asked.removesuffix(ADA))
        assert connected.recv(1000).startswith(b"HTTP/1.1 100 ")
        connected.sendall(ADA)
        assert connected.recv(1000).startswith(b"HTTP/1.1 201 ")


TORN = b'{"name": "Torn"}'


@pytest.mark.parametrize(
    "make",
    [
        lambda home: post(home, TORN[:9], length=len(TORN)),
        # What has come could be read, but more was to come.
        lambda home: post(home, TORN, length=len(TORN) + 9),
        lambda home: chunked(home, b"%x\r\n%b" % (len(TORN), TORN[:9])),
    ],
    ids=["torn", "torn after its end", "torn chunk"],
)
def test_a_body_that_ends_early_does_nothing(make, server, home):
    answer = server.send(make(home), then_close=True)
    assert (answer.status, answer.json()["code"]) == (400, "malformed")
    left = server.send(request(home, path=CUSTOMERS + b"?name=Torn"))
    assert left.json()["results"] == []


def test_bodies_that_do_not_come_hold_nobody_else_up(server, home):
    # Each holds a thread until its client goes; with as many as there are threads, everybody waits for that.
    waiting = [server.connect() for _ in range(3)]
    for connected in waiting:
        connected.sendall(post(home, ADA[:5], length=len(ADA)))
    time.sleep(0.1)
    assert server.send(request(home)).status == 200
    for connected in waiting:
        connected.close()


# -- Several requests on one connection


def test_requests_that_do_not_wait_for_answers_get_them_in_order(server, home):
    kept = [request(home, path=path, end=b"") for path in (b"/healthz", CUSTOMERS, b"/api/v1/x/") * 7]
    said = server.send_all(b"".join(kept) + request(home))
    statuses = [int(part[:3]) for part in said.split(b"HTTP/1.1 ")[1:]]
    assert statuses == [200, 200, 404] * 7 + [200]


def test_a_refused_body_is_not_taken_for_the_next_request(server, home):
    inner = request(home, path=b"/healthz")
    said = server.send_all(post(home, inner, length=len(inner) + 10 * MEGABYTE, end=b"", path=b"/api/v1/deals/"))
    assert [part[:3] for part in said.split(b"HTTP/1.1 ")[1:]] == [b"413"]


def test_noise_after_a_request_ends_the_connection(server, home):
    said = server.send_all(request(home, end=b"") + b"\x00noise\r\n\r\n")
    assert [part[:3] for part in said.split(b"HTTP/1.1 ")[1:]] == [b"200", b"400"]


# -- HTTP/2, which the server speaks to whoever begins with its preface


def frame(kind, flags, stream, payload=b""):
    return len(payload).to_bytes(3) + bytes([kind, flags]) + stream.to_bytes(4) + payload


def literal(index, value):
    """A header that is in no table, by the number of its name."""
    name = bytes([index]) if index < 15 else b"\x0f" + bytes([index - 15])
    size = len(value)
    # HPACK's integers of seven bits.
    length = bytes([size]) if size < 127 else b"\x7f" + bytes([(size - 127) % 128 | 128, (size - 127) // 128])
    return name + length + value


@pytest.mark.parametrize("noise", [b"", b"\xff" * 2000, frame(1, 5, 1, b"\xff" * 100), frame(0, 1, 7, b"x")])
def test_noise_in_http_2_ends_in_silence(noise, server, home):
    with server.connect() as connected:
        connected.sendall(PREFACE + frame(4, 0, 0) + noise)
        assert b"HTTP/1.1 5" not in connected.recv(1000)


def test_a_body_of_http_2_needs_no_length(server, home):
    host, token = (line.split(b": ", 1)[1].strip() for line in home)
    headers = b"\x83\x86" + literal(4, CUSTOMERS) + literal(1, host)
    headers += literal(31, b"application/json") + literal(23, token)
    with server.connect() as connected:
        connected.sendall(PREFACE + frame(4, 0, 0) + frame(1, 4, 1, headers) + frame(0, 1, 1, ADA))
        said = b""
        while b'"created_at"' not in said:
            said += connected.recv(65536)
    answer = json.loads(said[said.index(b'{"') : said.rindex(b"}") + 1])
    assert answer["name"] == "Ada"


# -- Files, which the server finds by itself


@pytest.mark.parametrize(
    "path", [b"/static/../secret", b"/static/%2e%2e/secret", b"/static/..%2fsecret", b"/static//../secret",
             b"/static/%00", b"/static/%ff", b"/static/", b"/static/none.css", b"/static/" + b"a" * 5000],
)  # fmt: skip
def test_no_address_leads_out_of_the_static_files(path, server, home):
    assert server.send(request(home, path=b"/static/a.css")).body == b"a {}"
    answer = server.send(request(home, path=path))
    assert answer.status == 404 and answer.body != b"secret"
