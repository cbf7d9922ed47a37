"""`make bench`: what one request costs, beside stock DRF and beside a bare WSGI function, on the same rows.

    make bench                 100 tenants, 100,000 customers, 50,000 deals, 200,000 activities
    make bench SIZE=large      the small database beside 10,000 tenants with 10 million activities

The first also tells what a run of a workflow costs beside a job that does nothing; by itself:

    make bench ARGS="--only workflows"

It makes databases of its own: under .data/bench/, or, where DATABASE_URL and DATABASE_OWNER_URL are set, beside the one
they name and called <name>_bench_small and _large. They are kept for the next run.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from nexora.bench import operations, workflows
from nexora.bench.servers import ROOT, Failed, Load, Server
from nexora.bench.target import MADE_HERE

SIZES = {
    "small": {"tenants": 100, "customers": 1_000, "deals": 50_000, "activities": 200_000, "seed": 1},
    "large": {"tenants": 10_000, "customers": 100, "deals": 500_000, "activities": 10_000_000, "seed": 1, "skew": True},
}
# An average tenant of the small one; in the large one the first, which has a tenth of all rows.
ASKED = {"small": 50, "large": 0}


def say(text=""):
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


# Requests are counted as in production, and none is refused.
UNREACHED = ",".join(f"{plan}=999999999" for plan in ("free", "growth", "pro", "enterprise"))

# -- Databases


def database_env(size):
    """Environment that points the project at the scratch database of this size."""
    data = Path(os.environ.get("NEXORA_DATA_DIR") or ROOT / ".data") / "bench" / size
    data.mkdir(parents=True, exist_ok=True)
    env = {"NEXORA_DATA_DIR": str(data)}
    if runtime := os.environ.get("DATABASE_URL"):
        if not (owner := os.environ.get("DATABASE_OWNER_URL")):
            raise Failed("DATABASE_URL is set and DATABASE_OWNER_URL is not: the bench makes databases as the owner.")
        name = f"{conninfo_to_dict(owner)['dbname']}_bench_{size}"
        with psycopg.connect(owner, autocommit=True) as connection:
            if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone():
                connection.execute(
                    sql.SQL("CREATE DATABASE {} ENCODING 'UTF8' TEMPLATE template0").format(sql.Identifier(name))
                )
        env["DATABASE_URL"] = make_conninfo(runtime, dbname=name)
        env["DATABASE_OWNER_URL"] = make_conninfo(owner, dbname=name)
    return env


@contextmanager
def prepared(size):
    """(environment, what nexora.bench.target says of it); the embedded server runs as long as this lasts."""
    rows = SIZES[size]
    say(
        f"{size} database: {rows['tenants']:,} tenants, {rows['tenants'] * rows['customers']:,} customers, "
        f"{rows['deals']:,} deals, {rows['activities']:,} activities"
    )
    env = database_env(size)
    process = subprocess.Popen(  # noqa: S603
        [sys.executable, "-m", "nexora.bench.target", json.dumps(rows), str(ASKED[size])],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={**os.environ, **env},
    )
    try:
        if not (line := process.stdout.readline()):
            raise Failed(f"The {size} database could not be made.")
        yield env, json.loads(line)
    finally:
        process.stdin.close()
        process.wait(60)


# -- Servers


def start_nexora(stack, name, env, target, asked):
    headers = {"Host": target["host"], "Authorization": f"Bearer {target['token']}"}
    return start(stack, name, "nexora.wsgi:application", asked, headers, env | {"NEXORA_RATE_LIMITS": UNREACHED})


def start_references(stack, env, target):
    headers = {"Host": "localhost", "Authorization": f"Bearer {target['token']}"}
    env = env | {"BENCH_DSN": target["dsn"], "BENCH_SECRET": target["secret"]}
    for name, application, module in (
        ("stock DRF", "nexora.bench.stock.wsgi:application", operations.stock),
        ("bare WSGI", "nexora.bench.bare:application", operations.bare),
    ):
        yield start(stack, name, application, module(target["ids"], MADE_HERE), headers, env)


def start(stack, name, application, asked, headers, env):
    log = Path(env["NEXORA_DATA_DIR"]) / "log" / f"bench-{name.split()[0]}.log"
    server = Server(name, application, asked, headers, env, log)
    stack.callback(server.stop)
    return server


# -- Reports


def head(target, rounds):
    say()
    say(
        "One server process with one thread (granian) and one connection asking; medians of rounds in which the servers"
    )
    say(f"take turns ({rounds}). app CPU: user + system time of the server process per request, without PostgreSQL's.")
    say(describe(target))


def describe(target):
    return (
        f"{os.cpu_count()} CPUs, Python {platform.python_version()}, PostgreSQL {target['version']}; load of the "
        f"machine before: {os.getloadavg()[0]:.1f} (on a busy one only the ratios hold)."
    )


def compare_references(rounds):
    """Every operation beside stock DRF and a bare function."""
    with ExitStack() as stack:
        env, target = stack.enter_context(prepared("small"))
        nexora = start_nexora(stack, "NEXORA", env, target, operations.nexora(target["ids"], MADE_HERE))
        servers = [nexora, *start_references(stack, env, target)]
        load = stack.enter_context(Load())
        absent = leave_out_absent(load, nexora)
        statements = {server.name: server.statements() for server in servers}
        head(target, rounds)
        say("SQL: statements, without those that set the scope or open and close the transaction.")
        say()
        say(
            f"{'operation':<20}{'server':<11}{'requests/s':>10}{'p50 ms':>8}{'p99 ms':>8}{'app CPU ms':>12}{'SQL':>5}"
            "   app CPU of NEXORA beside it"
        )
        for operation in nexora.operations:
            measured = load.compare(servers, operation, rounds)
            for server in servers:
                found = measured[server.name]
                beside = ""
                if server is not nexora:
                    beside = f"   {measured['NEXORA'].cpu_ms / found.cpu_ms:.2f} x"
                if server.name == "bare WSGI":
                    beside += f" ({found.cpu_ms / measured['NEXORA'].cpu_ms:.0%} of its efficiency)"
                say(
                    f"{operation if server is nexora else '':<20}{server.name:<11}{found.per_second:>10,.0f}"
                    f"{found.percentile(0.5):>8.2f}{found.percentile(0.99):>8.2f}{found.cpu_ms:>12.2f}"
                    f"{statements[server.name][operation]:>5}{beside}"
                )
        for operation, reason in absent.items():
            say(f"{operation:<20}left out: {reason}")
        say()
        say(f"{'':<20}{'start-up s':>10}{'MB at start':>13}{'MB after':>10}")
        for server in servers:
            say(f"{server.name:<20}{server.start_seconds:>10.1f}{server.start_memory:>13.0f}{server.memory():>10.0f}")


def leave_out_absent(load, nexora):
    """{operation: why} of those that this version of NEXORA does not answer; they are not asked again."""
    absent = {}
    for operation in list(nexora.operations):
        try:
            load.run(nexora, operation, most=1)
        except Failed as failure:
            absent[operation] = " ".join(str(failure).split())[:160]
            del nexora.operations[operation]
    return absent


def compare_sizes(rounds):
    """List and get, beside a database with a hundred times as many tenants and fifty times as many activities."""
    with ExitStack() as stack:
        servers = []
        for size in SIZES:
            env, target = stack.enter_context(prepared(size))
            servers.append(start_nexora(stack, size, env, target, operations.at_scale(target["ids"])))
        load = stack.enter_context(Load())
        head(target, rounds)
        say("In the large database the tenant that has a tenth of all rows is asked: 100,000 customers, a million")
        say("activities. In the small one an average tenant: 1,000 customers, 2,000 activities.")
        say()
        say(
            f"{'operation':<20}{'database':<10}{'requests/s':>10}{'p50 ms':>8}{'p99 ms':>8}{'app CPU ms':>12}"
            "   large / small"
        )
        for operation in servers[0].operations:
            measured = load.compare(servers, operation, rounds)
            small, large = (measured[size] for size in SIZES)
            for size, found in measured.items():
                beside = ""
                if found is large:
                    beside = (
                        f"   {large.cpu_ms / small.cpu_ms:.2f} x app CPU, "
                        f"{large.percentile(0.5) / small.percentile(0.5):.2f} x p50"
                    )
                say(
                    f"{operation if found is small else '':<20}{size:<10}{found.per_second:>10,.0f}"
                    f"{found.percentile(0.5):>8.2f}{found.percentile(0.99):>8.2f}{found.cpu_ms:>12.2f}{beside}"
                )


def compare_runs(rounds):
    """A run of a workflow beside a job that does nothing."""
    with prepared("small") as (env, target):
        say()
        say(describe(target))
        workflows.compare(env, rounds, say)


PARTS = {"requests": compare_references, "workflows": compare_runs}


def main():
    parser = argparse.ArgumentParser(
        prog="make bench", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--size", choices=SIZES, default="small")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", choices=PARTS, help="of the small database: this part and no other")
    arguments = parser.parse_args()
    try:
        if arguments.size == "large":
            compare_sizes(arguments.rounds)
        else:
            for name in [arguments.only] if arguments.only else PARTS:
                PARTS[name](arguments.rounds)
    except Failed as failure:
        raise SystemExit(f"make bench: {failure}") from failure
    except KeyboardInterrupt:
        raise SystemExit(130) from None


if __name__ == "__main__":
    main()
