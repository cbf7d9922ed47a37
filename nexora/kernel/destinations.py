"""Where a request of ours may go. Whoever may write a workflow chooses the address, and NEXORA stands inside a network.

An address has one spelling here, so that what is checked is what is sent to: plain ASCII, and for a host a name with a
dot, four decimal numbers or an IPv6 address in brackets. What a name leads to is known only when a request is sent; see
nexora/kernel/outgoing.py. A host that NEXORA_OUTGOING_HOSTS names is allowed although it is private.

Ports: the scheme's own, and from 1024 on all but CLOSED_PORTS.
"""

import re
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from django.conf import settings

from nexora.kernel.errors import NexoraError

LONGEST = 2000
LONGEST_SHOWN = 200
USUAL_PORTS = {"https": 443, "http": 80}
# Below 1024 live mail, files and remote shells. These obey whoever reaches them, or take a request for commands of
# theirs: Docker and Kubernetes, databases, caches, queues, registries of services, proxies, remote desktops, IRC.
CLOSED_PORTS = {
    *(1080, 1433, 1434, 1521, 2049, 2181, 2375, 2376, 2377, 2379, 2380, 3128, 3306, 3389, 5432, 5433, 5671, 5672, 5900),
    *(5984, 5985, 5986, 6000, 6379, 6380, 6432, 6443, *range(6660, 6670), 6697, 8500, 9042, 9092, 9200, 9300, 10250),
    *(11211, 15672, 26379, 27017, 27018, 27019),
}
# Names that only a local network knows: RFC 6761, 6762 and 8375, ICANN's .internal, and what offices are used to.
PRIVATE_NAMES = re.compile(r"(.*\.)?(localhost|localdomain|local|internal|intranet|private|corp|home|lan|home\.arpa)")
# What IANA's registries of special addresses set apart. Written out: Python's is_global differs between its versions.
PRIVATE_RANGES = [
    *map(ip_network, ("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12")),
    *map(ip_network, ("192.0.0.0/24", "192.0.2.0/24", "192.31.196.0/24", "192.52.193.0/24", "192.88.99.0/24")),
    *map(ip_network, ("192.168.0.0/16", "192.175.48.0/24", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24")),
    *map(ip_network, ("224.0.0.0/4", "240.0.0.0/4")),
    ip_network("168.63.129.16/32"),  # of Azure, for its machines only
    # Teredo, ORCHID and other protocols; documentation; 6to4. Some carry an IPv4 address of anybody's choice.
    *map(ip_network, ("2001::/23", "2001:db8::/32", "2002::/16", "2620:4f:8000::/48", "3fff::/20")),
]
# The part of IPv6 that the internet routes. Outside are ::/96, mapped IPv4, NAT64, fc00::/7, fe80::/10, fec0::/10, …
PUBLIC_IPV6 = ip_network("2000::/3")

PRIVATE = "leads into a private network"

_UNSAFE = re.compile(r"""[^!-~]|[\\"<>^`{|}]""")
_HOST = r"\[[0-9a-f:.]+\]|[a-z0-9._-]+"
_ADDRESS = re.compile(rf"(?P<scheme>https?)://(?P<host>{_HOST})(:(?P<port>[0-9]+))?(/[^?]*)?(\?.*)?")
_LABEL = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")


class Refused(NexoraError):
    """The request may not be sent: its address, its method or a header is not allowed. Nothing was sent."""

    code = "outgoing_refused"
    title = "May not be sent"


class _Wrong(Exception):
    """Says what is wrong with an address, as the rest of a sentence about it."""


@dataclass(frozen=True, slots=True)
class Destination:
    """url     as it is sent, its host in lower case
    shown      what people may read of it: all but the query, which may hold a secret
    host       an IPv6 address has no brackets
    may_be_private  whether NEXORA_OUTGOING_HOSTS names it
    """

    url: str
    shown: str
    scheme: str
    host: str
    port: int
    may_be_private: bool


def check_url(url):
    """The sentence that says what is wrong with an address, as far as can be told without asking for its name; or None.

    It takes a whole address: a placeholder in it is to be filled in before.
    """
    try:
        _read(url)
    except _Wrong as wrong:
        return f"The address {wrong}."
    return None


def read(url):
    """The Destination; raises Refused with the sentence of check_url."""
    try:
        return _read(url)
    except _Wrong as wrong:
        raise Refused(f"Nothing was sent: the address {wrong}.") from None


def is_public(ip):
    """Whether an IPv4Address or IPv6Address is of the internet, and nothing nearer could answer there."""
    return (ip.version == 4 or ip in PUBLIC_IPV6) and not any(ip in private for private in PRIVATE_RANGES)


def allowed_hosts(environ):
    """NEXORA_OUTGOING_HOSTS as {(host, port)}; the port is None where every one is meant."""
    found = set()
    for name in filter(None, (part.strip() for part in environ.get("NEXORA_OUTGOING_HOSTS", "").split(","))):
        parts = re.fullmatch(rf"({_HOST})(:([0-9]+))?", name.lower())
        try:
            found.add((_host(parts[1]), _port(parts[3]) if parts[3] else None))
        except (TypeError, _Wrong):
            raise ValueError(
                "NEXORA_OUTGOING_HOSTS must be hosts that requests may go to although they are private, with a port or "
                f"for every port, such as 127.0.0.1:9999,[::1]:9999,sink.internal. {name!r} is none."
            ) from None
    return frozenset(found)


def _read(url):
    schemes = ["https://", "http://"] if settings.OUTGOING_HTTP else ["https://"]
    if not isinstance(url, str) or not url.lower().startswith(tuple(schemes)):
        raise _Wrong(f"must start with {' or '.join(schemes)}")
    if len(url) > LONGEST:
        raise _Wrong(f"must not be longer than {LONGEST:,} characters")
    if unsafe := _UNSAFE.search(url):
        raise _Wrong(_why_unsafe(unsafe[0]))
    before_path = re.match("[^/]*//[^/?#]*", url)[0]
    if "@" in before_path:
        raise _Wrong("must hold no user or password: everybody who may read it would read them")
    if "#" in url:
        raise _Wrong("must end before its #: what follows is never sent")
    url = before_path.lower() + url[len(before_path) :]
    parts = _ADDRESS.fullmatch(url)
    if not parts:
        raise _Wrong("must name a host, such as https://erp.example.com/hooks")
    scheme, host = parts["scheme"], _host(parts["host"])
    port = _port(parts["port"]) if parts["port"] else USUAL_PORTS[scheme]
    named = settings.OUTGOING_HOSTS
    may_be_private = (host, port) in named or (host, None) in named
    if (host, port) not in named and not _is_open(scheme, port):
        raise _Wrong(
            f"must not use port {port}: use {USUAL_PORTS[scheme]}, or one from 1024 on that is not a database's, a "
            "cache's or the like"
        )
    if not may_be_private and _is_private(host):
        raise _Wrong(PRIVATE)
    shown = url.partition("?")[0]
    if len(shown) > LONGEST_SHOWN:
        shown = f"{shown[:LONGEST_SHOWN]}…"
    return Destination(url, shown, scheme, host, port, may_be_private)


def _why_unsafe(character):
    if not character.isascii():
        return "must be plain ASCII: percent-encode other characters, and write those of a host as xn--…"
    if not character.isprintable() or character == " ":
        return "must hold no space and no control character"
    return f"must not hold {character} as it is: percent-encode it"


def _host(text):
    """A host in its one spelling."""
    labels = text.split(".")
    try:
        if text.startswith("["):
            return str(IPv6Address(text[1:-1]))
        if _NUMBER.fullmatch(labels[-1]):  # what resolvers take for IPv4: 127.1, 0x7f.1, 2130706433
            return str(IPv4Address(text))
    except ValueError:
        raise _Wrong("must write an IP address as four decimal numbers, or as IPv6 in brackets") from None
    if len(text) > 253 or not all(map(_LABEL.fullmatch, labels)):
        raise _Wrong("must name a host, such as https://erp.example.com/hooks")
    return text


def _port(text):
    if not re.fullmatch("[1-9][0-9]{0,4}", text) or int(text) > 65535:
        raise _Wrong("must have a port from 1 to 65535, or none")
    return int(text)


def _is_open(scheme, port):
    return port == USUAL_PORTS[scheme] or (port >= 1024 and port not in CLOSED_PORTS)


def _is_private(host):
    """A name that is not may still lead to a private address."""
    try:
        return not is_public(ip_address(host))
    except ValueError:
        return "." not in host or bool(PRIVATE_NAMES.fullmatch(host))
