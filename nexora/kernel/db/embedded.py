"""The PostgreSQL that comes in a wheel, run from `.data/` so that a newcomer installs nothing.

    host = ensure_running("/…/.data/postgres")     # the directory of its socket; a libpq `host`

Who keeps it running. Every process that uses the server holds a shared file lock for as long as it lives; a small
keeper process waits for the exclusive one and then stops the server. The kernel gives locks back however a process
ends, kill -9 included, so there are no counts to go stale. Whoever finds no server starts one.

The wheel brings the programs only. Its own Python part counts users in a file, locks one world-shared path in /tmp and
opens every directory above the data to everybody, so it is not used.
"""

import fcntl
import hashlib
import os
import shlex
import signal
import stat
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager, suppress
from pathlib import Path

DATABASE = "nexora"
SUPERUSER = "postgres"
MAJOR = 18
SOCKET = ".s.PGSQL.5432"
SOCKET_PATH_LIMIT = 103  # bytes, macOS; Linux has 107
LOG_LIMIT = 10_000_000

_servers = {}


class EmbeddedError(Exception):
    """The embedded server cannot be used; the message says what to do."""


def ensure_running(data_dir):
    """Directory of the socket of a server that answers. Starts and prepares one where none runs."""
    server = _servers.get(data_dir)
    if server is None:
        server = _servers[data_dir] = Server(data_dir)
    if not server.is_current():
        server.attach()
    return server.host


def leave(data_dir, patience=15):
    """Give up this process's hold. True when the server has stopped, False when another process still uses it, None
    when there was no hold."""
    server = _servers.pop(data_dir, None)
    if server is None or not server.is_held():
        return None
    server.release()
    deadline = time.monotonic() + patience
    others_since = None
    while time.monotonic() < deadline and server.running_pid():
        if server.is_held_by_others():
            others_since = others_since or time.monotonic()
            if time.monotonic() - others_since > 1:
                return False
        else:
            others_since = None
        time.sleep(0.02)
    return not server.running_pid()


class Server:
    def __init__(self, data_dir):
        self.data_dir = Path(data_dir).resolve()
        self.run_dir = self.data_dir.with_name("run")
        self.log = self.data_dir.with_name("log") / "postgres.log"
        self.host = None
        self._pid = None
        self._hold = None

    # -- Using it

    def is_current(self):
        """Asked at every new connection: a small file and one look at the process table."""
        return self.is_held() and self._pid is not None and self._pid == self.running_pid()

    def attach(self):
        try:
            self.data_dir.parent.mkdir(parents=True, exist_ok=True)
            self.run_dir.mkdir(exist_ok=True)
            with self._locked("postgres.lock"):
                self._take_hold()
                self._ensure_keeper()  # first: an interrupted start leaves nothing running
                if not self.running_pid():
                    self._start()
                self._pid, self.host = self._read_pid_file()
                self._prepare()
        except PermissionError as error:
            raise EmbeddedError(
                f"The embedded PostgreSQL cannot use {error.filename}: it belongs to another user. Run as the user who "
                f"made {self.data_dir.parent}, set NEXORA_DATA_DIR to a directory of your own, or set DATABASE_URL."
            ) from error

    def is_held(self):
        return self._hold is not None

    def release(self):
        if self._hold is not None:
            os.close(self._hold)
        self._hold = self._pid = None

    def running_pid(self):
        """Process id of the server of this directory, or None. Sees through a left-over or re-used process id."""
        try:
            pid, _host = self._read_pid_file()
        except (FileNotFoundError, ValueError, IndexError):
            return None
        return pid if _is_postgres_in(pid, self.data_dir) else None

    def is_held_by_others(self):
        """True while a process holds the server, so that its keeper must wait."""
        with open(self._users_path) as probe:
            try:
                fcntl.flock(probe, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                pass
            else:
                return False
            try:
                fcntl.flock(probe, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return False  # the keeper has it: the server is being stopped
            return True

    @property
    def _users_path(self):
        return self.run_dir / "postgres.users"

    def _read_pid_file(self):
        lines = (self.data_dir / "postmaster.pid").read_text().splitlines()
        return int(lines[0]), lines[4]

    def _take_hold(self):
        """Waits while a keeper is stopping the server; it then has to be started again."""
        if self._hold is None:
            descriptor = os.open(self._users_path, os.O_RDWR | os.O_CREAT, 0o600)
            fcntl.flock(descriptor, fcntl.LOCK_SH)
            self._hold = descriptor

    @contextmanager
    def _locked(self, name):
        descriptor = os.open(self.run_dir / name, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def _ensure_keeper(self):
        descriptor = os.open(self.run_dir / "postgres.keeper", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return
        else:
            # The lock belongs to the open file, so the keeper holds it from its first moment.
            subprocess.Popen(  # noqa: S603
                [sys.executable, "-I", __file__, str(self.data_dir), str(descriptor)],
                pass_fds=[descriptor],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
                cwd="/",
            )
        finally:
            os.close(descriptor)

    def _prepare(self):
        import psycopg
        from django.conf import settings

        from nexora.kernel.db.roles import Plan, prepare

        with psycopg.connect(host=self.host, user=SUPERUSER, dbname="postgres", autocommit=True) as connection:
            prepare(connection, Plan.from_settings(settings, database=DATABASE))

    # -- Starting it

    def _start(self):
        from nexora.kernel.db import wheel  # not above: the keeper runs this file alone

        user = wheel.system_user()
        programs = wheel.programs(MAJOR)
        if user:
            wheel.let_reach(user, programs.parent, everything_in=True)
            wheel.let_reach(user, self.data_dir)
        self._make_log(user)
        if not (self.data_dir / "PG_VERSION").exists():
            self._init(programs, user)
        found = (self.data_dir / "PG_VERSION").read_text().strip()
        if found != str(MAJOR):
            raise EmbeddedError(
                f"{self.data_dir} was written by PostgreSQL {found} and this is {MAJOR}. Move it away to start afresh, "
                "or upgrade it with pg_upgrade."
            )
        socket_dir = self._socket_dir(user)
        # PostgreSQL believes any living process id in these files, a zombie's or a stranger's too; we looked closer.
        for leftover in (self.data_dir / "postmaster.pid", socket_dir / f"{SOCKET}.lock"):
            leftover.unlink(missing_ok=True)
        options = {
            "listen_addresses": "",
            "unix_socket_directories": str(socket_dir),
            "unix_socket_permissions": "0700",
        }
        flags = " ".join(f"-c {shlex.quote(f'{name}={value}')}" for name, value in options.items())
        where = ["-D", self.data_dir, "-l", self.log, "-o", flags]
        command = [programs / "pg_ctl", "start", "-w", "-s", "-t", "60", *where]
        for attempt in range(5):
            result = self._run(command, user)
            if result.returncode == 0:
                return
            if "shared memory block" not in self._last_lines():
                break
            # Backends of a killed server take a moment to notice and let go of its memory.
            time.sleep(0.5 * (attempt + 1))
        raise EmbeddedError(
            f"The embedded PostgreSQL did not start. {result.stdout.strip()}\n"
            f"The end of {self.log}:\n{self._last_lines()}"
        )

    def _init(self, programs, user):
        """In a draft directory that is renamed when complete: an interrupted start leaves nothing half made."""
        import shutil

        draft = self.data_dir.with_name(f"{self.data_dir.name}.new")
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(mode=0o700)
        if user:
            os.chown(draft, user.pw_uid, user.pw_gid)
        # Whoever can reach the socket, in a directory of its own with mode 0700, may sign in.
        access = ["-U", SUPERUSER, "--auth-local=trust", "--auth-host=reject"]
        # Collation is built in, so that an order or an index never depends on the machine's locales.
        locale = ["--encoding=UTF8", "--no-locale", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
        result = self._run([programs / "initdb", "-D", draft, "--no-instructions", *access, *locale], user)
        if result.returncode:
            raise EmbeddedError(f"The embedded PostgreSQL could not make its data directory:\n{result.stdout.strip()}")
        if self.data_dir.exists():
            self.data_dir.rmdir()
        draft.rename(self.data_dir)

    def _run(self, command, user):
        as_user = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []} if user else {}
        with tempfile.TemporaryFile("w+") as output:
            # A file, not a pipe: the server inherits it and would keep a pipe open for ever.
            result = subprocess.run(  # noqa: S603
                [str(part) for part in command],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd="/",
                env={"PATH": "/usr/bin:/bin", "LC_ALL": "C"},
                **as_user,
            )
            output.seek(0)
            result.stdout = output.read()
        return result

    def _socket_dir(self, user):
        """The data directory, or where its path is too long for a socket a private one with a short name."""
        if len(os.fsencode(self.data_dir / SOCKET)) <= SOCKET_PATH_LIMIT:
            return self.data_dir
        owner = user.pw_uid if user else os.geteuid()
        name = hashlib.sha256(os.fsencode(self.data_dir)).hexdigest()[:12]
        path = Path(tempfile.gettempdir()) / f"nexora-{name}"
        try:
            path.mkdir(mode=0o700)
            if user:
                os.chown(path, user.pw_uid, user.pw_gid)
        except FileExistsError:
            found = path.lstat()
            if not stat.S_ISDIR(found.st_mode) or found.st_uid != owner or found.st_mode & 0o077:
                raise EmbeddedError(
                    f"{path} should be a private directory for the database's socket, but somebody else made it. "
                    "Remove it, or move this checkout to a shorter path."
                ) from None
        return path

    def _make_log(self, user):
        self.log.parent.mkdir(exist_ok=True)
        if self.log.exists() and self.log.stat().st_size > LOG_LIMIT:
            self.log.replace(self.log.with_suffix(".log.1"))
        self.log.touch(mode=0o600)
        if user:
            os.chown(self.log, user.pw_uid, user.pw_gid)

    def _last_lines(self, count=15):
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-count:])


# -- Processes


def _is_postgres_in(pid, data_dir):
    import psutil

    try:
        process = psutil.Process(pid)
        if process.status() == psutil.STATUS_ZOMBIE:
            return False
        return process.cwd() == str(data_dir) or str(data_dir) in process.cmdline()
    except psutil.AccessDenied:
        return False  # not a process of ours
    except psutil.NoSuchProcess:
        return False


def _forget_after_fork():
    """A child takes its own hold: through the parent's descriptor it would lose the server with the parent's lock."""
    for server in _servers.values():
        server.release()


os.register_at_fork(after_in_child=_forget_after_fork)


# -- The keeper


def _keep(data_dir, keeper_lock):
    """Wait until no process uses the server of `data_dir`, then stop it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    server = Server(data_dir)
    users = os.open(server._users_path, os.O_RDWR)
    fcntl.flock(users, fcntl.LOCK_EX)
    try:
        same_directory = os.path.samestat(os.fstat(users), os.stat(server._users_path))
    except FileNotFoundError:
        same_directory = False
    # The directory may have been deleted and made again meanwhile: the server there is another keeper's.
    if same_directory and server.running_pid():
        _pid, host = server._read_pid_file()
        for how, patience in ((signal.SIGINT, 20), (signal.SIGQUIT, 5)):  # fast, then immediate shutdown
            if not (pid := server.running_pid()):
                break
            os.kill(pid, how)
            deadline = time.monotonic() + patience
            while server.running_pid() and time.monotonic() < deadline:
                time.sleep(0.02)
        if host != str(server.data_dir):
            with suppress(OSError):
                os.rmdir(host)
    os.close(keeper_lock)  # first, so that whoever gets the users' lock finds no keeper and starts its own
    os.close(users)


if __name__ == "__main__":
    _keep(sys.argv[1], int(sys.argv[2]))
