import asyncio
import logging
import os
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import psycopg
from django.core.management.base import BaseCommand, CommandError
from procrastinate.contrib.django import app
from procrastinate.contrib.django.utils import connector_params
from procrastinate.exceptions import ConnectorException
from procrastinate.psycopg_connector import PsycopgConnector
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from nexora.kernel import jobs
from nexora.kernel.db.embedded import EmbeddedError
from nexora.kernel.db.pool import check

log = logging.getLogger("nexora.worker")

LOST = (ConnectorException, PoolTimeout, psycopg.OperationalError, EmbeddedError)
ATTEMPTS = 5
STEADY_SECONDS = 60
PAUSE_SECONDS = 1
# Connections are opened when they are needed, and what does not open soon is given up: whether the database is back is
# found out in wait_for_database, once a second, where psycopg's pool would wait longer each time.
POOL = {"min_size": 0, "timeout": 3, "reconnect_timeout": 1}


def pool(**options):
    return AsyncConnectionPool(**options | POOL | {"check": check})


class Command(BaseCommand):
    help = "Do the jobs that requests enqueued, and the periodic ones. Ctrl-C or SIGTERM stops it within 20 s."

    def add_arguments(self, parser):
        parser.add_argument("--concurrency", type=int, default=4, help="jobs at a time, each in a thread (default 4)")
        parser.add_argument("--queue", action="append", dest="queues", help="only this queue; may be repeated")
        parser.add_argument("--until-empty", action="store_true", help="end when no job is waiting")

    def handle(self, *, concurrency, queues, until_empty, **options):
        if concurrency < 1:
            raise CommandError("--concurrency must be at least 1.")
        # As for the web: not with a login that no policy binds.
        self.check(databases=["default"])
        self.stopping = False
        failures = 0
        while True:
            started = time.monotonic()
            try:
                connector = PsycopgConnector(kwargs=connector_params(), max_size=concurrency + 3, pool_factory=pool)
                with app.replace_connector(connector):
                    asyncio.run(self.work(concurrency, queues, until_empty))
                reason = "it lost its connection"
            except LOST as error:
                reason = str(error)
            if self.stopping or until_empty:
                return
            # procrastinate ends when its heartbeat or its listening fails; a database that restarts is no reason to.
            was_away = self.wait_for_database()
            failures = 1 if was_away or time.monotonic() - started > STEADY_SECONDS else failures + 1
            if failures > ATTEMPTS:
                raise CommandError(f"The worker ended {failures} times in a row: {reason}")
            log.warning("The worker ended (%s); it starts again.", reason)
            time.sleep(failures - 1)

    def wait_for_database(self):
        """Whether it had to be waited for."""
        was_away = False
        while True:
            try:
                psycopg.connect(**connector_params()).close()
                return was_away
            except (psycopg.OperationalError, EmbeddedError) as error:
                if not was_away:
                    log.warning("The database does not answer (%s); the worker waits for it.", error)
                was_away = True
                time.sleep(PAUSE_SECONDS)

    async def work(self, concurrency, queues, until_empty):
        loop = asyncio.get_running_loop()
        # As many threads as jobs: each thread keeps a database connection.
        loop.set_default_executor(ThreadPoolExecutor(concurrency + 1, thread_name_prefix="job"))
        async with app.open_async():
            running = asyncio.create_task(
                app.run_worker_async(
                    concurrency=concurrency,
                    queues=queues,
                    wait=not until_empty,
                    install_signal_handlers=False,
                    shutdown_graceful_timeout=jobs.DRAIN_SECONDS,
                    update_heartbeat_interval=jobs.HEARTBEAT_SECONDS,
                    stalled_worker_timeout=jobs.STALLED_SECONDS,
                )
            )
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                loop.add_signal_handler(number, self.stop, running)
            self.stdout.write(f"worker {os.getpid()}: {concurrency} at a time, {', '.join(queues or ['every queue'])}")
            self.stdout.flush()
            try:
                await running
            except asyncio.CancelledError:
                if not self.stopping:
                    raise

    def stop(self, running):
        if self.stopping:
            os._exit(1)
        self.stopping = True
        running.cancel()  # procrastinate takes it as: fetch no more, finish what runs
        # It then waits for plain functions without end. Cutting one off leaves its job to rescue_stalled_jobs.
        timer = threading.Timer(jobs.DRAIN_SECONDS, self.cut_off)
        timer.daemon = True
        timer.start()

    @staticmethod
    def cut_off():
        log.warning("A job ran on for %s s after the signal; it is cut off and starts again later.", jobs.DRAIN_SECONDS)
        logging.shutdown()
        os._exit(1)
