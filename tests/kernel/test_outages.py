"""PostgreSQL goes away under load, in each of the ways it can, and comes back."""

import contextlib
import os
import signal
import subprocess
import threading
import time

import psycopg
import pytest

from tests import cluster, production
from tests.kernel.load import Client

pytestmark = pytest.mark.slow

TENANTS = ["acme", "globex", "initech"]
HOW = {"CONN_MAX_AGE": {}, "pool": {"DATABASE_POOL": "1"}}
# Processes are killed, never the machine: what was committed must be in the kernel's hands, no more.
SURVIVING = "-c fsync=off -c full_page_writes=off"
RECOVERY_SECONDS = 5
JOBS = 5  # at work when it happens


@pytest.fixture(scope="module")
def server():
    """(directory, pg_ctl, environment) of a server of the kind that the other tests run on."""
    with cluster.cluster(production.kind(), options=SURVIVING) as (home, control):
        yield home, control, production.prepared(home)


class Outages:
    """What happens to the server, and when: [(how, begin, end)]."""

    def __init__(self, home, control):
        self.home, self.control = home, control
        self.log = []
        self.while_away = lambda: None

    @contextlib.contextmanager
    def happening(self, how):
        begin = time.monotonic()
        yield
        self.log.append((how, begin, time.monotonic()))

    def stop(self, mode, seconds):
        with self.happening(f"{mode} shutdown"):
            self.control("-m", mode, "stop")
            try:
                self.while_away()
                time.sleep(seconds)
            finally:
                self.control("start")

    def kill(self):
        with self.happening("kill -9"):
            os.kill(int((self.home / "data" / "postmaster.pid").read_text().split()[0]), signal.SIGKILL)
            deadline = time.monotonic() + 10
            while True:
                # Until the last backend has noticed, its memory keeps a new server from starting.
                try:
                    self.control("start")
                    break
                except subprocess.CalledProcessError:
                    assert time.monotonic() < deadline
                    time.sleep(0.2)

    def end_sessions(self):
        with self.happening("pg_terminate_backend"):
            self.ask(
                "SELECT pg_terminate_backend(pid, 2000) FROM pg_stat_activity "
                "WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
            )

    def ask(self, sql, *params):
        """The rows that an administrator is answered."""
        with psycopg.connect(f"postgresql://postgres@/nexora?host={self.home}", autocommit=True) as connection:
            return connection.execute(sql, params).fetchall()


def enqueue(outages, task="apps.analytics.jobs.refresh_revenue"):
    """The id of a job."""
    insert = "INSERT INTO procrastinate_jobs (queue_name, task_name, args) VALUES ('default', %s, '{}') RETURNING id"
    return outages.ask(insert, task)[0][0]


@pytest.mark.parametrize("how", HOW)
def test_requests_fail_while_the_database_is_away_and_never_otherwise(server, how, tmp_path):
    home, control, environment = server
    environment = environment | HOW[how]
    people = production.cast(environment, [f"{tenant}-{how.lower().replace('_', '-')}" for tenant in TENANTS])
    outages, stopping, strangers = Outages(home, control), threading.Event(), []
    # The threads of clients come last: see processes.Child.
    with production.web(environment, tmp_path) as port, production.worker(environment, tmp_path):
        outages.while_away = lambda: ensure_a_load_balancer_is_told(port)
        clients = [Client(port, person, number, strangers, stopping) for person in people for number in (1, 2)]
        try:
            for client in clients:
                client.start()
            for happen in (
                lambda: outages.stop("fast", 1),
                lambda: outages.stop("immediate", 1),
                outages.end_sessions,
                outages.kill,
                lambda: outages.stop("fast", 8),
            ):
                time.sleep(1)
                for _ in range(JOBS):
                    enqueue(outages)
                happen()
                ensure_the_worker_works(outages)
            ensure_no_job_is_stuck(outages)
        finally:
            stopping.set()
            for client in clients:
                client.join(20)
    ensure_all_were_told_the_truth(clients, outages)
    ensure_each_record_is_stored_once(clients, outages)


def test_a_deal_that_was_written_before_a_crash_is_in_the_report(server):
    """A refresh knows by PostgreSQL's count of rows that there is something new; a crash sets it to nought."""
    home, control, environment = server
    (person,) = production.cast(environment, ["crash"])
    outages = Outages(home, control)
    (customer,) = outages.ask(
        "INSERT INTO customers (tenant_id, name) VALUES (%s, 'Ada') RETURNING tenant_id, id", person.tenant_id
    )
    for deals in (1, 2):
        outages.ask(
            "INSERT INTO deals (tenant_id, customer_id, title, value, stage) "
            "VALUES (%s, %s, 'Deal', 1, 'closed_won') RETURNING id",
            *customer,
        )
        outages.stop("immediate", 0)
        assert outages.ask("SELECT refresh_revenue()") == [(True,)]
        assert outages.ask("SELECT refresh_revenue()") == [(False,)]
        report = "SELECT deal_count FROM revenue_by_month WHERE tenant_id = %s"
        assert outages.ask(report, person.tenant_id) == [(deals,)]


def ensure_a_load_balancer_is_told(port):
    assert [production.status(port, path) for path in ("/healthz", "/readyz")] == [200, 503]


def ensure_the_worker_works(outages):
    job, deadline = enqueue(outages), time.monotonic() + 2 * RECOVERY_SECONDS
    while outages.ask("SELECT 1 FROM procrastinate_jobs WHERE id = %s AND status <> 'succeeded'", job):
        assert time.monotonic() < deadline, outages.log[-1]
        time.sleep(0.1)


def ensure_no_job_is_stuck(outages):
    """Those that lost their database in the middle are rescued; here half a minute passes at once."""
    outages.ask("UPDATE procrastinate_workers SET last_heartbeat = now() - interval '1 minute' RETURNING id")
    enqueue(outages, "nexora.kernel.jobs.rescue_stalled_jobs")
    deadline = time.monotonic() + 2 * RECOVERY_SECONDS
    while waiting := outages.ask("SELECT * FROM procrastinate_jobs WHERE status IN ('todo', 'doing')"):
        assert time.monotonic() < deadline, waiting
        time.sleep(0.1)


def ensure_all_were_told_the_truth(clients, outages):
    assert [fault for client in clients for fault in client.faults] == []
    for client in clients:
        for answer in client.answers:
            if answer.status != 503:
                continue
            assert answer.headers["retry-after"] == "2" and answer.received - answer.sent < RECOVERY_SECONDS, answer
            is_page = answer.headers["content-type"].startswith("text/html")
            assert is_page or answer.json["code"] == "database_unavailable", answer
            assert any(answer.sent <= end and answer.received >= begin for _, begin, end in outages.log), answer
        for how, _, end in outages.log:
            assert any(end <= a.received <= end + RECOVERY_SECONDS and a.status < 300 for a in client.answers), (
                client.name, how,
            )  # fmt: skip


def ensure_each_record_is_stored_once(clients, outages):
    told = {client.person.tenant_id: [] for client in clients}
    for client in clients:
        told[client.person.tenant_id] += [
            (record, f"{client.person.subdomain} {key}") for key, record in client.stored.items()
        ]
    rows = outages.ask("SELECT tenant_id::text, id::text, name FROM customers")
    for tenant_id, records in told.items():
        assert len(records) > 20
        assert sorted(records) == sorted((record, name) for owner, record, name in rows if owner == tenant_id)
