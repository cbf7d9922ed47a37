"""NEXORA as it runs in production, granian and worker over a server of its own, for tests of what happens to it.

with cluster.cluster(kind()) as (home, control):
    environment = prepared(home)
    people = cast(environment, ["acme", "globex"])
    with web(environment, log) as port, worker(environment, log): …
"""

import http.client
import json
import os
import secrets
import socket
import subprocess
import sys
import time
from contextlib import closing, contextmanager
from dataclasses import dataclass

from django.conf import settings

from nexora.bench.__main__ import UNREACHED
from nexora.kernel.management.commands.up import WEB_THREADS
from nexora.kernel.processes import Child, stop
from tests import cluster
from tests.cluster import ROOT, urls

START_SECONDS = 30


@dataclass(frozen=True)
class Person:
    """A manager of a tenant of their own."""

    subdomain: str
    tenant_id: str
    token: str
    session: str

    @property
    def host(self):
        return f"{self.subdomain}.localhost"


def kind():
    """The kind of cluster that is nearest to the server of the other tests."""
    return cluster.EMBEDDED if settings.DATABASES["default"]["EMBEDDED"] or not cluster.programs("15") else "15"


def prepared(home):
    """The environment of a production server whose database, in the cluster at `home`, is ready and empty."""
    outer = {key: value for key, value in os.environ.items() if not key.startswith(("DATABASE_", "NEXORA_"))}
    environment = outer | urls(home) | {
        "DJANGO_SETTINGS_MODULE": "nexora.settings",
        "PYTHONPATH": str(ROOT),
        "NEXORA_SECRET_KEY": secrets.token_urlsafe(48),
        "NEXORA_LOG_LEVEL": "WARNING",
        "NEXORA_RATE_LIMITS": UNREACHED,
    }  # fmt: skip
    for command in ("prepare_database", "migrate"):
        run([ROOT / "manage.py", command], environment)
    del environment["DATABASE_ADMIN_URL"]
    return environment


def cast(environment, subdomains):
    """A Person for each subdomain, with an access token that lives for five minutes and a session of the admin."""
    output = run(["-m", "tests.cast", *subdomains], environment)
    return [Person(**fields) for fields in json.loads(output)]


def run(arguments, environment):
    """What Python prints, given these arguments."""
    done = subprocess.run(  # noqa: S603
        [sys.executable, *arguments], env=environment, cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


@contextmanager
def web(environment, log):
    """The port of 127.0.0.1 that granian serves on, started as `manage.py up` does."""
    port = free_port()
    command = [sys.executable, "-m", "granian", "--interface", "wsgi", "--host", "127.0.0.1", "--port", port]
    command += ["--workers", 1, "--blocking-threads", WEB_THREADS, "--no-ws", "nexora.wsgi:application"]
    with _child("web", command, environment, log, lambda _: status(port, "/healthz") == 200):
        yield port


@contextmanager
def worker(environment, log):
    command = [sys.executable, ROOT / "manage.py", "worker"]
    with _child("worker", command, environment, log, lambda child: "worker " in child.output()) as child:
        yield child


@contextmanager
def _child(name, command, environment, log, is_ready):
    child = Child(name, command, log=log / f"{name}.log", cwd=ROOT, env=environment)
    try:
        deadline = time.monotonic() + START_SECONDS
        while not is_ready(child):
            assert child.ended() is None and time.monotonic() < deadline, child.last_lines()
            time.sleep(0.05)
        yield child
        assert child.ended() is None, child.last_lines(40)
    finally:
        stop([child], patience=5)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def status(port, path):
    """Of the answer; None if there is none."""
    attempt = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    with closing(attempt):
        try:
            attempt.request("GET", path)
            return attempt.getresponse().status
        except (OSError, http.client.HTTPException):
            return None
