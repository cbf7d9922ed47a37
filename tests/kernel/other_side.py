"""The other side of an outgoing request: a server on 127.0.0.1 that answers as badly as it is told to."""

import contextlib
import socket
import ssl
import threading
import time
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from nexora.kernel.outgoing import send

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"


class OtherSide:
    """answer(client) is called with the socket after the whole request has come; bytes are sent as they are.

    .greeting  what it says before it listens
    .tls       context, if it speaks TLS; `names` are then for whom it was asked
    .requests  [(request line, {name in lower case: value}, body)]
    .sent      bytes that the socket has taken through `pour`
    """

    def __init__(self, answer=OK):
        self.answer, self.tls, self.greeting = answer, None, b""
        self.requests, self.sent, self.names = [], 0, []
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.port = self.listening.getsockname()[1]
        self.closing = threading.Event()

    def __enter__(self):
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *exc):
        self.closing.set()
        # close() alone leaves a thread in accept().
        with contextlib.suppress(OSError):
            self.listening.shutdown(socket.SHUT_RDWR)
        self.listening.close()

    def pour(self, client, data, pause=0):
        """Send all of it, or what the client takes, each piece after a pause."""
        with contextlib.suppress(OSError):
            for piece in data:
                if self.closing.wait(pause) if pause else self.closing.is_set():
                    return
                client.sendall(piece)
                self.sent += len(piece)

    def _accept(self):
        while not self.closing.is_set():
            try:
                client, _ = self.listening.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client):
        # A small buffer: what it has taken is nearly what the client has read.
        client.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 16 * 1024)
        with contextlib.suppress(OSError), contextlib.closing(client):
            client.sendall(self.greeting)
            if self.tls:
                client = self.tls.wrap_socket(client, server_side=True)
            with client, client.makefile("rb") as wire:
                line = wire.readline().decode("latin-1").strip()
                headers = {}
                while head := wire.readline().decode("latin-1").strip():
                    name, _, value = head.partition(": ")
                    headers[name.lower()] = value
                body = wire.read(int(headers.get("content-length", 0)))
                if line:
                    self.requests.append((line, headers, body))
                if callable(self.answer):
                    self.answer(client)
                else:
                    client.sendall(self.answer)


@contextlib.contextmanager
def other_sides(settings):
    """A function that starts an OtherSide which requests may go to."""
    settings.OUTGOING_HTTP = True
    with contextlib.ExitStack() as stack:
        hosts = set()

        def start(answer=OK):
            side = stack.enter_context(OtherSide(answer))
            hosts.add(("127.0.0.1", side.port))
            settings.OUTGOING_HOSTS = frozenset(hosts)
            return side

        yield start


def post(side, *, path="/hooks?token=sesame", method="POST", body=b'{"deal": 1}', headers=(), **kwargs):
    url = f"http://127.0.0.1:{side.port}{path}"
    kwargs = {"message_id": "msg_1", "secret": SECRET} | kwargs
    return send(method, url, body=body, headers=dict(headers), **kwargs)


def post_to(url):
    return send("POST", url, body=b"{}", headers={}, message_id="msg_1", secret=SECRET)


def wait_for_exchanges_to_end(seconds=3):
    deadline = time.monotonic() + seconds
    while left := [thread for thread in threading.enumerate() if thread.name == "exchange"]:
        assert time.monotonic() < deadline, left
        time.sleep(0.02)


def certificate(directory, name):
    """(context of a server that has a certificate for `name`, context of a client that trusts it)."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    try:
        alternative = x509.IPAddress(ip_address(name))
    except ValueError:
        alternative = x509.DNSName(name)
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([alternative]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    path = directory / "certificate.pem"
    path.write_bytes(
        made.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(path)
    return server, ssl.create_default_context(cafile=path)
