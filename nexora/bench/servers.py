"""Servers under measurement: granian as in production, with one process and one thread, on 127.0.0.1."""

import contextlib
import http.client
import json
import os
import socket
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from nexora.kernel.processes import Child

ROOT = Path(__file__).resolve().parent.parent.parent
START_SECONDS = 60
SLICE_SECONDS = 1.2
MOST_REQUESTS = 5_000  # of one slice
WARM_REQUESTS = 25


class Failed(Exception):
    """The bench cannot go on, or an operation is not there; the message says which and why."""


@dataclass
class Slice:
    requests: int
    seconds: float
    cpu_seconds: float
    latencies: list

    @property
    def per_second(self):
        return self.requests / self.seconds

    @property
    def cpu_ms(self):
        return self.cpu_seconds * 1000 / self.requests


@dataclass
class Measured:
    """Slices of one operation on one server; the numbers are medians over them."""

    slices: list = field(default_factory=list)

    @property
    def per_second(self):
        return statistics.median(s.per_second for s in self.slices)

    @property
    def cpu_ms(self):
        return statistics.median(s.cpu_ms for s in self.slices)

    def percentile(self, share):
        """Of the latencies of all slices, in ms."""
        ordered = sorted(latency for s in self.slices for latency in s.latencies)
        return ordered[min(len(ordered) - 1, int(len(ordered) * share))] * 1000


class Server:
    def __init__(self, name, application, operations, headers, env, log):
        self.name, self.application, self.operations, self.env = name, application, operations, env
        self.headers = headers | {"Content-Type": "application/json"}
        self.port = _free_port()
        command = [sys.executable, "-m", "granian", "--interface", "wsgi", "--host", "127.0.0.1", "--port", self.port]
        command += ["--workers", 1, "--blocking-threads", 1, "--no-ws", application]
        started = time.monotonic()
        self.child = Child(name, command, log=log, cwd=ROOT, env=os.environ | env)
        self._wait()
        self.start_seconds = time.monotonic() - started
        self.start_memory = self.memory()

    def _wait(self):
        deadline = time.monotonic() + START_SECONDS
        while True:
            if self.child.ended() is not None or time.monotonic() > deadline:
                self.child.kill()
                raise Failed(f"{self.name} did not start:\n{self.child.last_lines()}")
            attempt = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
            try:
                attempt.request("GET", "/healthz", headers=self.headers)
                attempt.getresponse()
                return
            except (OSError, http.client.HTTPException):
                time.sleep(0.02)
            finally:
                attempt.close()

    def _processes(self):
        process = psutil.Process(self.child.pid)
        return [process, *process.children(recursive=True)]

    def cpu_seconds(self):
        return sum(times.user + times.system for times in (p.cpu_times() for p in self._processes()))

    def memory(self):
        """MB of the process that answers; its supervisor is left out."""
        return max(p.memory_info().rss for p in self._processes()) / 2**20

    def statements(self):
        """{operation: SQL statements of one request}"""
        found = subprocess.run(  # noqa: S603
            [sys.executable, "-m", "nexora.bench.statements", self.application],
            input=json.dumps({"headers": self.headers, "operations": self.operations}),
            capture_output=True,
            text=True,
            cwd=ROOT,
            # The thread that tells how many requests were counted would be counted along.
            env={**os.environ, **self.env, "NEXORA_RATE_LIMITS": "off"},
            check=False,
        )
        if found.returncode:
            raise Failed(f"Counting the statements of {self.name} failed:\n{found.stderr[-2000:]}")
        return json.loads(found.stdout)

    def stop(self):
        self.child.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.child.process.wait(5)
        self.child.kill()


class Load:
    """The load generator's process."""

    def __init__(self):
        command = [sys.executable, "-m", "nexora.bench.load"]
        self._process = subprocess.Popen(  # noqa: S603
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT
        )

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self._process.stdin.close()
        self._process.wait(60)

    def run(self, server, operation, *, most=MOST_REQUESTS):
        job = {"port": server.port, "seconds": SLICE_SECONDS, "most": most, "headers": server.headers}
        before = server.cpu_seconds()
        self._process.stdin.write(json.dumps(job | {"requests": server.operations[operation]}) + "\n")
        self._process.stdin.flush()
        answer = json.loads(self._process.stdout.readline())
        if answer["failure"]:
            raise Failed(f"{server.name}, {operation}: {answer['failure']}")
        used = server.cpu_seconds() - before
        return Slice(len(answer["latencies"]), answer["seconds"], used, answer["latencies"])

    def compare(self, servers, operation, rounds):
        """{server's name: Measured}. The servers take turns, so that a noisy minute is everybody's."""
        for server in servers:
            self.run(server, operation, most=WARM_REQUESTS)
        measured = {server.name: Measured() for server in servers}
        for turn in range(rounds):
            for server in servers if turn % 2 else reversed(servers):
                measured[server.name].slices.append(self.run(server, operation))
        return measured


def _free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
