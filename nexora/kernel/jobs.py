"""Work for later, done by `manage.py worker`.

    @task(retry=5)                                   # in an app's jobs.py
    def send_invoice(invoice_id): …                  # runs in the scope of the tenant that enqueued it

    enqueue(send_invoice, invoice_id=invoice.id)     # inside a tenant's scope

    @platform_task(cron="*/5 * * * *")
    def close_trials():
        with unscoped(reason="…"): …                 # runs in no scope: it says itself across which tenants it works

A job is a row inserted by the caller's own connection: it exists if and only if the caller's transaction commits, and
it runs at least once (a job whose worker died is started again), so a task must bear being run twice. Its arguments are
ids.
"""

import asyncio
import functools
import inspect
import logging
from uuid import UUID

import psycopg
from django.db import transaction
from procrastinate import JobContext, RetryStrategy
from procrastinate.contrib.django import app
from procrastinate.contrib.django.django_connector import DjangoConnector
from procrastinate.exceptions import AlreadyEnqueued, ConnectorException, UniqueViolation
from procrastinate.jobs import Status
from procrastinate.manager import JobManager
from procrastinate.tasks import configure_task

from nexora.kernel import scope
from nexora.kernel.events import Actor, acting_as

# A worker that is told to stop sends no more heartbeats; another may take its jobs over 30 s after the last, which may
# be 10 s old already. A job that is still running after 20 s is therefore cut off, and started again elsewhere.
HEARTBEAT_SECONDS = 10
STALLED_SECONDS = 30
DRAIN_SECONDS = 20
# A job that takes its worker down with it (out of memory, say) must not do so for ever.
RESCUES = 3
KEEP_FINISHED_HOURS = 7 * 24

# Seconds before it is tried again to note what became of a job; less than DRAIN_SECONDS, the tries included.
PAUSES = (0.1, 0.5, 1, 2)

OPTIONS = ("task", "lock", "once", "priority", "at", "queue")

log = logging.getLogger("nexora.jobs")


def task(function=None, *, queue="default", retry=0, priority=0):
    """Register a tenant's task: it runs in the scope of the tenant in whose scope it was enqueued.

    retry   how often to try again after an exception (waiting 3, 9, 27 … seconds), or a RetryStrategy
    """

    def register(function):
        _refuse_bad_signature(function, reserved=(*OPTIONS, "tenant_id"))

        @functools.wraps(function)
        def run(*, tenant_id, **arguments):
            with scope.tenant_scope(tenant_id), acting_as(Actor(None, name)):
                return function(**arguments)

        name = _name(function)
        return _register(run, name, function, tenant=True, queue=queue, retry=retry, priority=priority)

    return register(function) if function else register


def platform_task(function=None, *, cron=None, queue="default", retry=0, priority=0):
    """Register a task of no tenant; what it does across tenants it does inside `unscoped(reason=…)`.

    cron    run it by itself as well, at these times (UTC); a run that is still waiting is not queued twice
    """

    def register(function):
        _refuse_bad_signature(function, reserved=OPTIONS)

        @functools.wraps(function)
        def run(*, timestamp=None, **arguments):
            with acting_as(Actor(None, name)):
                return function(**arguments)

        name = _name(function)
        registered = _register(run, name, function, tenant=False, queue=queue, retry=retry, priority=priority)
        if cron:
            app.periodic(cron=cron, queueing_lock=name, lock=name)(registered)
        return registered

    return register(function) if function else register


def enqueue(task, *, lock=None, once=None, priority=None, at=None, queue=None, **ids):
    """Insert a job in the current transaction; return its id, or None where `once` found it waiting already.

    lock    jobs with the same lock run one after another; name a record in it, never a tenant
    once    at most one job with this word waits at a time
    at      not before this time
    """
    _check_ids(task, ids)
    arguments = {name: str(value) if isinstance(value, UUID) else value for name, value in ids.items()}
    if task.nexora_tenant:
        arguments["tenant_id"] = str(scope.current_tenant_id())
    deferrer = configure_task(
        name=task.name,
        # Not the app's own manager: inside a worker that writes through a connection outside the transaction.
        job_manager=JobManager(DjangoConnector()),
        lock=lock,
        queueing_lock=once,
        priority=task.priority if priority is None else priority,
        schedule_at=at,
        queue=queue or task.queue,
    )
    if once is None:
        return deferrer.defer(**arguments)
    try:
        # A savepoint: the unique index says no, and the caller's transaction must survive that.
        with transaction.atomic():
            return deferrer.defer(**arguments)
    except AlreadyEnqueued:
        return None


# -- What becomes of a job


class Manager(JobManager):
    """Notes what became of a job also where procrastinate's own gives up and leaves it running for ever: nobody rescues
    a job whose worker lives, and no other with its `lock` could ever begin.

    * The session ends just then: it is noted in another.
    * The job is to be started again, and one of the same `once` waits already: that one does its work.
    """

    async def finish_job(self, job, status, delete_job):
        await _through(functools.partial(super().finish_job, job, status, delete_job))

    async def retry_job(self, job, **options):
        try:
            await _through(functools.partial(super().retry_job, job, **options))
        except UniqueViolation:
            await self.finish_job(job, Status.FAILED, delete_job=False)


async def _through(write):
    for pause in PAUSES:
        try:
            return await write()
        except ConnectorException as error:
            if not isinstance(error.__cause__, psycopg.OperationalError):
                raise
            log.warning("What became of a job could not be noted (%s); it is tried again.", error.__cause__)
            await asyncio.sleep(pause)
    return await write()


def manage(app):
    """PROCRASTINATE_ON_APP_READY."""
    app.job_manager = Manager(app.connector)


# -- Housekeeping of the queue itself. Asynchronous, so that it runs while every thread is busy with a job.


# No lock on this one: a lock held by a job whose worker died would keep the rescuer away for ever.
@app.periodic(cron="* * * * *")
@app.task(name="nexora.kernel.jobs.rescue_stalled_jobs", pass_context=True, queueing_lock="rescue_stalled_jobs")
async def rescue_stalled_jobs(context: JobContext, timestamp: int = 0):
    """Jobs that were running when their worker died wait for it for ever; start them again."""
    manager = context.app.job_manager
    for job in await manager.get_stalled_jobs(seconds_since_heartbeat=STALLED_SECONDS):
        try:
            if job.attempts < RESCUES:
                await manager.retry_job(job)
            else:
                await manager.finish_job(job, Status.FAILED, delete_job=False)
        except ConnectorException as error:
            # It may be over by now. One that cannot be rescued must not keep the others waiting.
            log.warning("The stalled job %s was not rescued: %s", job.id, error.__cause__ or error)


@app.periodic(cron="17 * * * *")
@app.task(name="nexora.kernel.jobs.delete_finished_jobs", pass_context=True, queueing_lock="delete_finished_jobs")
async def delete_finished_jobs(context: JobContext, timestamp: int = 0):
    await context.app.job_manager.delete_old_jobs(
        nb_hours=KEEP_FINISHED_HOURS, include_failed=True, include_cancelled=True, include_aborted=True
    )


def _name(function):
    return f"{function.__module__}.{function.__qualname__}"


def _register(run, name, function, *, tenant, queue, retry, priority):
    if isinstance(retry, int) and retry:
        retry = RetryStrategy(max_attempts=retry, exponential_wait=3)
    registered = app.task(name=name, queue=queue, retry=retry or False, priority=priority)(run)
    registered.nexora_tenant = tenant
    registered.nexora_signature = inspect.signature(function)
    return registered


def _refuse_bad_signature(function, *, reserved):
    name = _name(function)
    if inspect.iscoroutinefunction(function):
        raise TypeError(f"The task {name} is async; write a plain function: a database connection belongs to a thread.")
    for parameter in inspect.signature(function).parameters.values():
        if parameter.name in reserved:
            raise TypeError(f"The task {name} takes `{parameter.name}`, which enqueue() keeps for itself; rename it.")


def _check_ids(task, ids):
    if not hasattr(task, "nexora_signature"):
        raise TypeError(f"{task!r} is not a task; register it with @task or @platform_task of nexora.kernel.jobs.")
    try:
        task.nexora_signature.bind(**ids)
    except TypeError as error:
        raise TypeError(f"The task {task.name}: {error}.") from None
    for name, value in ids.items():
        if not isinstance(value, str | int | UUID | None) or (isinstance(value, str) and len(value) > 200):
            raise TypeError(
                f"The task {task.name} was given a {type(value).__name__} as {name}; a job holds ids. "
                "Store the record first."
            )
