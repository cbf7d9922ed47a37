"""Workers and sessions that end at any moment, and workers that race."""

import contextlib
import os
import random
import signal
import subprocess
import sys
import time

import pytest
from django.conf import settings

from apps.workflows.engine import turns
from nexora.kernel import clock
from nexora.kernel.jobs import enqueue
from nexora.kernel.scope import tenant_scope

from .harness import wait_until
from .runs import append, begin, ensure_nothing_is_lost_or_doubled, note, probe, request, states, wait

pytestmark = [pytest.mark.slow, pytest.mark.once]

SEED = 2026


def at_random(stage, happen, *, least, most):
    """Let it happen after so many steps, at random: that is as often on a slow machine as on a fast one."""
    dice, due = random.Random(SEED), least

    def look():
        nonlocal due
        ((done,),) = stage.ask("SELECT count(*) FROM workflow_steps")
        if done >= due:
            time.sleep(dice.uniform(0, 0.03))
            happen(dice)
            due = done + dice.randint(least, most)

    return look


def test_two_hundred_runs_survive_kills_at_random(stage, acme, admin):
    actions = [note("start"), append(), request(stage), note("end")]
    runs = begin(admin, *actions, count=200)
    kill_one = at_random(stage, lambda dice: stage.kill(dice.choice(stage.alive)), least=8, most=40)
    stage.settle(runs, seconds=120, workers=2, concurrency=3, meanwhile=kill_one)
    ensure_nothing_is_lost_or_doubled(stage, acme, runs, actions)
    assert stage.kills >= 15, f"{stage.kills} kills, {len(stage.calls.taken)} calls: too few to show anything"


def test_runs_survive_the_end_of_every_session_at_random(stage, acme, admin):
    """Of the workers' own as well: those by which they fetch jobs and note what became of them."""
    actions = [note("start"), append(), request(stage), note("end")]
    runs = begin(admin, *actions, count=60)
    ended = []

    def end_one(dice):
        if sessions := stage.sessions():
            # Now and then all, as when PostgreSQL restarts.
            ended.append(sessions if len(ended) % 3 == 2 else [dice.choice(sessions)])
            stage.end_sessions(ended[-1])

    meanwhile = at_random(stage, end_one, least=3, most=20)
    stage.settle(runs, seconds=120, workers=2, concurrency=3, meanwhile=meanwhile)
    ensure_nothing_is_lost_or_doubled(stage, acme, runs, actions)
    assert len(ended) >= 10, f"{ended}: too few to show anything"


def test_workers_that_race_for_the_same_runs_do_each_step_once(stage, acme, admin):
    actions = [note("start"), append(), request(stage), note("end")]
    runs = begin(admin, *actions, count=30)
    with tenant_scope(acme):
        for _ in range(4):
            for run in runs:
                enqueue(turns.job_of(), execution_id=run.pk)
    stage.settle(runs, workers=2, concurrency=4, seconds=60)
    ensure_nothing_is_lost_or_doubled(stage, acme, runs, actions)
    assert len(stage.calls.taken) == len(runs), "nobody died, so nothing was asked twice"


def test_a_call_that_had_arrived_when_its_worker_was_killed_is_made_again_under_its_key(stage, acme, admin):
    stage.calls.hold.clear()
    actions = [note("start"), request(stage), note("end")]
    runs = begin(admin, *actions)
    worker = stage.start()
    wait_until(lambda: stage.calls.taken, "the request arrives")
    stage.kill(worker)
    stage.calls.hold.set()
    stage.settle(runs)
    ensure_nothing_is_lost_or_doubled(stage, acme, runs, actions)
    assert len(stage.calls.taken) == 2
    with tenant_scope(acme):
        (failure,) = runs[0].steps.get(path="1").failures
        assert "lost during the call" in failure["error"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_wait_outlives_its_worker(stage, acme, admin, number):
    actions = [note("start"), wait("PT5M"), append(), note("end")]
    runs = begin(admin, *actions, count=3)
    worker = stage.start()
    wait_until(lambda: states(runs) == {"waiting": 3}, "all wait")
    stage.kill(worker, number)
    stage.start()
    time.sleep(0.3)
    assert states(runs) == {"waiting": 3}, "nobody goes on before its time"
    # Two jobs for each, when their time has come.
    with tenant_scope(acme):
        for run in runs:
            enqueue(turns.job_of(), execution_id=run.pk, at=clock.now() + turns.LEASE)
    stage.settle(runs, workers=2)
    ensure_nothing_is_lost_or_doubled(stage, acme, runs, actions)


def test_a_worker_that_is_told_to_stop_finishes_its_step_and_leaves_the_rest(stage, acme, admin):
    hold = probe("hold", "held")
    runs = begin(admin, note("start"), hold, note("end"))
    worker = stage.start()
    stage.has_begun("held")
    os.kill(worker, signal.SIGTERM)
    stage.let_go("held")
    stage.settle(runs)
    ensure_nothing_is_lost_or_doubled(stage, acme, runs, [note("start"), hold, note("end")])


def test_the_worker_command_itself_recovers_from_a_kill(stage, acme, admin):
    """`manage.py worker`, not a fork of it; the first was looking for what is due when it was killed."""
    stage.order([{"name": "first", "run": "None", "point": "looking", "path": None, "how": "kill"}])
    actions = [note("start"), append(), note("end")]
    runs = begin(admin, *actions)
    with worker_command(stage) as worker:
        stage.time_passes()
        assert worker.wait(20) == -signal.SIGKILL
    stage.time_passes()
    with worker_command(stage):
        wait_until(lambda: not stage.open_runs([run.pk for run in runs]), "the run ends", seconds=20)
        stage.time_passes()
        wait_until(lambda: not stage.jobs("run_due"), "what is due is looked for again")
    ensure_nothing_is_lost_or_doubled(stage, acme, runs, actions)


@contextlib.contextmanager
def worker_command(stage):
    with open(stage.nursery.log, "ab") as log:
        worker = subprocess.Popen(  # noqa: S603
            [sys.executable, settings.BASE_DIR / "manage.py", "worker"],
            env=stage.nursery.environment(),
            cwd=settings.BASE_DIR,
            stdout=log,
            stderr=log,
        )
    try:
        yield worker
    finally:
        worker.kill()
        worker.wait()
