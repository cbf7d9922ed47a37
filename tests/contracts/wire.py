"""The production server as `make run` starts it, on the test's database, and sockets for what no client would send."""

import contextlib
import http.client
import json
import os
import socket
import time
from dataclasses import dataclass
from urllib.parse import quote, urlencode
from uuid import uuid4

import psutil
from django.conf import settings
from django.db import connection

from apps.accounts.services.sessions import access_token
from nexora.kernel.management.commands.up import web_command
from nexora.kernel.processes import Child, stop
from nexora.kernel.scope import tenant_scope, unscoped
from tests.factories import TenantFactory, UserFactory

SECONDS = 10
CUSTOMERS = b"/api/v1/customers/"


@dataclass
class Answer:
    """What came back; `status` is None where the connection closed without a word."""

    status: int | None
    content_type: str | None = None
    body: bytes = b""

    @property
    def is_by_application(self):
        """The server's own refusals have no type; what it finds under /static/ is no error."""
        return self.content_type is not None

    def json(self):
        return json.loads(self.body)


class Server:
    def __init__(self, log, static):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.child = Child("web", web_command(self.port, static), log=log, cwd=settings.BASE_DIR, env=environment())
        deadline = time.monotonic() + 30
        while self.send(b"GET /healthz HTTP/1.0\r\n\r\n").status != 200:
            assert self.child.ended() is None and time.monotonic() < deadline, self.child.last_lines()
            time.sleep(0.05)
        self.workers = self._workers()

    def _workers(self):
        return {process.pid for process in psutil.Process(self.child.pid).children(recursive=True)}

    def is_unharmed(self):
        return self.child.ended() is None and self._workers() == self.workers

    def stop(self):
        stop([self.child], patience=5)

    def connect(self):
        return socket.create_connection(("127.0.0.1", self.port), timeout=SECONDS)

    def send(self, *parts, then_close=False):
        """The first answer to these bytes; `then_close` ends the sending, as a client does that breaks off."""
        try:
            with self.connect() as connected:
                # Whoever is refused before the end of the body cannot send the rest.
                with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                    for part in parts:
                        connected.sendall(part)
                    if then_close:
                        connected.shutdown(socket.SHUT_WR)
                return read(connected)
        except ConnectionError:
            return Answer(None)

    def send_all(self, data):
        """Everything that is said until the connection ends."""
        said = b""
        with self.connect() as connected:
            connected.sendall(data)
            while chunk := connected.recv(65536):
                said += chunk
        return said


def read(connected):
    response = http.client.HTTPResponse(connected)
    try:
        response.begin()
        return Answer(response.status, response.headers["Content-Type"], response.read())
    except (http.client.BadStatusLine, http.client.IncompleteRead):
        return Answer(None)


def environment():
    """That of the tests, led to their database."""
    parameters = connection.get_connection_params()
    login = quote(parameters["user"]) + (f":{quote(parameters['password'])}" if parameters.get("password") else "")
    where = urlencode({name: parameters[name] for name in ("host", "port") if parameters.get(name)})
    return os.environ | {
        "DATABASE_URL": f"postgresql://{login}@/{parameters['dbname']}?{where}",
        "NEXORA_SECRET_KEY": settings.SECRET_KEY,
        "NEXORA_BASE_DOMAIN": settings.BASE_DOMAIN,
        "NEXORA_LOG_LEVEL": "ERROR",
        "DJANGO_SETTINGS_MODULE": os.environ["DJANGO_SETTINGS_MODULE"],
    }


@contextlib.contextmanager
def organisation():
    """(host, access token of an admin) of a tenant that other sessions see; it goes at the end."""
    tenant = TenantFactory(subdomain=f"wire-{uuid4().hex[:8]}")
    admin = UserFactory(tenant=tenant, role="admin")
    try:
        with tenant_scope(tenant):
            token = access_token(admin, uuid4())
        yield f"{tenant.subdomain}.{settings.BASE_DOMAIN}", token
    finally:
        with unscoped(reason="test data"):
            tenant.publishes = False
            tenant.delete()
