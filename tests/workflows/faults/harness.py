"""Workers that are killed, and time that passes at once.

    stage.order([{…}])                   # see injection.py
    stage.start()                        # a `manage.py worker`, in a process of its own
    stage.settle([run, …])               # until all are over

What recovers is the product's own; only its waiting is cut short. Whatever goes by a clock (heartbeats of workers that
died, jobs for later, leases, waits and retries of runs) is moved into the past by ten minutes, as the owner of the
tables, and a living worker gets the two jobs that the clock starts each minute: `rescue_stalled_jobs` and `run_due`.
"""

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import threading
import time
from email import policy
from email.parser import BytesHeaderParser
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import psutil
from django.conf import settings
from django.db import connection
from procrastinate.exceptions import AlreadyEnqueued
from psycopg.conninfo import make_conninfo

from apps.workflows.jobs import run_due
from apps.workflows.models import WorkflowExecution
from nexora.kernel import jobs
from nexora.kernel.db.login import OWNER
from nexora.kernel.jobs import enqueue
from nexora.kernel.scope import unscoped
from tests.database import another_session

START_SECONDS = 30
# What PostgreSQL calls the sessions of workers.
NAME = "workers of the faults"
LOGIN = ("host", "port", "user", "password", "dbname")
MINUTES = 10

PASS = """
WITH late AS (
    UPDATE procrastinate_workers SET last_heartbeat = last_heartbeat - %(time)s::interval WHERE id = ANY(%(dead)s)
), due AS (
    UPDATE procrastinate_jobs SET scheduled_at = scheduled_at - %(time)s::interval
    WHERE status = 'todo' AND scheduled_at IS NOT NULL
)
UPDATE workflow_executions SET resume_at = resume_at - %(time)s::interval
WHERE id IN (
    SELECT id FROM workflow_executions
    WHERE status = 'running' AND resume_at IS NOT NULL FOR NO KEY UPDATE SKIP LOCKED
)
"""


@contextlib.contextmanager
def owner():
    """`ask(sql, values)`: the rows, as the owner of the tables."""
    with another_session(login=OWNER) as session:

        def ask(sql, values=None):
            with session.cursor() as cursor:
                cursor.execute(sql, values)
                return cursor.fetchall() if cursor.description else []

        yield ask


class Nursery:
    """Where workers come from: see nursery.py. One for all tests, as loading the product takes longer than most.

    home     directory that the workers and the test share
    calls    the Sink of their requests
    log      what the workers say
    """

    def __init__(self, home, calls):
        self.home = home
        self.calls = calls
        self.log = home / "workers.log"
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tests.workflows.faults.nursery"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                env=self.environment(),
                cwd=settings.BASE_DIR,
                start_new_session=True,
            )
        ready, _, _ = select.select([self.process.stdout], [], [], START_SECONDS)
        assert ready and self.process.stdout.readline() == "ready\n", self.log.read_text()

    def environment(self):
        params = connection.get_connection_params()
        return {key: value for key, value in os.environ.items() if not key.startswith(("DATABASE_", "NEXORA_"))} | {
            "PGAPPNAME": NAME,
            "DJANGO_SETTINGS_MODULE": "tests.workflows.faults.settings",
            "PYTHONPATH": str(settings.BASE_DIR),
            "DATABASE_URL": make_conninfo(**{name: params[name] for name in LOGIN if params.get(name)}),
            "FAULTS_HOME": str(self.home),
            "NEXORA_DATA_DIR": str(self.home),
            "NEXORA_SECRET_KEY": settings.SECRET_KEY,
            "NEXORA_OUTGOING_HTTP": "1",
            "NEXORA_OUTGOING_HOSTS": f"127.0.0.1:{self.calls.server_port}",
        }

    def tidy(self):
        """Nothing of an earlier test is left."""
        self.calls.taken.clear()
        self.calls.hold.set()
        for path in self.home.rglob("*"):
            if path.is_file() and path != self.log:
                path.unlink()
        os.truncate(self.log, 0)

    def start(self, concurrency):
        """The process id of a new worker."""
        self.process.stdin.write(f"{concurrency}\n")
        self.process.stdin.flush()
        return int(self.process.stdout.readline())

    def close(self):
        """And all its workers."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.communicate()


class Stage:
    """The workers of one test, and what they find.

    kills    how many workers have died
    """

    def __init__(self, nursery, ask):
        self.nursery = nursery
        self.home = nursery.home
        self.calls = nursery.calls
        self.ask = ask
        self.kills = 0
        self.alive = []

    # -- Workers

    def order(self, faults):
        """What is to happen to the workers, each once."""
        (self.home / "faults.json").write_text(json.dumps(list(faults)))

    def happened(self):
        """Names of what was ordered and has happened."""
        return {path.stem for path in self.home.glob("*.happened")}

    def start(self, concurrency=1):
        """The process id of a new worker."""
        self.alive.append(self.nursery.start(concurrency))
        return self.alive[-1]

    def has_begun(self, name):
        """Wait until a probe of this name is at work: see probes.py."""
        wait_until((self.home / f"{name}.begun").exists, f"{name} begins")

    def let_go(self, name):
        (self.home / f"{name}.go").touch()

    def probed(self, name):
        """[(run, key)] of the calls that a probe of this name has made."""
        path = self.home / f"{name}.calls"
        return [tuple(line.split()) for line in path.read_text().splitlines()] if path.exists() else []

    def bury(self):
        """Take note of the workers that have died."""
        dead = [pid for pid in self.alive if not psutil.pid_exists(pid)]
        self.alive = [pid for pid in self.alive if pid not in dead]
        self.kills += len(dead)

    def kill(self, pid, number=signal.SIGKILL):
        """Send the signal, and wait until the worker is gone."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
        wait_until(lambda: not psutil.pid_exists(pid), "the worker ends", seconds=25)
        self.bury()

    def mails(self):
        """[(address, Message-ID)] of what was sent."""
        found = []
        for path in (self.home / "mail").glob("*.eml"):
            headers = BytesHeaderParser(policy=policy.default).parsebytes(path.read_bytes())
            found.append((str(headers["to"]), str(headers["message-id"])))
        return found

    def said(self, lines=30):
        return "\n".join(self.nursery.log.read_text().splitlines()[-lines:])

    def close(self):
        for pid in self.alive[:]:
            self.kill(pid)
        # What they held, their sessions let go of a moment later.
        wait_until(lambda: not self.sessions(), "the workers' sessions end")
        # Django's flush leaves the queue's tables alone.
        self.ask("DELETE FROM procrastinate_jobs")
        self.ask("DELETE FROM procrastinate_workers")

    # -- Time

    def time_passes(self):
        """Ten minutes, at once."""
        dead = []
        for path in self.home.glob("worker-*"):
            pid, number = path.name.split("-")[1:]
            if not psutil.pid_exists(int(pid)):
                dead.append(int(number))
        self.ask(PASS, {"time": f"{MINUTES} minutes", "dead": dead})
        with contextlib.suppress(AlreadyEnqueued):
            jobs.rescue_stalled_jobs.defer()
        enqueue(run_due, once=run_due.name, lock=run_due.name)

    def settle(self, runs, *, seconds=30, workers=1, concurrency=1, meanwhile=lambda: None):
        """Until these runs are over and no job is left of any: workers that die are replaced, and time passes whenever
        nothing else does."""
        wanted, deadline = [run.pk for run in runs], time.monotonic() + seconds
        seen, since = None, 0
        while True:
            meanwhile()
            self.bury()
            while len(self.alive) < workers:
                self.start(concurrency)
            open_runs, waiting, now = self.open_runs(wanted), self.jobs(), self.progress()
            if not open_runs and not waiting:
                return
            assert time.monotonic() < deadline, f"{self.story(open_runs)}\n{waiting}\n{self.said()}"
            if now != seen:
                seen, since = now, time.monotonic()
            elif time.monotonic() - since > 0.4:
                self.time_passes()
                since = time.monotonic()
            time.sleep(0.03)

    def progress(self):
        """Something that differs as soon as anything has been done."""
        return self.ask(
            "SELECT (SELECT max(id) FROM procrastinate_events), (SELECT count(*) FROM workflow_steps), "
            "(SELECT sum(attempts) FROM workflow_steps)"
        )

    def jobs(self, task="advance_execution"):
        """Those that are not done."""
        return self.ask(
            "SELECT id, status::text, scheduled_at, args FROM procrastinate_jobs "
            "WHERE status IN ('todo', 'doing') AND task_name LIKE %s",
            [f"%{task}"],
        )

    def sessions(self):
        """Process ids of the workers' sessions, none of the test's own, of which a pool may have several."""
        found = self.ask(
            "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND application_name = %s", [NAME]
        )
        return [pid for (pid,) in found]

    @staticmethod
    def waits_for_a_lock():
        """Whether some session does; what a session waits for is shown to those of the same login."""
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
            )
            return cursor.fetchone() is not None

    @staticmethod
    def end_sessions(pids):
        """As an administrator would; whoever logs in as they did, may."""
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_terminate_backend(pid) FROM unnest(%s::int[]) AS pid", [pids])

    # -- Runs

    @staticmethod
    def open_runs(wanted):
        with unscoped(reason="test"):
            found = WorkflowExecution.objects.filter(pk__in=wanted, status=WorkflowExecution.Status.RUNNING)
            return list(found.values_list("pk", flat=True))

    def story(self, ids):
        """What is known of these runs, for whoever reads a failed test."""
        with unscoped(reason="test"):
            runs = WorkflowExecution.objects.filter(pk__in=ids)
            return "\n".join(
                f"{run.pk} {run.state} attempt {run.attempt} resume_at {run.resume_at} {run.position} "
                f"{list(run.steps.values_list('path', 'status', 'attempts', 'error'))}"
                for run in runs
            )


def wait_until(is_so, what, *, seconds=10):
    deadline = time.monotonic() + seconds
    while not (found := is_so()):
        assert time.monotonic() < deadline, f"It took more than {seconds} s until {what}."
        time.sleep(0.01)
    return found


# -- Requests


class Sink(ThreadingHTTPServer):
    """
    taken   [(path, webhook-id, body)] of the requests that have come
    hold    while it is clear, no request is answered
    """

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Answer)
        self.taken = []
        self.hold = threading.Event()
        self.hold.set()

    def keys(self, path):
        return [key for found, key, _ in self.taken if found == path]


class Answer(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"] or 0))
        self.server.taken.append((self.path, self.headers["webhook-id"], body))
        self.server.hold.wait(20)
        with contextlib.suppress(OSError):  # who asked may be dead
            self.send_response(200)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

    def log_message(self, *args):
        """Not on the tests' output."""


@contextlib.contextmanager
def sink():
    server = Sink()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.hold.set()
        server.shutdown()
        server.server_close()
