"""What a run of a workflow costs, beside a job that does nothing, done by the same workers."""

import contextlib
import json
import os
import statistics
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path

import psutil

from nexora.bench.servers import ROOT, START_SECONDS, Failed, Measured, Slice
from nexora.kernel.processes import Child

PROCESSES = (1, 2)
BATCHES = {"no-op job": ("jobs", 450), "three-step run": ("runs", 150)}
WARM = 60
IDLE_TIMES = 200
BACKLOG = 100_000
BACKLOGS = [("none", None), ("wait for days", "waiting"), ("wait for their turn", "pending"), ("none", None)]
READY = 100  # turns.READY_RUNS: so many of a tenant have a job
QUEUED = 100
FEW = 10


class Worker:
    """`manage.py worker`, as in production."""

    def __init__(self, env, number=1):
        log = Path(env["NEXORA_DATA_DIR"]) / "log" / f"bench-worker-{number}.log"
        command = [sys.executable, "manage.py", "worker"]
        self.child = Child(f"worker {number}", command, log=log, cwd=ROOT, env=os.environ | env)
        deadline = time.monotonic() + START_SECONDS
        while f"worker {self.child.pid}:" not in self.child.output():
            if self.child.ended() is not None or time.monotonic() > deadline:
                self.child.kill()
                raise Failed(f"{self.child.name} did not start:\n{self.child.last_lines()}")
            time.sleep(0.05)

    def cpu_seconds(self):
        times = psutil.Process(self.child.pid).cpu_times()
        return times.user + times.system

    def stop(self):
        self.child.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.child.process.wait(5)
        self.child.kill()


@contextlib.contextmanager
def working(env, count=1):
    with ExitStack() as stack:
        workers = []
        for number in range(count):
            workers.append(Worker(env, number + 1))
            stack.callback(workers[-1].stop)
        yield workers


class Runs:
    """The process that makes runs and jobs, and looks what becomes of them: nexora.bench.runs."""

    def __init__(self, env):
        command = [sys.executable, "-m", "nexora.bench.runs"]
        self._process = subprocess.Popen(  # noqa: S603
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT, env=os.environ | env
        )

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self._process.stdin.close()
        self._process.wait(60)

    def ask(self, do, **more):
        self._process.stdin.write(json.dumps({"do": do, **more}) + "\n")
        self._process.stdin.flush()
        if not (line := self._process.stdout.readline()):
            raise Failed(f"The process that makes runs ended; it was asked for {do}.")
        return json.loads(line)


def compare(env, rounds, say):
    with Runs(env) as runs:
        rates(env, runs, rounds, say)
        idle(env, runs, say)
        backlogs(env, runs, say)


# -- How many


def measure(runs, workers, do, count):
    before = sum(worker.cpu_seconds() for worker in workers)
    answer = runs.ask(do, count=count)
    used = sum(worker.cpu_seconds() for worker in workers) - before
    return Slice(answer["count"], answer["seconds"], used, [])


def rates(env, runs, rounds, say):
    say()
    say("Three steps (an activity created, the record updated, somebody notified) of a run, beside a procrastinate job")
    say("that does nothing: batches of both in turn, committed at once, until the last is done. Runs of 100 tenants,")
    say("begun past the limit of runs a minute. worker CPU: of the worker processes, without PostgreSQL's.")
    say()
    say(f"{'worker processes':<20}{'job':<16}{'a second':>10}{'worker CPU ms':>15}")
    for count in PROCESSES:
        measured = {name: Measured() for name in BATCHES}
        with working(env, count) as workers:
            for do, _ in BATCHES.values():
                measure(runs, workers, do, WARM)
            for turn in range(rounds):
                for name in BATCHES if turn % 2 else reversed(BATCHES):
                    measured[name].slices.append(measure(runs, workers, *BATCHES[name]))
        for number, (name, found) in enumerate(measured.items()):
            beside = f"   {share(*measured.values()):.2f} x the rate of no-op jobs" if number else ""
            say(f"{'' if number else count:<20}{name:<16}{found.per_second:>10,.0f}{found.cpu_ms:>15.2f}{beside}")


def share(jobs, runs):
    """Of rates that were measured one right after the other: the machine was as busy for both."""
    return statistics.median(run.per_second / job.per_second for job, run in zip(jobs.slices, runs.slices, strict=True))


# -- How soon


def idle(env, runs, say):
    with working(env):
        found = runs.ask("idle", count=IDLE_TIMES)
    say()
    say(f"One worker process with nothing to do; {IDLE_TIMES} times each, in turn, from the commit.")
    say()
    say(f"{'from':<20}{'until':<26}{'p50 ms':>8}{'p99 ms':>8}")
    for name, start, end in (
        ("job", "no-op enqueued", "its job is fetched"),
        ("run", "record created", "the first step begins"),
    ):
        latencies = Measured([Slice(IDLE_TIMES, 1, 0, found[name])])
        say(f"{start:<20}{end:<26}{latencies.percentile(0.5):>8.1f}{latencies.percentile(0.99):>8.1f}")


# -- How many behind many others


def backlogs(env, runs, say):
    say()
    say(f"{BACKLOG:,} other runs, of one tenant: procrastinate's fetch (median), runs of 100 tenants, and how long a")
    say(f"tenant's {FEW} take behind what is queued.")
    say()
    say(f"{'the others':<34}{'fetch ms':>10}{'a second':>10}{f'{FEW} runs s':>10}   beside none")
    found = [(name, backlog(env, runs, state)) for name, state in BACKLOGS]
    fetch, rate, _ = (statistics.mean(values) for values in zip(found[0][1], found[-1][1], strict=True))
    for name, (its_fetch, its_rate, few) in found:
        beside = f"fetch {its_fetch / fetch:.2f} x, a run {rate / its_rate:.2f} x"
        say(f"{name:<34}{its_fetch:>10.2f}{its_rate:>10,.0f}{few:>10.2f}   {beside}")


def backlog(env, runs, state):
    """(fetch in ms, runs a second, seconds of FEW)"""
    runs.ask("clear")
    if state == "pending":
        runs.ask("begin", count=READY, first=True)
    if state:
        runs.ask("backlog", count=BACKLOG, state=state)
    runs.ask("begin", count=QUEUED)
    fetch = runs.ask("fetch") * 1000
    with working(env) as workers:
        few = runs.ask("few", count=FEW)["seconds"]
        return fetch, measure(runs, workers, "runs", QUEUED).per_second, few
