import time
from itertools import batched

from django.core.management.base import BaseCommand, CommandError
from django.db import connection, transaction

from nexora.bench.population import COLUMNS, Population
from nexora.kernel.management.owner import AsOwner

BATCH_ROWS = 50_000  # one transaction each: some 10 MB at a time, and an interrupted run has done most of its work
COPY_ROWS = 1_000
BAR_WIDTH = 30


class Command(AsOwner, BaseCommand):
    help = (
        "Fill the database with made-up tenants. The same numbers and seed make the same rows, byte for byte. "
        "Everybody's password is nexora-demo; people are called admin, manager, user or guest@seed-00000.example, and "
        "the first tenant's host is seed-00000. Publishes no change events."
    )

    def add_arguments(self, parser):
        parser.add_argument("--tenants", type=_count(1), default=100, help="how many (100)")
        parser.add_argument("--customers", type=_count(0), default=1_000, help="of EACH tenant, on average (1000)")
        parser.add_argument("--deals", type=_count(0), default=50_000, help="of ALL tenants together (50000)")
        parser.add_argument("--activities", type=_count(0), default=200_000, help="of ALL tenants together (200000)")
        parser.add_argument("--seed", type=int, default=1, help="another seed makes other rows (1)")
        parser.add_argument("--skew", action="store_true", help="the first tenant gets a tenth of everything")
        parser.add_argument("--append", action="store_true", help="add to the tenants that an earlier run has made")

    def handle(self, *, tenants, customers, deals, activities, seed, skew, append, **options):
        self.quiet = options["verbosity"] == 0
        seeded = self._count_seeded()
        if seeded and not append:
            raise CommandError(
                f"{seeded} tenants of an earlier seed_demo are here already. Add more with --append, or start from an "
                "empty database (manage.py flush)."
            )
        population = Population(
            tenants=tenants,
            customers=customers,
            deals=deals,
            activities=activities,
            seed=seed,
            skew=skew,
            first=seeded,
        )
        started = time.monotonic()
        for table in COLUMNS:
            self._fill(table, population)
        self._settle()
        self._say(f"{tenants:,} tenants in {time.monotonic() - started:.1f} s")

    def _count_seeded(self):
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM tenants WHERE subdomain ~ '^seed-[0-9]{5,}$'")
            return cursor.fetchone()[0]

    def _fill(self, table, population):
        total, done, started = population.count(table), 0, time.monotonic()
        self._show(table, 0, total, started)
        for batch in batched(population.lines(table), BATCH_ROWS):
            self._write(table, batch)
            done += len(batch)
            self._show(table, done, total, started)
        self._say(f"{table:<14} {done:>12,} rows in {time.monotonic() - started:.1f} s")

    def _write(self, table, lines):
        """COPY is refused under forced row-level security, for the owner too, and lifting it would lock the table for
        everybody. A temporary table has none, and the INSERT costs what the COPY would have."""
        columns = ", ".join(COLUMNS[table].split())
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(
                f"CREATE TEMPORARY TABLE seeded ON COMMIT DROP AS SELECT {columns} FROM {table} WITH NO DATA"
            )
            with cursor.copy(f"COPY seeded ({columns}) FROM STDIN") as copy:
                for some in batched(lines, COPY_ROWS):
                    copy.write("".join(some))
            cursor.execute(f"INSERT INTO {table} ({columns}) SELECT {columns} FROM seeded")

    def _settle(self):
        """What autovacuum would do in its own time: statistics, the visibility map, and the reports."""
        started = time.monotonic()
        with connection.cursor() as cursor:
            for table in COLUMNS:
                cursor.execute(f"VACUUM (ANALYZE) {table}")
            # Counted by the server with a delay; flushed, so that the worker does not refresh once more for nothing.
            cursor.execute("SELECT pg_stat_force_next_flush()")
            cursor.execute("SELECT refresh_revenue(true)")
        self._say(f"{'statistics':<14} and reports in {time.monotonic() - started:.1f} s")

    # -- Progress: a bar where somebody looks, a line per table everywhere

    def _show(self, table, done, total, started):
        if self.quiet or not self.stdout.isatty():
            return
        share = done / total if total else 1
        rate = done / max(time.monotonic() - started, 0.001)
        bar = "#" * int(share * BAR_WIDTH)
        self.stdout.write(f"\r{table:<14} [{bar:<{BAR_WIDTH}}] {share:4.0%} {rate:,.0f} rows/s   ", ending="")
        self.stdout.flush()

    def _say(self, line):
        if not self.quiet:
            self.stdout.write(f"\r{line:<78}" if self.stdout.isatty() else line)


def _count(least):
    def count(text):
        number = int(text)
        if number < least:
            raise ValueError(text)
        return number

    return count
