"""The jobs of runs, done or lost without a worker."""

from contextlib import contextmanager
from datetime import timedelta

from django.db import connection
from procrastinate.contrib.django.models import ProcrastinateJob as Job

from apps.workflows.engine import advancing
from nexora.kernel import clock


def waiting_jobs():
    """In the order in which a worker takes them."""
    found = Job.objects.filter(status="todo", task_name__endswith="advance_execution")
    return list(found.order_by("-priority", "id"))


def work(most=500):
    """Do what is due, in the scope of a tenant."""
    for _ in range(most):
        due = [job for job in waiting_jobs() if job.scheduled_at is None or job.scheduled_at <= clock.now()]
        if not due:
            return
        _set(due[0], "doing")
        advancing.advance(due[0].args["execution_id"])
        _set(due[0], "succeeded")
    raise AssertionError(f"There is no end to it: {waiting_jobs()}")


def lose_jobs():
    """As if their workers had died again and again."""
    for job in waiting_jobs():
        _set(job, "doing")
        _set(job, "failed")


def _set(job, status):
    with connection.cursor() as cursor:
        cursor.execute("UPDATE procrastinate_jobs SET status = %s WHERE id = %s", [status, job.pk])


@contextmanager
def later(**time):
    with clock.frozen_at(clock.now() + timedelta(**time)):
        yield
