"""Run a command beside a throw-away PostgreSQL of another version, if the machine has its server programs.

    python tests/cluster.py 15 -- python -m pytest        # what `make test DATABASE=15` does
    python tests/cluster.py 15                            # only says whether it could: exit status 0 or 3

The command finds the server through DATABASE_URL and DATABASE_OWNER_URL; the cluster goes when the command ends.
"""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from contextlib import contextmanager, suppress
from pathlib import Path

PLACES = (
    "/usr/lib/postgresql/{}/bin",
    "/usr/pgsql-{}/bin",
    "/opt/homebrew/opt/postgresql@{}/bin",
    "/usr/local/opt/postgresql@{}/bin",
)
EMBEDDED = "embedded"
MISSING = 3
ROOT = Path(__file__).resolve().parent.parent
# Nothing in it is worth a write to the disk.
FAST = "-c fsync=off -c synchronous_commit=off -c full_page_writes=off"


def programs(major):
    """The directory of that version's initdb and pg_ctl, or None; of those in the wheel for EMBEDDED."""
    if major == EMBEDDED:
        from nexora.kernel.db import embedded, wheel

        return wheel.programs(embedded.MAJOR)
    for place in PLACES:
        directory = Path(place.format(major))
        if (directory / "initdb").exists() and (directory / "pg_ctl").exists():
            return directory
    return None


def account(major):
    """Keyword arguments of subprocess for whoever owns the server: initdb refuses to run as root."""
    if os.geteuid() != 0:
        return {}
    if major == EMBEDDED:
        from nexora.kernel.db import wheel

        user = wheel.system_user()
        wheel.let_reach(user, programs(major).parent, everything_in=True)
        return {"user": user.pw_name, "group": user.pw_name}
    return {"user": "postgres", "group": "postgres"}


@contextmanager
def cluster(major, *, options=FAST):
    """(directory of the socket and of `data`, function that runs pg_ctl) of a fresh server."""
    binaries = programs(major)
    user = account(major)
    home = Path(tempfile.mkdtemp(prefix="nexora-"))
    if user:
        shutil.chown(home, **user)
        # Its sockets are for the user who runs the tests, too.
        home.chmod(0o711)
    data = home / "data"

    def run(program, *args):
        subprocess.run(  # noqa: S603
            [binaries / program, *args],
            check=True,
            cwd=home,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            **user,
        )

    def control(*args):
        run(
            "pg_ctl", "-D", data, "-l", home / "log", "-w", "-t", "60",
            "-o", f"-k {home} -c listen_addresses='' {options}", *args,
        )  # fmt: skip

    try:
        run("initdb", "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync")
        control("start")
        try:
            yield home, control
        finally:
            # Unless a test has stopped it.
            with suppress(subprocess.CalledProcessError):
                control("-m", "immediate", "stop")
    finally:
        shutil.rmtree(home, ignore_errors=True)


def urls(socket):
    """The environment that points NEXORA at the server of this socket directory."""
    return {
        "DATABASE_URL": f"postgresql://nexora_app@/nexora?host={socket}",
        "DATABASE_OWNER_URL": f"postgresql://nexora_owner@/nexora?host={socket}",
        "DATABASE_ADMIN_URL": f"postgresql://postgres@/postgres?host={socket}",
    }


def main(major, command):
    if programs(major) is None:
        print(f"PostgreSQL {major} is not tested: its server programs are missing (Debian: postgresql-{major}).")  # noqa: T201
        return MISSING
    if not command:
        return 0
    with cluster(major) as (socket, _control):
        environment = os.environ | urls(socket)
        prepare = [sys.executable, ROOT / "manage.py", "prepare_database"]
        subprocess.run(prepare, check=True, env=environment, cwd=ROOT)  # noqa: S603
        environment.pop("DATABASE_ADMIN_URL")
        return subprocess.run(command, env=environment, cwd=ROOT).returncode  # noqa: S603


if __name__ == "__main__":
    # Whoever ends this ends the server too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    major, *rest = sys.argv[1:]
    sys.exit(main(major, rest[1:] if rest[:1] == ["--"] else rest))
