import http.client
import io
import os
import signal
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import psycopg
from django.apps import apps
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError, OperationalError, connection, connections
from django.db.migrations.executor import MigrationExecutor

from nexora.kernel.db import embedded
from nexora.kernel.db.login import owner_login
from nexora.kernel.db.roles import PrepareError
from nexora.kernel.mailers import Outbox, kept_in
from nexora.kernel.management.commands.prepare_database import Command as PrepareDatabase
from nexora.kernel.processes import Child, RunFile, end_orphans, is_port_free, port_holder, stop
from nexora.kernel.scope import PLATFORM_TENANT_ID

WEB_THREADS = 4
START_SECONDS = 60
STOP_SECONDS = 25
IMPATIENT_SECONDS = 3  # while nobody can be using it yet; granian ignores signals while its worker loads
DEMO_PASSWORD = "nexora-demo"  # noqa: S105  (published in the README)
DEMO_PEOPLE = [
    ("acme", "admin@acme.com", "admin"),
    ("acme", "manager@acme.com", "manager"),
    ("acme", "user@acme.com", "user"),
    ("acme", "guest@acme.com", "guest (API only)"),
    ("globex", "mallory@globex.com", "admin of another tenant"),
    ("", "root@nexora.example", "super_admin, the platform"),
]
REFUSALS = (
    CommandError,
    DatabaseError,
    ImproperlyConfigured,
    PrepareError,
    embedded.EmbeddedError,
    psycopg.Error,
    OSError,
)


class Stopped(BaseException):
    """Ctrl-C or SIGTERM, wherever it arrives."""


def web_command(port, static):
    """The production server, which answers `settings.STATIC_URL` from the directory `static` itself."""
    command = [sys.executable, "-m", "granian", "--interface", "wsgi", "--host", settings.BIND, "--port", port]
    command += ["--workers", 1, "--blocking-threads", WEB_THREADS, "--no-ws"]
    command += ["--workers-kill-timeout", STOP_SECONDS - 5]
    command += ["--static-path-route", settings.STATIC_URL.rstrip("/"), "--static-path-mount", static]
    return [*command, "--static-path-expires", 600, settings.WSGI_APPLICATION.replace(".application", ":application")]


def dotted(label):
    return f"{label} {'.' * (18 - len(label))} "


class Command(BaseCommand):
    help = (
        "Start everything: database, migrations, demo data, web and worker. Ctrl-C stops it all. `make run` calls it."
    )
    requires_system_checks = []

    def add_arguments(self, parser):
        parser.add_argument("--port", type=int, default=8000)
        parser.add_argument("--no-demo", action="store_true", help="load no demo data into an empty database")

    def handle(self, *, port, no_demo, **options):
        self.port, self.children, self.stopping = port, [], False
        self.patience = IMPATIENT_SECONDS
        self.root = Path(settings.BASE_DIR)
        self.run_file = RunFile(Path(settings.DATA_DIR) / "run" / f"up-{port}.json")
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self.on_signal)
        try:
            self.clear_the_way()
            self.prepare(no_demo)
            self.start()
            self.patience = STOP_SECONDS
            self.welcome()
            self.watch()
        except Stopped:
            self.stdout.write("")
        except REFUSALS as error:
            raise CommandError(error) from error
        finally:
            self.shut_down()

    def on_signal(self, number, frame):
        if self.stopping:  # asked twice
            for child in self.children:
                child.kill()
            return
        self.stopping = True
        raise Stopped

    # -- Progress

    @contextmanager
    def step(self, label):
        """`label ....... result (0.3 s)`; the body sets the result with `say("…")`."""
        self.stdout.write(dotted(label), ending="")
        self.stdout.flush()
        started, results = time.monotonic(), ["ready"]
        try:
            yield results.append
        except REFUSALS:
            self.stdout.write("failed")
            self.stdout.flush()
            raise
        self.stdout.write(f"{results[-1]} ({time.monotonic() - started:.1f} s)")
        self.stdout.flush()

    # -- Before anything slow

    def clear_the_way(self):
        earlier = self.run_file.running()
        if earlier and "up" in earlier:
            raise CommandError(
                f"NEXORA already runs here as process {earlier['up'].pid}, at http://localhost:{self.port}/. "
                f"Stop it with Ctrl-C in its terminal, or start another: make run PORT={self.free_port()}"
            )
        if earlier:
            with self.step("left over") as say:
                end_orphans(list(earlier.values()))
                say(f"{' and '.join(earlier)} of an earlier run, stopped")
        try:
            free = is_port_free(settings.BIND, self.port)
        except (OSError, OverflowError) as error:
            raise CommandError(
                f"Cannot serve on port {self.port} of {settings.BIND}: {error}. Choose another port "
                "(make run PORT=8000) or another address (NEXORA_BIND)."
            ) from error
        if not free:
            raise CommandError(
                f"Port {self.port} is in use by {port_holder(self.port) or 'another program'}. "
                f"Stop that, or choose another port: make run PORT={self.free_port()}"
            )

    def free_port(self):
        return next((port for port in range(self.port + 1, self.port + 100) if is_port_free(settings.BIND, port)), 8000)

    # -- Database and files

    def prepare(self, no_demo):
        entry = settings.DATABASES["default"]
        with self.step("database") as say:
            if entry["EMBEDDED"]:
                embedded.ensure_running(entry["EMBEDDED"])
            elif settings.DATABASE_ADMIN_URL:
                PrepareDatabase().prepare()
            try:
                connection.ensure_connection()
            except OperationalError as error:
                raise CommandError(
                    f"DATABASE_URL does not connect: {' '.join(str(error).split())}. "
                    "`manage.py prepare_database` makes the roles and the database."
                ) from error
            version = ".".join(map(str, divmod(connection.pg_version, 10000)))
            say(f"PostgreSQL {version}, {'in ' + entry['EMBEDDED'] if entry['EMBEDDED'] else 'on ' + entry['HOST']}")
        with self.step("tables") as say:
            count = self.migrate()
            say(f"{count} migrations applied" if count else "up to date")
        if not no_demo:
            with self.step("demo data") as say:
                say(self.load_demo())
        with self.step("reports"):
            self.refresh_views()
        with self.step("static files"):
            call_command("collectstatic", interactive=False, verbosity=0)
        with self.step("checks") as say:
            call_command("check", databases=["default"], stdout=io.StringIO())
            say("passed")
        connections.close_all()

    def migrate(self):
        with owner_login() as owner:
            executor = MigrationExecutor(owner)
            plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
        if plan:
            call_command("migrate", interactive=False, verbosity=0, skip_checks=True)
        return len(plan)

    def load_demo(self):
        """Into a platform that has no tenant yet, and never again: what people changed since is theirs."""
        fixtures = sorted((self.root / "fixtures").glob("*.json"))
        tenants = apps.get_model(settings.TENANT_MODEL)
        with owner_login():
            if tenants.objects.exclude(pk=PLATFORM_TENANT_ID).exists():
                return "kept as it is"
        if not fixtures:
            return "none"
        # All in one call: one transaction, so that an interrupted start leaves nothing half loaded.
        call_command("loaddata", *fixtures, verbosity=0)
        return f"{len(fixtures)} files loaded"

    def refresh_views(self):
        with owner_login() as owner, owner.cursor() as cursor:
            cursor.execute("SELECT to_regprocedure('refresh_revenue(boolean)') IS NOT NULL")
            if cursor.fetchone()[0]:
                cursor.execute("SELECT refresh_revenue(true)")

    # -- Processes

    def start(self):
        logs = Path(settings.DATA_DIR) / "log"
        web = web_command(self.port, Path(settings.STATIC_ROOT))
        worker = [sys.executable, self.root / "manage.py", "worker"]
        with self.step("web"):
            self.outbox = Outbox(kept_in())
            # Both at once; each is waited for in its turn.
            self.launch("web", web, logs)
            self.launch("worker", worker, logs)
            self.run_file.write(self.children)
            self.wait_until(self.is_web_up)
        with self.step("worker"):
            self.wait_until(lambda: "worker " in self.children[1].output())

    def launch(self, name, command, logs):
        # Links in mails lead to this port, unless the operator knows better: a proxy may stand before it.
        environment = {"NEXORA_PUBLIC_PORT": str(self.port), **os.environ}
        self.children.append(Child(name, command, log=logs / f"{name}.log", cwd=self.root, env=environment))

    def wait_until(self, is_ready):
        deadline = time.monotonic() + START_SECONDS
        while not is_ready():
            self.refuse_dead()
            if time.monotonic() > deadline:
                raise CommandError(f"No answer after {START_SECONDS} s. See {self.children[0].log.parent}.")
            time.sleep(0.1)

    def is_web_up(self):
        address = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.BIND, settings.BIND)  # noqa: S104
        attempt = http.client.HTTPConnection(address, self.port, timeout=5)
        try:
            attempt.request("GET", "/healthz", headers={"Host": settings.BASE_DOMAIN})
            return attempt.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False
        finally:
            attempt.close()

    def refuse_dead(self):
        for child in self.children:
            if (status := child.ended()) is not None:
                how = f"signal {signal.Signals(-status).name}" if status < 0 else f"status {status}"
                raise CommandError(
                    f"{child.name} ended with {how}, so everything stops. The end of {child.log}:\n{child.last_lines()}"
                )

    def watch(self):
        directory = settings.DATABASES["default"]["EMBEDDED"]
        while True:
            self.refuse_dead()
            if directory:
                # Should the server die, it is started again before somebody misses it.
                embedded.ensure_running(directory)
            self.show_mail()
            time.sleep(0.5)

    def show_mail(self):
        for path, to, subject in self.outbox.new():
            self.stdout.write(f"{dotted('mail')}{os.path.relpath(path)} to {to}: {subject}")
        self.stdout.flush()

    def shut_down(self):
        self.stopping = True
        if self.children:
            self.stdout.write("stopping .......... ", ending="")
            self.stdout.flush()
            stubborn = stop(self.children, self.patience)
            self.stdout.write(f"{' and '.join(stubborn)} had to be killed" if stubborn else "web and worker stopped")
            self.run_file.remove()
        connections.close_all()
        directory = settings.DATABASES["default"]["EMBEDDED"]
        if directory and (stopped := embedded.leave(directory)) is not None:
            result = "stopped" if stopped else "left running: another process uses it"
            self.stdout.write(f"database .......... {result}")

    # -- The end of the beginning

    def welcome(self):
        suffix = "" if self.port == 80 else f":{self.port}"
        base = f"{settings.BASE_DOMAIN}{suffix}"
        self.stdout.write(
            f"\nNEXORA is running.\n\n"
            f"  platform    http://{base}/\n"
            f"  acme        http://acme.{base}/admin/\n"
            f"  API         http://acme.{base}/api/v1/docs/\n"
            f"  logs        {os.path.relpath(self.children[0].log.parent)}/\n"
        )
        with owner_login():
            demo = apps.get_model(settings.TENANT_MODEL).objects.filter(subdomain="acme").exists()
        connections.close_all()
        if demo:
            self.stdout.write(f"  Sign in with the password {DEMO_PASSWORD} as\n")
            for tenant, email, role in DEMO_PEOPLE:
                host = f"{tenant}.{base}" if tenant else base
                self.stdout.write(f"    {email:<21} {role:<26} http://{host}/admin/")
        self.stdout.write("\nCtrl-C stops everything.")
        self.stdout.flush()
