"""Through a pool, PgBouncer's in transaction mode or Django's, no answer is another tenant's."""

import os
import shutil
import subprocess
import threading
import time
from contextlib import ExitStack, contextmanager

import psycopg
import pytest

from tests import cluster, production
from tests.kernel import hammer
from tests.kernel.tour import Tourist

PGBOUNCER = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
# By name: two sessions that clients share, a single one, and two that may be left in any state.
CONFIG = """
[databases]
two = host={home} port=5432 dbname=nexora pool_size=2
one = host={home} port=5432 dbname=nexora pool_size=1
spoilt = host={home} port=5432 dbname=nexora pool_size=2
[pgbouncer]
unix_socket_dir = {home}
listen_addr =
listen_port = 6432
auth_type = trust
auth_file = {home}/users.txt
pool_mode = transaction
"""

needs_pgbouncer = pytest.mark.skipif(not PGBOUNCER, reason="PgBouncer is missing (Debian: pgbouncer)")
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def server():
    """(directory, environment) of a server of the kind that the other tests run on."""
    with cluster.cluster(production.kind()) as (home, _control):
        yield home, production.prepared(home), cluster.account(production.kind())


@contextmanager
def pooler(home, user):
    """`url(database)` of a PgBouncer in transaction mode."""
    (home / "users.txt").write_text('"nexora_app" ""\n')
    (home / "pooler.ini").write_text(CONFIG.format(home=home))
    process = subprocess.Popen([PGBOUNCER, "-q", home / "pooler.ini"], **user)  # noqa: S603
    try:
        deadline = time.monotonic() + 10
        while not (home / ".s.PGSQL.6432").exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        yield lambda database: f"postgresql://nexora_app@/{database}?host={home}&port=6432"
    finally:
        process.terminate()
        process.wait(10)


@pytest.fixture(scope="module")
def pooled(server):
    home, environment, user = server
    with pooler(home, user) as url:
        yield lambda database: environment | {"DATABASE_URL": url(database), "DATABASE_POOLER": "transaction"}


def faults_of_hammer(environment):
    *faults, count, _ = production.run(["-m", "tests.kernel.hammer"], environment).split("\n")
    return faults, int(count)


@needs_pgbouncer
@pytest.mark.parametrize("own_pool", ["0", "1"])
def test_two_tenants_share_two_sessions_and_never_see_each_other(pooled, own_pool):
    faults, count = faults_of_hammer(pooled("two") | {"DATABASE_POOL": own_pool})
    assert faults == []
    assert count == hammer.THREADS * hammer.ROUNDS + hammer.TENANTS


@needs_pgbouncer
def test_without_the_setting_a_session_tells_the_next_client_whose_it_was(pooled):
    """That the hammer above would notice."""
    faults, _count = faults_of_hammer(pooled("spoilt") | {"DATABASE_POOLER": ""})
    assert faults


def test_two_tenants_share_djangos_pool_and_never_see_each_other(server):
    _home, environment, _user = server
    faults, count = faults_of_hammer(environment | {"DATABASE_POOL": "1"})
    assert faults == []
    assert count == hammer.THREADS * hammer.ROUNDS + hammer.TENANTS


@needs_pgbouncer
@pytest.mark.parametrize(("database", "sessions"), [("one", 1), ("two", 2)])
def test_everything_works_behind_a_pooler_in_transaction_mode(server, pooled, database, sessions, tmp_path):
    home, direct, _user = server
    people = production.cast(direct, [f"{name}-{database}" for name in ("acme", "globex", "initech")])
    strangers, stopping = [], threading.Event()
    with production.web(pooled(database), tmp_path) as port:
        tourists = [Tourist(port, person, 1, strangers, stopping) for person in people]
        for tourist in tourists:
            tourist.start()
        for tourist in tourists:
            tourist.join()
        with psycopg.connect(f"postgresql://postgres@/nexora?host={home}") as administrator:
            administrator.execute("SELECT refresh_revenue(true)")
            counted = {tenant for (tenant,) in administrator.execute("SELECT tenant_id::text FROM request_counts")}
            assert {person.tenant_id for person in people} <= counted
        for tourist in tourists:
            tourist.read_report()
    assert [fault for tourist in tourists for fault in tourist.faults] == []
    assert all(tourist.deals and len(tourist.answers) > 100 for tourist in tourists)
    ensure_nothing_stays(pooled(database)["DATABASE_URL"], sessions)


def ensure_nothing_stays(url, sessions):
    """In the sessions that clients share: each has a transaction of ours, and so all of them are seen."""
    with ExitStack() as clients:
        for _ in range(sessions):
            client = clients.enter_context(psycopg.connect(url, prepare_threshold=None))
            left = client.execute(
                "SELECT coalesce(current_setting('nexora.tenant_id', true), ''), current_setting('role'), "
                "(SELECT count(*) FROM pg_prepared_statements), (SELECT count(*) FROM pg_cursors), "
                "(SELECT count(*) FROM pg_locks WHERE pid = pg_backend_pid() AND locktype = 'advisory')"
            )
            assert left.fetchone() == ("", "none", 0, 0, 0)
