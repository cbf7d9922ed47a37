"""Through a pool, PgBouncer's in transaction mode or Django's, no answer is another tenant's."""

import os
import shutil
import subprocess
import sys
import time

import pytest

from tests import cluster
from tests.kernel import hammer

PGBOUNCER = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
CONFIG = """
[databases]
nexora = host={home} port=5432 dbname=nexora
[pgbouncer]
unix_socket_dir = {home}
listen_addr =
listen_port = 6432
auth_type = trust
auth_file = {home}/users.txt
pool_mode = transaction
default_pool_size = 2
"""

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not PGBOUNCER or not cluster.programs("15"), reason="needs pgbouncer and PostgreSQL 15"),
]


@pytest.fixture
def pooled():
    """The environment that leads to a fresh database through a pooler with two sessions."""
    with cluster.cluster("15") as (home, _control):
        environment = {key: value for key, value in os.environ.items() if not key.startswith("DATABASE_")}
        environment |= cluster.urls(home) | {
            "PYTHONPATH": str(cluster.ROOT), "DJANGO_SETTINGS_MODULE": "nexora.settings",
        }  # fmt: skip
        for command in ("prepare_database", "migrate"):
            run([cluster.ROOT / "manage.py", command], environment)
        (home / "users.txt").write_text('"nexora_app" ""\n')
        (home / "pooler.ini").write_text(CONFIG.format(home=home))
        user = {"user": "postgres", "group": "postgres"} if os.geteuid() == 0 else {}
        pooler = subprocess.Popen([PGBOUNCER, "-q", home / "pooler.ini"], **user)  # noqa: S603
        try:
            deadline = time.monotonic() + 10
            while not (home / ".s.PGSQL.6432").exists() and time.monotonic() < deadline:
                time.sleep(0.05)
            yield environment | {"DATABASE_URL": f"{environment['DATABASE_URL']}&port=6432"}
        finally:
            pooler.terminate()
            pooler.wait(10)


def run(arguments, environment):
    done = subprocess.run(  # noqa: S603
        [sys.executable, *arguments], env=environment, cwd=cluster.ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout.split("\n")


def test_two_tenants_share_two_sessions_and_never_see_each_other(pooled):
    *faults, count, _ = run(["-m", "tests.kernel.hammer"], pooled | {"DATABASE_POOLER": "transaction"})
    assert faults == []
    assert int(count) == hammer.THREADS * hammer.ROUNDS + 2


def test_without_the_setting_a_session_tells_the_next_client_whose_it_was(pooled):
    """That the hammer above would notice."""
    *faults, _count, _ = run(["-m", "tests.kernel.hammer"], pooled)
    assert faults


def test_two_tenants_share_djangos_pool_and_never_see_each_other(pooled):
    direct = pooled["DATABASE_URL"].removesuffix("&port=6432")
    *faults, count, _ = run(["-m", "tests.kernel.hammer"], pooled | {"DATABASE_URL": direct, "DATABASE_POOL": "1"})
    assert faults == []
    assert int(count) == hammer.THREADS * hammer.ROUNDS + 2
