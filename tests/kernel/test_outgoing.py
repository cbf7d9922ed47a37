"""Requests that leave: what the other side gets, and what it may do without harm."""

import gzip
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest
from standardwebhooks import Webhook

from nexora.kernel import clock, signatures
from nexora.kernel.outgoing import Refused, check_headers
from tests.kernel.other_side import OK, SECRET, other_sides, post, post_to, wait_for_exchanges_to_end

MB = 1024 * 1024
SOON = 0.4


@pytest.fixture
def other_side(settings):
    with other_sides(settings) as start:
        yield start


# -- What the other side gets


def test_a_message_is_signed_by_standard_webhooks(other_side):
    side = other_side()
    answer = post(side, headers={"X-Acme-Kind": "deal"})
    ((line, headers, body),) = side.requests
    assert line == "POST /hooks?token=sesame HTTP/1.1"
    assert Webhook(SECRET).verify(body, headers) == {"deal": 1}
    assert headers["webhook-id"] == headers["idempotency-key"] == "msg_1"
    assert (headers["user-agent"], headers["content-type"]) == ("NEXORA", "application/json")
    assert (headers["accept-encoding"], headers["x-acme-kind"]) == ("identity", "deal")
    assert headers["host"] == f"127.0.0.1:{side.port}"
    assert (answer.status, answer.body, answer.truncated) == (200, b"{}", False)
    assert answer.headers == {"content-type": "application/json", "content-length": "2"}
    assert 0 < answer.seconds < 2


def test_the_time_of_the_signature_may_be_given_and_is_otherwise_now(other_side):
    side = other_side()
    at = datetime(2026, 11, 26, 9, tzinfo=UTC)
    post(side, at=at)
    with clock.frozen_at(at):
        post(side)
    (_, given, body), (_, frozen, _) = side.requests
    assert given["webhook-signature"] == frozen["webhook-signature"]
    assert given["webhook-timestamp"] == str(int(at.timestamp()))
    assert given.items() >= signatures.sign("msg_1", body, secret=SECRET, at=at).items()


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE"])
def test_a_request_may_have_no_body(other_side, method):
    side = other_side()
    assert post(side, method=method, body=b"").status == 200
    ((line, headers, body),) = side.requests
    assert line.startswith(f"{method} /hooks") and body == b"" and "content-type" not in headers
    Webhook(SECRET).verify(body, headers, json_parse=False)


def test_a_definition_chooses_the_content_type(other_side):
    side = other_side()
    post(side, headers={"content-type": "text/plain"}, body="grüße".encode())
    ((_, headers, body),) = side.requests
    assert headers["content-type"] == "text/plain"
    Webhook(SECRET).verify(body, headers, json_parse=False)


def test_proxies_and_passwords_of_the_environment_are_not_used(other_side, monkeypatch, tmp_path):
    proxy, side = other_side(), other_side()
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
    monkeypatch.delenv("NO_PROXY", raising=False)
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login ada password sesame\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    assert post(side).status == 200
    ((_, headers, _),) = side.requests
    assert "authorization" not in headers
    assert proxy.requests == []


def test_several_threads_send_at_once(other_side):
    side = other_side()
    side.answer = lambda client: client.sendall(OK.replace(b"{}", side.requests[-1][2][:2])) or time.sleep(0.01)
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda number: post(side, message_id=f"msg_{number}"), range(40)))
    assert {answer.status for answer in answers} == {200}
    assert {headers["webhook-id"] for _, headers, _ in side.requests} == {f"msg_{number}" for number in range(40)}
    wait_for_exchanges_to_end()


# -- Answers


@pytest.mark.parametrize("status", [201, 204, 304, 400, 401, 404, 407, 429, 500, 503])
def test_every_status_is_an_answer(other_side, status):
    side = other_side(b"HTTP/1.1 %d Whatever\r\nRetry-After: 7\r\nContent-Length: 0\r\n\r\n" % status)
    answer = post(side)
    assert (answer.status, answer.body, answer.headers["retry-after"]) == (status, b"", "7")


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("kind", ["plain", "packed"])
def test_a_redirect_is_the_answer_and_neither_followed_nor_read(other_side, status, kind):
    inner = other_side()
    head = f"HTTP/1.1 {status} There\r\nLocation: http://127.0.0.1:{inner.port}/\r\n"
    head += "Content-Encoding: gzip\r\n" if kind == "packed" else ""
    content = gzip.compress(bytes(10 * MB)) * 1000 if kind == "packed" else bytes(10 * MB)
    side = other_side()
    side.answer = lambda client: side.pour(client, pieces(f"{head}Content-Length: {len(content)}\r\n\r\n", content))
    answer = post(side)
    assert (answer.status, answer.truncated, len(answer.body)) == (status, True, 64 * 1024)
    assert answer.headers["location"] == f"http://127.0.0.1:{inner.port}/"
    wait_for_exchanges_to_end()
    assert inner.requests == []
    assert side.sent < 5 * MB


def test_a_redirect_to_a_private_address_is_only_an_answer(other_side):
    side = other_side(b"HTTP/1.1 302 There\r\nLocation: http://169.254.169.254/\r\nContent-Length: 0\r\n\r\n")
    assert post(side).headers["location"] == "http://169.254.169.254/"
    broken = other_side(b"HTTP/1.1 302 There\r\nLocation: http://[\r\nContent-Length: 0\r\n\r\n")
    assert post(broken).status == 302


def pieces(head, content, size=16 * 1024):
    yield head.encode()
    for start in range(0, len(content), size):
        yield content[start : start + size]


@pytest.mark.parametrize("framing", ["length", "chunked", "until closed"])
def test_a_large_body_is_cut_and_not_read_further(other_side, framing):
    side = other_side()
    content = b"x" * 10 * MB
    head = {"length": f"Content-Length: {10 * MB}\r\n", "chunked": "Transfer-Encoding: chunked\r\n"}.get(framing, "")
    content = b"a00000\r\n" + content if framing == "chunked" else content
    side.answer = lambda client: side.pour(client, pieces(f"HTTP/1.1 200 OK\r\n{head}\r\n", content))
    answer = post(side)
    assert answer.body == b"x" * 64 * 1024
    assert answer.truncated is True
    wait_for_exchanges_to_end()
    assert side.sent < 5 * MB


@pytest.mark.parametrize(("size", "truncated"), [(64 * 1024 - 1, False), (64 * 1024, False), (64 * 1024 + 1, True)])
def test_just_so_large_a_body_is_whole(other_side, size, truncated):
    side = other_side(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size + b"x" * size)
    answer = post(side)
    assert (len(answer.body), answer.truncated) == (min(size, 64 * 1024), truncated)


def test_a_packed_body_stays_packed(other_side):
    bomb = gzip.compress(bytes(10 * MB))
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(bomb)
    answer = post(other_side(head + bomb))
    assert (answer.body, answer.truncated) == (bomb, False)
    assert answer.headers["content-encoding"] == "gzip"


def test_headers_of_the_answer_are_few_short_and_no_cookies(other_side):
    lines = [f"X-{number}: {'y' * 2000}" for number in range(60)]
    lines[:0] = [
        "Set-Cookie: session=sesame",
        "Set-Cookie2: a=b",
        "X-Odd: a\x00\x1b[2Jb\xff",
        "X-Twice: 1",
        "X-Twice: 2",
    ]
    head = "HTTP/1.1 200 OK\r\n" + "\r\n".join(lines) + "\r\nContent-Length: 0\r\n\r\n"
    headers = post(other_side(head.encode("latin-1"))).headers
    assert len(headers) == 50 and max(map(len, headers.values())) == 1000
    assert (headers["x-odd"], headers["x-twice"]) == ("a [2Jbÿ", "1, 2")
    assert not [name for name in headers if "cookie" in name]


# -- What may not be sent


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"method": "TRACE"}, "the method must be one of GET, POST, PUT, PATCH, DELETE"),
        ({"method": "get"}, "the method must be"),
        ({"message_id": "a.b"}, "the message's id must be"),
        ({"message_id": "x" * 201}, "the message's id must be"),
        ({"message_id": "a\nb"}, "the message's id must be"),
        ({"body": b"\xff"}, "the body is not UTF-8"),
        ({"headers": {"Authorization": "sesame"}}, "because of the header Authorization. Headers must carry no"),
        ({"headers": {"X\r\nHost": "a"}}, "because of the header X Host. This is no header's name"),
    ],
)
def test_what_may_not_be_sent_is_not(other_side, wrong, sentence):
    side = other_side()
    with pytest.raises(Refused, match=f"^Nothing was sent.* {sentence}") as refused:
        post(side, **wrong)
    assert "sesame" not in refused.value.detail
    assert side.requests == []


def test_a_name_is_not_allowed_by_the_address_that_it_leads_to(other_side, monkeypatch):
    side = other_side()
    original = socket.getaddrinfo
    monkeypatch.setattr(socket, "getaddrinfo", lambda host, *args, **kwargs: original("127.0.0.1", *args, **kwargs))
    with pytest.raises(Refused, match=r"http://a.test:\d+/ leads into a private network"):
        post_to(f"http://a.test:{side.port}/")
    assert side.requests == []


CREDENTIALS = "must carry no credentials"
OURS = "not yours to set"


@pytest.mark.parametrize(
    ("name", "value", "problem"),
    [
        *[(name, "x", OURS) for name in ("Host", "Content-Length", "Transfer-Encoding", "Connection", "User-Agent")],
        *[(name, "x", OURS) for name in ("webhook-id", "Webhook-Signature", "webhook_timestamp", "Idempotency-Key")],
        *[
            (name, "x", OURS)
            for name in ("Accept-Encoding", "TE", "Upgrade", "Expect", "X-Forwarded-For", "user_agent")
        ],
        *[
            (name, "x", CREDENTIALS)
            for name in ("Authorization", "Cookie", "Proxy-Authorization", "X-Api-Key", "ApiKey")
        ],
        *[
            (name, "x", CREDENTIALS)
            for name in ("X-Auth-Token", "X_API_KEY", "X-Acme-Secret", "Api-Password", "Set-Cookie")
        ],
        *[(name, "x", CREDENTIALS) for name in ("Ocp-Apim-Subscription-Key", "X-Session", "X-Hub-Signature", "Token")],
        ("X-Acme", "Bearer abc", CREDENTIALS),
        ("X-Acme", "basic YWRhOnNlc2FtZQ==", CREDENTIALS),
        ("X-Acme", "nxk_1234567890", CREDENTIALS),
        ("X-Acme", SECRET, CREDENTIALS),
        ("X-Acme", "eyJhbGciOiJIUzI1NiJ9.e30.x", CREDENTIALS),
        ("X-Acme", "ghp_0123456789", CREDENTIALS),
        ("X-Acme", "id=9e107d9d372bb6826bd81d3542a419d6", CREDENTIALS),
        ("X-Acme", "Zk3vQp9sLm2xTb7wRd5nYc8hJf4gUa6e", CREDENTIALS),
        *[
            ("X-Acme", value, "plain ASCII")
            for value in ("a\r\nHost: b", "a\nb", "a\x00", "é", " a", "a ", "x" * 1001, 7)
        ],
        *[(name, "x", "no header's name") for name in ("", "X Acme", "X:Acme", "X\nAcme", "Ä", "x" * 101, 7)],
    ],
)
def test_a_header_that_a_definition_may_not_have(name, value, problem):
    (found,) = check_headers({name: value, "X-Fine": "yes"}).items()
    assert found[0] == name and problem in found[1] and found[1].endswith(".")


def test_headers_that_a_definition_may_have():
    fine = {
        "Content-Type": "application/vnd.acme.deal+json; charset=utf-8",
        "Accept": "application/json",
        "Accept-Language": "sk-SK, de;q=0.5",
        "X-Author": "Ada Lovelace <ada@example.com>",
        "X-Record": "3f2504e0-4f89-11d3-9a0c-0305e82c3301",
        "X-Monkey": "keys",
        "X-Empty": "",
    }
    assert check_headers(fine) == {}


def test_headers_are_few_and_each_stands_once():
    assert list(check_headers({f"X-{number}": "y" for number in range(22)})) == ["X-20", "X-21"]
    assert check_headers({"X-Acme": "1", "x_acme": "2"}) == {"x_acme": "This header stands here twice."}
