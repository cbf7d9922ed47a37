"""One request and its answer, wherever and whatever the other side is; used by outgoing.py only.

Safe against server-side request forgery: requests-hardened looks the name up once, refuses a private address, and the
connection goes to the very address that it looked at. Redirects are not followed; proxies, netrc and certificates of
the environment are not used. The time counts from the call to the last byte, the lookup of the name included. Of the
answer's body no more is read than is kept, and nothing is unpacked.
"""

import socket
import ssl
import threading
from concurrent.futures import Future
from contextlib import suppress
from functools import cache, partial
from ipaddress import ip_address

from requests.adapters import HTTPAdapter
from requests.certs import where
from requests_hardened import Config, HTTPSession
from requests_hardened.ip_filter import InvalidIPAddress as PrivateAddress
from requests_hardened.ip_filter_adapter import IPFilterAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection

from nexora.kernel import destinations

__all__ = ["PrivateAddress", "exchange"]


def exchange(destination, method, headers, body, *, seconds, largest):
    """(status, headers, body) of the answer; of its body `largest` bytes at most, as they came.

    Raises PrivateAddress, TimeoutError after `seconds`, or whatever requests, urllib3 and Python raise.
    """
    line, outcome = _Line(), Future()

    def work():
        try:
            outcome.set_result(_carried_out(destination, method, headers, body, line, seconds, largest))
        except BaseException as error:  # the thread that waits raises it, if it still waits
            outcome.set_exception(error)

    # A thread of its own, which nobody waits for beyond the time: the time limits of sockets do not cover the lookup of
    # a name, and start anew with every byte. What is cut ends the thread, at the latest when its lookup does.
    threading.Thread(target=work, name="exchange", daemon=True).start()
    try:
        return outcome.result(seconds)
    finally:
        line.cut()


def _carried_out(destination, method, headers, body, line, seconds, largest):
    config = Config(
        ip_filter_enable=True,
        ip_filter_allow_loopback_ips=False,
        never_redirect=True,
        default_timeout=seconds,
        user_agent_override="NEXORA",
    )
    adapter = _Adapter(line) if destination.may_be_private else _Pinned(line, destination.scheme == "https")
    with _Session(config) as session:
        session.trust_env = False
        session.mount(f"{destination.scheme}://", adapter)
        with session.request(method, destination.url, data=body or None, headers=headers, stream=True) as answer:
            content = answer.raw.read(largest, decode_content=False)
            if len(content) < largest:
                answer.raw.read(1, decode_content=False)  # raises if the body ended before its announced length
            return answer.status_code, answer.headers, content


class _Session(HTTPSession):
    def get_redirect_target(self, resp):
        """None: of a redirect that is not followed, requests would read and unpack the whole body all the same."""


class _Line:
    """The connection of one exchange, which another thread may cut."""

    def __init__(self):
        self._lock = threading.Lock()
        self.is_cut = False
        self._handle = None

    def hold(self, connected):
        with self._lock:
            # A handle of our own: urllib3's is closed, and its number given to another file, whenever urllib3 likes.
            self._handle = socket.fromfd(connected.fileno(), connected.family, connected.type)
        if self.is_cut:
            self.cut()

    def cut(self):
        with self._lock:
            self.is_cut = True
            if self._handle:
                with suppress(OSError):
                    self._handle.shutdown(socket.SHUT_RDWR)
                self._handle.close()
                self._handle = None


class _Held:
    def __init__(self, *args, line, **kwargs):
        super().__init__(*args, **kwargs)
        self._line = line

    def connect(self):
        if self._line.is_cut:
            raise TimeoutError
        super().connect()
        self._line.hold(self.sock)


class _PlainConnection(_Held, HTTPConnection):
    pass


class _TLSConnection(_Held, HTTPSConnection):
    pass


class _Adapter(HTTPAdapter):
    """Connects to whatever address the host has: for hosts that may be private."""

    def __init__(self, line, *args):
        super().__init__(*args)
        self._line = line

    def get_connection_with_tls_context(self, *args, **kwargs):
        pool = super().get_connection_with_tls_context(*args, **kwargs)
        pool.ConnectionCls = partial(_TLSConnection if pool.scheme == "https" else _PlainConnection, line=self._line)
        return pool

    def build_connection_pool_key_attributes(self, request, verify, cert=None):
        host, tls = super().build_connection_pool_key_attributes(request, verify, cert)
        return host, tls | {"ssl_context": _tls_context()}

    def cert_verify(self, conn, url, verify, cert):
        """Nothing to add: the context knows whom to trust, and urllib3 verifies unless it is told not to."""


class _Pinned(_Adapter, IPFilterAdapter):
    """Connects to the address that was looked at, if it is public."""

    def build_connection_pool_key_attributes(self, request, verify, cert=None):
        host, tls = super().build_connection_pool_key_attributes(request, verify, cert)
        # The library's own filter lets fec0::/10, ::/96 and others through.
        if not destinations.is_public(ip_address(host["host"].strip("[]"))):
            raise PrivateAddress(host["host"])
        return host, tls


@cache
def _tls_context():
    """One for all: reading the certificates that it trusts takes longer than everything else that is done to send."""
    return ssl.create_default_context(cafile=where())
