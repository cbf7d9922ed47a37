"""Requests that leave: however the other side behaves, they end in time and in a sentence."""

import socket
import threading
import time

import pytest
import urllib3.connection

from nexora.kernel import exchanges, outgoing
from nexora.kernel.outgoing import Unreachable
from tests.kernel.other_side import OtherSide, certificate, other_sides, post, post_to, wait_for_exchanges_to_end

SOON = 0.4


@pytest.fixture
def other_side(settings):
    with other_sides(settings) as start:
        yield start


@pytest.fixture
def impatient(monkeypatch):
    monkeypatch.setattr(outgoing, "SECONDS", SOON)


def sentence_after(side):
    """How the message goes on after the address, of which the query is no part."""
    began = time.monotonic()
    with pytest.raises(Unreachable) as failed:
        post(side)
    assert time.monotonic() - began < 2
    detail = failed.value.detail
    assert detail.startswith(f"http://127.0.0.1:{side.port}/hooks ") and "sesame" not in detail
    return detail.split(" ", 1)[1]


# -- Other sides that do not answer


LATE = f"did not answer within {SOON} s."
TORN = "did not send a whole answer."
NOT_HTTP = "did not answer in HTTP as it should."


def dripping(first, piece):
    """An answer that never ends: each piece comes long before any time limit of a socket."""

    def answer(side):
        return lambda client: side.pour(client, [first, *[piece] * 1000], pause=0.05)

    return answer


@pytest.mark.parametrize(
    "answer",
    [
        dripping(b"", b""),
        dripping(b"HTTP/1.1 200 O", b"K"),
        dripping(b"HTTP/1.1 200 OK\r\nX-A: ", b"b"),
        dripping(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n", b"x"),
        dripping(b"HTTP/1.1 200 OK\r\n\r\n", b"x"),
        dripping(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n"),
        dripping(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n", b"X-A: b\r\n"),
        dripping(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    ],
    ids=["silence", "status", "header", "body", "endless", "chunks", "trailers", "continue"],
)
@pytest.mark.usefixtures("impatient")
def test_the_time_is_that_of_all_together(other_side, answer):
    side = other_side()
    side.answer = answer(side)
    assert sentence_after(side) == LATE
    wait_for_exchanges_to_end(seconds=SOON / 2)


@pytest.mark.usefixtures("impatient")
def test_the_lookup_of_a_name_is_in_that_time(settings, monkeypatch):
    answered = threading.Event()

    def getaddrinfo(*args, **kwargs):
        answered.wait(5)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("93.184.216.34", 443))]

    connected = []
    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    monkeypatch.setattr(urllib3.connection.connection, "create_connection", lambda *a, **kw: connected.append(a))
    with pytest.raises(Unreachable, match=f"^https://slow.test/ did not answer within {SOON} s.$"):
        post_to("https://slow.test/")
    answered.set()
    wait_for_exchanges_to_end()
    assert connected == [], "a request that was given up on must not be sent after all"


@pytest.mark.usefixtures("impatient")
def test_what_was_given_up_on_while_it_connected_is_not_sent(other_side, monkeypatch):
    side, connect, go_on = other_side(), urllib3.connection.connection.create_connection, threading.Event()

    def create_connection(*args, **kwargs):
        go_on.wait(5)
        return connect(*args, **kwargs)

    monkeypatch.setattr(urllib3.connection.connection, "create_connection", create_connection)
    assert sentence_after(side) == LATE
    go_on.set()
    wait_for_exchanges_to_end()
    assert side.requests == []


@pytest.mark.usefixtures("impatient")
def test_a_handshake_is_in_that_time(settings):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        settings.OUTGOING_HOSTS = {("127.0.0.1", port)}
        with pytest.raises(Unreachable, match=f"did not answer within {SOON} s"):
            post_to(f"https://127.0.0.1:{port}/")
        wait_for_exchanges_to_end()


def test_a_port_that_speaks_no_tls_is_told(other_side):
    side = other_side()
    side.greeting = b"220 mail.example.com ESMTP\r\n"
    with pytest.raises(Unreachable, match="has no valid certificate, or does not speak TLS"):
        post_to(f"https://127.0.0.1:{side.port}/")


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (b"", TORN),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf", TORN),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nha", TORN),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", TORN),
        (b"220 mail.example.com ESMTP\r\n", NOT_HTTP),
        (b"\x00\x01\x02\x03\r\n\r\n", NOT_HTTP),
        (b"HTTP/1.1 999999 Never\r\n\r\n", NOT_HTTP),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", NOT_HTTP),
        (b"HTTP/1.1 200 OK\r\nX-A: " + b"b" * 70_000 + b"\r\n\r\n", NOT_HTTP),
        (b"HTTP/1.1 200 OK\r\n" + b"X-A: b\r\n" * 200 + b"\r\n", NOT_HTTP),
    ],
)
def test_a_broken_answer_is_told_in_a_sentence(other_side, answer, sentence):
    assert sentence_after(other_side(answer)) == sentence


def test_a_port_that_nobody_listens_on_takes_no_connection(other_side):
    side = other_side()
    side.__exit__()
    assert sentence_after(side) == "takes no connection."


def test_a_name_that_nobody_has_is_told(monkeypatch):
    def unknown(*args, **kwargs):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with pytest.raises(Unreachable, match=r"^https://a.test/x has no address: its host's name is not known\.$"):
        post_to("https://a.test/x?token=sesame")


def test_no_query_is_logged(other_side, caplog):
    caplog.set_level("WARNING")
    post(other_side(b"HTTP/1.1 200 OK\r\nno header at all\r\nContent-Length: 0\r\n\r\n"))
    sentence_after(other_side(b""))
    assert "sesame" not in caplog.text


# -- TLS


@pytest.fixture
def internet(monkeypatch, tmp_path):
    """open(name) starts a server that has a certificate for `name`, which stands for every public address."""
    with OtherSide() as side:
        connect = urllib3.connection.connection.create_connection
        side.connected = []

        def create_connection(address, *args, **kwargs):
            side.connected.append(address)
            return connect(("127.0.0.1", side.port), *args, **kwargs)

        def getaddrinfo(host, port, *args, _original=socket.getaddrinfo, **kwargs):
            return _original("93.184.216.34" if host.endswith(".test") else host, port, *args, **kwargs)

        monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
        monkeypatch.setattr(urllib3.connection.connection, "create_connection", create_connection)

        def open_(name, is_trusted=True):
            side.tls, client = certificate(tmp_path, name)
            side.tls.sni_callback = lambda wrapped, asked, context: side.names.append(asked)
            if is_trusted:
                monkeypatch.setattr(exchanges, "_tls_context", lambda: client)
            return side

        yield open_


def test_the_certificate_is_that_of_the_name_though_the_connection_goes_to_the_address(internet):
    side = internet("erp.acme.test")
    assert post_to("https://erp.acme.test/hooks").status == 200
    assert side.connected == [("93.184.216.34", 443)]
    assert side.names == ["erp.acme.test"]
    assert side.requests[0][1]["host"] == "erp.acme.test"


@pytest.mark.parametrize(
    ("name", "is_trusted"), [("93.184.216.34", True), ("evil.test", True), ("erp.acme.test", False)]
)
def test_another_certificate_is_told_and_nothing_is_sent(internet, name, is_trusted):
    side = internet(name, is_trusted)
    with pytest.raises(Unreachable, match=r"^https://erp\.acme\.test/hooks has no valid certificate"):
        post_to("https://erp.acme.test/hooks?token=sesame")
    assert side.requests == []


def test_certificates_are_verified_where_hosts_may_be_private_too(internet, settings):
    settings.OUTGOING_HOSTS = {("erp.acme.test", None)}
    side = internet("erp.acme.test")
    assert post_to("https://erp.acme.test/").status == 200
    internet("evil.test")
    with pytest.raises(Unreachable, match="no valid certificate"):
        post_to("https://erp.acme.test/")
    assert len(side.requests) == 1
