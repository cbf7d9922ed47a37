"""Where a request of ours may go: every way to write an address that leads elsewhere."""

import socket
from ipaddress import ip_address

import pytest
import urllib3.connection
from hypothesis import example, given
from hypothesis import strategies as st

from nexora.kernel.destinations import allowed_hosts, is_public, read
from nexora.kernel.outgoing import Refused, Unreachable, check_url
from tests.kernel.other_side import post_to

PRIVATE = "leads into a private network"
NUMBERS = "four decimal numbers"
ASCII = "must be plain ASCII"
NO_HOST = "must name a host"
HOSTILE = {
    "must start with https://": [
        *("gopher://example.com/_x", "file:///etc/passwd", "ftp://example.com/", "dict://example.com:11211/stats"),
        *("data:text/html,hello", "javascript:alert(1)", "http://example.com/", "//example.com/", "example.com", ""),
        *("https:example.com", "https:/example.com", " https://example.com/", "https\t://example.com/", "ws://a.test"),
        *("jar:https://example.com!/", "url:https://example.com/", "http+unix://%2Fvar%2Frun%2Fdocker.sock/info"),
        *("netdoc:///etc/passwd", "ldap://example.com/", "https;//example.com", "\nhttps://example.com/", None, 7),
    ],
    PRIVATE: [
        *("https://127.0.0.1/", "https://10.0.0.1/", "https://172.16.0.1/", "https://192.168.1.1/", "https://0.0.0.0/"),
        *("https://169.254.169.254/latest/meta-data/", "https://100.64.0.1/", "https://100.100.100.200/"),
        *("https://192.0.0.192/", "https://168.63.129.16/", "https://224.0.0.1/", "https://255.255.255.255/"),
        *("https://198.18.0.1/", "https://0.1.2.3/", "https://240.0.0.1/", "https://192.88.99.1/"),
        *("https://[::1]/", "https://[::]/", "https://[0:0:0:0:0:0:0:1]/", "https://[0000::0001]/"),
        *("https://[::127.0.0.1]/", "https://[::7f00:1]/", "https://[::8.8.8.8]/"),  # IPv4-compatible, ::/96
        *("https://[::ffff:127.0.0.1]/", "https://[::ffff:7f00:1]/", "https://[0:0:0:0:0:ffff:10.0.0.1]/"),
        *("https://[::ffff:8.8.8.8]/", "https://[::ffff:0:127.0.0.1]/"),
        *("https://[64:ff9b::127.0.0.1]/", "https://[64:ff9b::a9fe:a9fe]/", "https://[64:ff9b:1::1]/"),  # NAT64
        *("https://[2002:7f00:1::]/", "https://[2002:a9fe:a9fe::1]/", "https://[2001:0:7f00:1::1]/"),  # 6to4, Teredo
        *("https://[fec0::1]/", "https://[feff::1]/", "https://[fe80::1]/", "https://[fc00::1]/"),
        *("https://[fd00:ec2::254]/", "https://[ff02::1]/", "https://[2001:db8::1]/", "https://[100::1]/"),
        *("https://[5f00::1]/", "https://[3fff::1]/", "https://[2001:20::1]/"),
        *("https://localhost/", "https://LOCALHOST/", "https://acme.localhost/", "https://localhost.localdomain/"),
        *("https://printer.local/", "https://metadata.google.internal/", "https://erp.corp/", "https://nas.lan/"),
        *("https://router.home.arpa/", "https://redis/", "https://db:8443/"),
    ],
    NUMBERS: [
        *("https://2130706433/", "https://0x7f000001/", "https://017700000001/", "https://127.1/", "https://127.0.1/"),
        *("https://0177.0.0.1/", "https://0x7f.0.0.1/", "https://0x7f.1/", "https://127.0.0.0x1/", "https://0/"),
        *("https://127.0.0.01/", "https://1.2.3.4.5/", "https://256.1.1.1/", "https://example.0x7f/", "https://0x/"),
        *("https://[1.2.3.4]/", "https://[1:2:3]/", "https://[:::1]/", "https://[.]/"),
    ],
    ASCII: [
        *("https://１２７.0.0.1/", "https://127。0。0。1/", "https://ⓛocalhost/", "https://①②⑦.⓪.⓪.①/"),
        *(
            "https://bücher.example/",
            "https://example.com/grüße",
            "https://exam\u00adple.com/",
            "https://ex\u200b.com/",
        ),
        *("https://loc\u212alhost.com/", "https://a.test/\ud800", "https://a.test/\u202e", "https://a.test\u2044@b/"),
    ],
    "no space and no control character": [
        *("https://a.test/ x", "https://a.test/\r\nHost: b", "https://a.test/\x00", "https://a\t.test/"),
        *("https://a.test/\x7f", "https://a.test /", "https:// a.test/", "https://\n127.0.0.1/"),
    ],
    "percent-encode it": [
        *("https://a.test\\@127.0.0.1/", "https://\\127.0.0.1/", "https://a.test/{{record}}", "https://a.test\\.b/"),
        *('https://a.test/"', "https://a.test/<x>", "https://a.test/|", "https://a.test/^", "https://a.test/`"),
    ],
    "no user or password": [
        *("https://ada:sesame@a.test/", "https://ada@a.test/", "https://a.test@127.0.0.1/", "https://@a.test/"),
        *("https://127.0.0.1@a.test/", "https://a.test:443@127.0.0.1/", "https://a.test%2f@127.0.0.1/"),
    ],
    "before its #": ["https://a.test/#x", "https://a.test#@127.0.0.1/", "https://a.test/x?y#"],
    NO_HOST: [
        *("https://", "https:///etc/passwd", "https://?x", "https://a.test./", "https://localhost./", "https://./"),
        *("https://127.0.0.1./", "https://.a.test/", "https://a..test/", "https://-a.test/", "https://a-.test/"),
        *("https://%31%32%37.0.0.1/", "https://localhost%00.a.test/", "https://[fe80::1%25eth0]/"),
        *("https://[fe80::1%eth0]/", "https://::1/", "https://[::1/", "https://a.test:/", "https://a.test:x/"),
        *(
            "https://a.test:-1/",
            "https://a.test:80:80/",
            "https://a.test:+443/",
            "https://a,b.test/",
            "https://*.test/",
        ),
        *(f"https://{'a' * 64}.test/", f"https://{'a.' * 127}test/", "https://a.test;b/", "https://[::1]x/"),
        *("https://[::g]/", "https://[v1.a]/"),
    ],
    "port from 1 to 65535": [f"https://a.test:{port}/" for port in ("0", "65536", "0443", "99999999999", "00")],
    "must not use port": [
        f"https://a.test:{port}/" for port in (1, 22, 25, 53, 80, 110, 445, 1023, 2375, 3306, 5432, 6379, 9200, 11211)
    ],
    "longer than 2,000": [f"https://a.test/{'x' * 2000}"],
}
GOOD = [
    *("https://erp.example.com", "https://erp.example.com/", "https://erp.example.com/hooks/7?a=b&c=d%20e&f[]=1"),
    *(
        "https://erp.example.com:443/",
        "https://erp.example.com:8443/x",
        "https://xn--bcher-kva.example/",
        "https://a.b",
    ),
    *("HTTPS://ERP.Example.COM/Hooks", "https://8.8.8.8/", "https://[2606:4700:4700::1111]:8443/", "https://a_b.test/"),
    *("https://a.test?x=1@2", "https://a.test/@user/?next=http://127.0.0.1/", "https://internal.example.com/"),
    *("https://localhost.example.com/", "https://1.example.com/", "https://0x7f.example.com/", "https://a.test//b"),
]


@pytest.fixture(autouse=True)
def _as_installed(settings):
    settings.OUTGOING_HTTP, settings.OUTGOING_HOSTS = False, frozenset()


@pytest.fixture
def no_network(monkeypatch):
    """Whatever asks for a name or connects fails the test."""

    def refuse(*args, **kwargs):
        pytest.fail(f"the network was asked for {args}")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(urllib3.connection.connection, "create_connection", refuse)


@pytest.mark.parametrize(("reason", "url"), [(reason, url) for reason, urls in HOSTILE.items() for url in urls])
@pytest.mark.usefixtures("no_network")
def test_a_hostile_address_is_refused_without_a_look_at_the_network(reason, url):
    sentence = check_url(url)
    assert reason in sentence and sentence.startswith("The address ") and sentence.endswith(".")
    with pytest.raises(Refused) as refused:
        post_to(url)
    assert refused.value.detail == f"Nothing was sent: the address {sentence.removeprefix('The address ')}"
    assert "sesame" not in sentence


@pytest.mark.parametrize("url", GOOD)
def test_an_address_of_the_internet_is_allowed(url):
    assert check_url(url) is None


def test_only_the_host_loses_its_capitals():
    destination = read("HTTPS://ERP.Example.COM:8443/Hooks?Key=Sesame")
    assert destination.url == "https://erp.example.com:8443/Hooks?Key=Sesame"
    assert destination.shown == "https://erp.example.com:8443/Hooks"
    assert (destination.scheme, destination.host, destination.port) == ("https", "erp.example.com", 8443)
    assert read("https://a.test?x").port == 443


def test_what_is_shown_has_an_end():
    assert len(read(f"https://a.test/{'x' * 1900}").shown) == 201


# -- What a name leads to


def leading_to(*answers):
    """A resolver: the addresses of each lookup of a name, one after another."""
    asked = []
    original = socket.getaddrinfo

    def getaddrinfo(host, port, *args, **kwargs):
        try:
            ip_address(host)
        except ValueError:
            asked.append(host)
            kind = socket.AF_INET6 if ":" in (address := answers[len(asked) - 1]) else socket.AF_INET
            return [(kind, socket.SOCK_STREAM, 6, "", (address, port or 443))]
        return original(host, port, *args, **kwargs)

    getaddrinfo.asked = asked
    return getaddrinfo


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "10.1.2.3", "169.254.169.254", "100.64.0.1", "0.1.2.3", "224.0.0.1", "168.63.129.16"),
        *("::1", "::", "::127.0.0.1", "::ffff:127.0.0.1", "64:ff9b::a9fe:a9fe", "fec0::1", "fe80::1", "fd00:ec2::254"),
        *("2002:7f00:1::", "2001:0:7f00:1::1", "ff02::1"),
    ],
)
def test_a_name_that_leads_to_a_private_address_is_refused(monkeypatch, address):
    monkeypatch.setattr(socket, "getaddrinfo", leading_to(address))
    monkeypatch.setattr(urllib3.connection.connection, "create_connection", lambda *a, **kw: pytest.fail("connected"))
    with pytest.raises(Refused) as refused:
        post_to("https://harmless.test/x?token=sesame")
    assert refused.value.detail == f"Nothing was sent: https://harmless.test/x {PRIVATE}."


@pytest.mark.parametrize("public", ["93.184.216.34", "2606:4700:4700::1111", "::ffff:93.184.216.34"])
def test_a_name_is_looked_up_once_and_the_connection_goes_there(monkeypatch, public):
    """DNS rebinding: a second lookup would say 127.0.0.1."""
    resolver = leading_to(public, "127.0.0.1")
    connected = []

    def create_connection(address, *args, **kwargs):
        connected.append(address)
        raise ConnectionRefusedError

    monkeypatch.setattr(socket, "getaddrinfo", resolver)
    monkeypatch.setattr(urllib3.connection.connection, "create_connection", create_connection)
    with pytest.raises(Unreachable, match=r"^https://rebinding.test:8443/ takes no connection\.$"):
        post_to("https://rebinding.test:8443/")
    assert resolver.asked == ["rebinding.test"]
    assert [(address.strip("[]"), port) for address, port in connected] == [(public.removeprefix("::ffff:"), 8443)]


def test_what_the_library_lets_through_is_private():
    for address in ("fec0::1", "::127.0.0.1", "::8.8.8.8", "168.63.129.16", "2620:4f:8000::1"):
        assert not is_public(ip_address(address))
    for address in ("8.8.8.8", "2606:4700:4700::1111", "100.63.255.255", "100.128.0.0"):
        assert is_public(ip_address(address))


# -- Any text at all

PIECES = st.sampled_from(
    [
        *("https://", "http://", "127.0.0.1", "::1", "localhost", "a.test", "443", "0x7f", "xn--", "%00", "\r\n"),
        *("\x00", " ", "\ud800", "🦊", "é", "１", *"@:/?#\\[]%.-_~;{"),
    ]
)
TEXTS = st.one_of(st.text(), st.lists(PIECES, max_size=12).map("".join))


@given(st.one_of(TEXTS, TEXTS.map("https://{}".format)))
@example("https://xn--a.test/")
@example("https://a.test/%zz%")
def test_any_text_ends_in_a_sentence(text):
    def unknown(*args, **kwargs):
        raise socket.gaierror

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket, "getaddrinfo", unknown)
        with pytest.raises((Refused, Unreachable)) as ended:
            post_to(text)
    assert isinstance(ended.value, Unreachable) is (check_url(text) is None)
    assert ended.value.detail.isprintable()


# -- Settings


def test_plain_http_is_a_setting(settings):
    assert check_url("http://a.test/") == "The address must start with https://."
    settings.OUTGOING_HTTP = True
    assert check_url("http://a.test/") is check_url("http://a.test:80/") is check_url("https://a.test/") is None
    assert "must not use port 443" in check_url("http://a.test:443/")
    assert check_url("ftp://a.test/") == "The address must start with https:// or http://."


def test_hosts_that_are_allowed_although_they_are_private(settings):
    hosts = allowed_hosts({"NEXORA_OUTGOING_HOSTS": "127.0.0.1:6379, [0::1]:9999,sink.Internal ,redis:6379,,"})
    assert hosts == {("127.0.0.1", 6379), ("::1", 9999), ("sink.internal", None), ("redis", 6379)}
    settings.OUTGOING_HOSTS = hosts
    for allowed in ("127.0.0.1:6379", "[::1]:9999", "sink.internal", "SINK.internal:8443", "redis:6379"):
        assert check_url(f"https://{allowed}/") is None
        assert read(f"https://{allowed}/").may_be_private
    for other in ("127.0.0.1", "127.0.0.1:9999", "[::1]", "[::ffff:127.0.0.1]:6379", "127.1:6379", "x.sink.internal"):
        assert check_url(f"https://{other}/")
    assert "must not use port 22" in check_url("https://sink.internal:22/")
    assert not read("https://a.test:9999/").may_be_private


@pytest.mark.parametrize(
    "wrong", ["127.1", "a b", "https://a.test", "a.test:0", "a.test:", "[::1", "a.test:http", "a:b@c"]
)
def test_a_wrong_setting_is_refused_when_the_program_starts(wrong):
    with pytest.raises(ValueError, match="NEXORA_OUTGOING_HOSTS must be hosts") as refused:
        allowed_hosts({"NEXORA_OUTGOING_HOSTS": f"127.0.0.1:9999,{wrong}"})
    assert repr(wrong) in str(refused.value)
    assert allowed_hosts({}) == frozenset()
