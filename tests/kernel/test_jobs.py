"""The seam to the job queue: what is stored, in whose transaction, and in which scope it runs."""

from datetime import timedelta
from types import SimpleNamespace
from uuid import uuid4

import psycopg
import pytest
from asgiref.sync import async_to_sync
from django.db import connection, transaction
from procrastinate.contrib.django import app
from procrastinate.contrib.django.models import ProcrastinateJob as Job
from procrastinate.exceptions import ConnectorException
from procrastinate.jobs import Status

from nexora.kernel import clock, events, jobs, scope
from nexora.kernel.errors import ScopeRequired
from nexora.kernel.jobs import enqueue, platform_task, task
from nexora.kernel.scope import tenant_scope, unscoped

seen = []


@task
def look_around(record_id, times=1):
    seen.append((scope.current_tenant_id(), record_id, times, events.actor().label))


@platform_task
def tidy():
    seen.append(scope.current())


@pytest.fixture(autouse=True)
def _nothing_seen():
    seen.clear()


def run(job):
    app.tasks[job.task_name].func(**job.args)


def test_a_job_runs_in_the_scope_it_was_enqueued_in(acme):
    record = uuid4()
    with tenant_scope(acme):
        enqueue(look_around, record_id=record)
    run(Job.objects.get())
    assert seen == [(acme.pk, str(record), 1, "tests.kernel.test_jobs.look_around")]


def test_a_job_lives_and_dies_with_its_transaction(in_acme):
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        enqueue(look_around, record_id=1)
        raise ZeroDivisionError
    assert not Job.objects.exists()


def test_a_tenants_task_is_not_enqueued_outside_a_tenant(db):
    with pytest.raises(ScopeRequired):
        enqueue(look_around, record_id=1)
    with unscoped(reason="test"), pytest.raises(ScopeRequired):
        enqueue(look_around, record_id=1)


def test_a_platform_task_runs_in_no_scope_and_may_be_enqueued_from_any(acme):
    enqueue(tidy)
    with tenant_scope(acme):
        enqueue(tidy)
    with unscoped(reason="test"):
        enqueue(tidy)
    for job in Job.objects.all():
        assert job.args == {}
        run(job)
    assert seen == [None] * 3


def test_once_queues_one_and_spares_the_transaction(in_acme):
    with transaction.atomic():
        assert enqueue(look_around, record_id=1, once="look")
        assert enqueue(look_around, record_id=2, once="look") is None
        assert enqueue(look_around, record_id=3)
    assert [job.args["record_id"] for job in Job.objects.order_by("id")] == [1, 3]


def test_options_reach_the_queue(in_acme):
    at = clock.now() + timedelta(hours=1)
    enqueue(look_around, record_id=1, lock="record 1", priority=-5, queue="slow", at=at)
    job = Job.objects.get()
    assert (job.lock, job.priority, job.queue_name, job.scheduled_at) == ("record 1", -5, "slow", at)


@pytest.mark.parametrize("ids", [{"record_id": {"a": 1}}, {"record_id": ["a"]}, {"record_id": "x" * 201}])
def test_a_job_holds_ids_only(in_acme, ids):
    with pytest.raises(TypeError, match="holds ids"):
        enqueue(look_around, **ids)


@pytest.mark.parametrize("ids", [{}, {"record_id": 1, "colour": "red"}])
def test_arguments_are_checked_when_enqueued_not_when_run(in_acme, ids):
    with pytest.raises(TypeError, match=r"test_jobs\.look_around"):
        enqueue(look_around, **ids)


def test_a_function_that_is_no_task_is_refused(in_acme):
    with pytest.raises(TypeError, match="register it with @task"):
        enqueue(run)


def test_tasks_that_cannot_work_are_refused_when_registered():
    def takes_a_lock(lock): ...

    async def waits(): ...

    with pytest.raises(TypeError, match="takes `lock`, which enqueue"):
        task(takes_a_lock)
    with pytest.raises(TypeError, match="is async"):
        platform_task(waits)


def housekeeping(job):
    async_to_sync(job.func)(SimpleNamespace(app=app))


def set_state(sql, *values):
    with connection.cursor() as cursor:
        cursor.execute(sql, values)


def fetch(queues=None):
    """Id of the job that a worker would do next, or None."""
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO procrastinate_workers DEFAULT VALUES RETURNING id")
        cursor.execute("SELECT id FROM procrastinate_fetch_job_v2(%s, %s)", [queues, cursor.fetchone()[0]])
        return cursor.fetchone()[0]


def test_jobs_are_fetched_by_priority_then_in_their_order_when_they_are_due_and_their_lock_is_free(in_acme):
    later = clock.now() + timedelta(hours=1)
    options = [{}, {}, {"priority": 5, "lock": "a"}, {"lock": "a"}, {"priority": -5, "lock": "b"}, {"at": later}]
    first, second, urgent, behind, last, _ = [enqueue(look_around, record_id=1, **some) for some in options]
    other = enqueue(look_around, record_id=1, queue="slow")
    assert fetch(["slow"]) == other
    assert [fetch() for _ in range(5)] == [urgent, first, second, last, None]
    set_state("UPDATE procrastinate_jobs SET status = 'succeeded' WHERE id = %s", urgent)
    assert [fetch(), fetch()] == [behind, None]


@pytest.mark.parametrize("lock", [None, "of each"])
def test_a_fetch_looks_at_no_job_but_the_one_it_takes(owner_connection, lock):
    """In the first busy minute after a quiet one, when PostgreSQL believes that none waits."""
    put = (
        "INSERT INTO procrastinate_jobs (queue_name, task_name, status, lock) "
        "SELECT 'default', 'x', %s::procrastinate_job_status, %s || n FROM generate_series(1, 1000) n"
    )
    set_state(put, "succeeded", None)
    set_state("ANALYZE procrastinate_jobs")
    set_state(put, "todo", lock)
    for _ in range(8):  # PostgreSQL takes one plan for all values after five
        before = looked_at()
        assert fetch()
        assert looked_at() - before < 50


def looked_at():
    """How many jobs were read in this transaction."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT seq_tup_read + idx_tup_fetch FROM pg_stat_xact_user_tables WHERE relname = 'procrastinate_jobs'"
        )
        return cursor.fetchone()[0]


def test_a_job_whose_worker_died_is_started_again_but_not_for_ever(in_acme):
    fresh, worn = enqueue(look_around, record_id=1), enqueue(look_around, record_id=2)
    set_state("UPDATE procrastinate_jobs SET status = 'doing'")
    set_state("UPDATE procrastinate_jobs SET attempts = %s WHERE id = %s", jobs.RESCUES, worn)
    housekeeping(jobs.rescue_stalled_jobs)
    assert dict(Job.objects.values_list("id", "status")) == {fresh: "todo", worn: "failed"}


@pytest.fixture
def committed_jobs(transactional_db):
    """For tests in which a statement fails. Django's flush leaves the queue's tables alone."""
    set_state("DELETE FROM procrastinate_jobs")
    yield
    set_state("DELETE FROM procrastinate_jobs")


def test_a_stalled_job_whose_like_waits_already_keeps_no_other_from_being_rescued(committed_jobs, in_acme):
    """A worker dies in a job that the clock starts each minute; a minute later the next one waits."""
    dead = enqueue(look_around, record_id=1, once="look", lock="look")
    other = enqueue(look_around, record_id=2)
    set_state("UPDATE procrastinate_jobs SET status = 'doing'")
    following = enqueue(look_around, record_id=1, once="look", lock="look")
    housekeeping(jobs.rescue_stalled_jobs)
    assert dict(Job.objects.values_list("id", "status")) == {dead: "failed", other: "todo", following: "todo"}


def test_a_job_that_cannot_be_rescued_keeps_no_other_from_being_rescued(committed_jobs, in_acme, monkeypatch):
    over, other = enqueue(look_around, record_id=1), enqueue(look_around, record_id=2)
    set_state("UPDATE procrastinate_jobs SET status = 'doing'")
    found = async_to_sync(app.job_manager.get_stalled_jobs)()
    set_state("UPDATE procrastinate_jobs SET status = 'succeeded' WHERE id = %s", over)

    async def get_stalled_jobs(**options):
        return found

    monkeypatch.setattr(app.job_manager, "get_stalled_jobs", get_stalled_jobs)
    housekeeping(jobs.rescue_stalled_jobs)
    assert dict(Job.objects.values_list("id", "status")) == {over: "succeeded", other: "todo"}


@pytest.mark.parametrize("times", [1, len(jobs.PAUSES)])
def test_what_became_of_a_job_is_noted_although_sessions_end(in_acme, monkeypatch, times):
    number = enqueue(look_around, record_id=1)
    set_state("UPDATE procrastinate_jobs SET status = 'doing'")
    (job,) = async_to_sync(app.job_manager.get_stalled_jobs)()
    write, ends = app.connector.execute_query_async, iter(range(times))

    async def execute_query_async(**query):
        if next(ends, None) is not None:
            raise ConnectorException from psycopg.OperationalError("the connection is lost")
        await write(**query)

    monkeypatch.setattr(jobs, "PAUSES", [0.001] * len(jobs.PAUSES))
    monkeypatch.setattr(app.connector, "execute_query_async", execute_query_async)
    async_to_sync(app.job_manager.finish_job)(job, Status.SUCCEEDED, delete_job=False)
    assert Job.objects.get(pk=number).status == "succeeded"


def test_a_job_of_a_living_worker_is_left_alone(in_acme):
    enqueue(look_around, record_id=1)
    set_state("INSERT INTO procrastinate_workers DEFAULT VALUES")
    set_state("UPDATE procrastinate_jobs SET status = 'doing', worker_id = (SELECT id FROM procrastinate_workers)")
    housekeeping(jobs.rescue_stalled_jobs)
    assert Job.objects.get().status == "doing"


def test_finished_jobs_are_deleted_after_a_week_and_waiting_ones_never(in_acme):
    recent, _old, waiting = (enqueue(look_around, record_id=number) for number in range(3))
    set_state("UPDATE procrastinate_jobs SET status = 'doing' WHERE id <> %s", waiting)
    set_state("UPDATE procrastinate_jobs SET status = 'succeeded' WHERE id <> %s", waiting)
    set_state("UPDATE procrastinate_events SET at = now() - interval '8 days' WHERE job_id <> %s", recent)
    housekeeping(jobs.delete_finished_jobs)
    assert set(Job.objects.values_list("id", flat=True)) == {recent, waiting}
