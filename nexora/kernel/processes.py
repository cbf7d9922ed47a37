"""Child processes that outlive neither their parent nor their welcome, and ports that somebody else holds."""

import contextlib
import ctypes
import errno
import json
import os
import signal
import socket
import subprocess
import sys
import time

import psutil

PR_SET_PDEATHSIG = 1
LOG_LIMIT = 10_000_000


class Child:
    """A process in a group of its own: a Ctrl-C in the terminal reaches the parent only, which stops it in order.

    On Linux the kernel sends it SIGTERM should the parent die without doing so.

    env   its whole environment; default: the parent's
    """

    def __init__(self, name, command, *, log, cwd, env=None):
        self.name = name
        self.log = log
        log.parent.mkdir(parents=True, exist_ok=True)
        if log.exists() and log.stat().st_size > LOG_LIMIT:
            log.replace(log.with_suffix(".log.1"))
        with open(log, "ab") as output:
            self._log_start = output.tell()
            self.process = subprocess.Popen(  # noqa: S603
                [str(part) for part in command],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=cwd,
                env={"PYTHONUNBUFFERED": "1", **(os.environ if env is None else env)},
                process_group=0,
                preexec_fn=_die_with(os.getpid()),  # safe: the parent has one thread
            )

    @property
    def pid(self):
        return self.process.pid

    def ended(self):
        """Exit status, or None while it runs."""
        return self.process.poll()

    def output(self):
        with open(self.log, "rb") as log:
            log.seek(self._log_start)
            return log.read().decode(errors="replace")

    def last_lines(self, count=12):
        return "\n".join(self.output().splitlines()[-count:])

    def terminate(self):
        if self.ended() is None:
            self.process.terminate()

    def kill(self):
        """The whole group: a killed server leaves its own workers behind."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self.process.wait()


def stop(children, patience):
    """SIGTERM to all, then SIGKILL to those still there after `patience` seconds; returns the names of the latter."""
    for child in children:
        child.terminate()
    deadline = time.monotonic() + patience
    stubborn = []
    for child in children:
        try:
            child.process.wait(max(0.1, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            stubborn.append(child.name)
        child.kill()
    return stubborn


def _die_with(parent):
    if sys.platform != "linux":
        return None
    libc = ctypes.CDLL(None)  # before the fork

    def arrange():
        libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:
            os._exit(1)

    return arrange


# -- Ports


def is_port_free(address, port):
    """Whether a server could listen there; OSError where it may not (a port below 1024, a foreign address)."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                return False
            raise
    # A browser asks ::1 first for localhost; another server there would answer in our place.
    if address == "127.0.0.1":
        try:
            with socket.create_connection(("::1", port), timeout=0.2):
                return False
        except OSError:
            pass
    return True


def port_holder(port):
    """`process 123 (python -m http.server)` as far as the system tells, else None."""
    try:
        found = [entry for entry in psutil.net_connections("tcp") if entry.status == psutil.CONN_LISTEN]
        pids = {entry.pid for entry in found if entry.laddr.port == port and entry.pid}
        if not pids:
            return None
        process = psutil.Process(min(pids))
        return f"process {process.pid} ({' '.join(process.cmdline())[:80].strip() or process.name()})"
    except psutil.Error:
        return None


# -- What an earlier run may have left


class RunFile:
    """Who serves on a port from this checkout: process ids with their start times, so that a re-used id is noticed."""

    def __init__(self, path):
        self.path = path

    def write(self, children):
        entries = {"up": _identity(os.getpid()), **{child.name: _identity(child.pid) for child in children}}
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.write_text(json.dumps(entries))

    def remove(self):
        self.path.unlink(missing_ok=True)

    def running(self):
        """{name: psutil.Process} of those that still run."""
        try:
            entries = json.loads(self.path.read_text())
        except (FileNotFoundError, ValueError):
            return {}
        found = {}
        for name, (pid, started) in entries.items():
            try:
                process = psutil.Process(pid)
                if process.create_time() == started and process.status() != psutil.STATUS_ZOMBIE:
                    found[name] = process
            except psutil.Error:
                continue
        return found


def end_orphans(orphans, patience=25):
    """Stop processes that an earlier run left behind, with what they started themselves."""
    family = [*orphans]
    for process in orphans:
        try:
            family += process.children(recursive=True)
            process.terminate()
        except psutil.Error:
            continue
    _gone, alive = psutil.wait_procs(family, timeout=patience)
    for process in alive:
        process.kill()


def _identity(pid):
    return [pid, psutil.Process(pid).create_time()]
