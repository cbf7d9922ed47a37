"""Workflows in the scratch database, and what becomes of their runs; the process behind nexora.bench.workflows.

Reads an order a line, `{"do": one of ORDERS, …}`, and answers each with a line. Times are in seconds.

Every tenant has a workflow of three steps that the database alone sees. Runs by the hundred are made by the engine's
own begin(), many in one transaction and few of each tenant: so each has its job at once, and the limit of runs a
minute, which is the triggers' to keep, is not asked.
"""

import contextlib
import itertools
import json
import os
import random
import statistics
import sys
import time

import django

from nexora.bench.target import MADE_HERE, SOME

GIVEN_UP_SECONDS = 120
PAUSES = (0.01, 0.05)  # between one idle moment and the next
FETCHES = 200
TASKS = ("apps.workflows.jobs.advance_execution", "nexora.bench.jobs.do_nothing")
ACTIONS = [
    {
        "key": "call",
        "type": "activity.create",
        "with": {
            "type": "task",
            "subject": MADE_HERE,
            "description": "Call {{ record.name }} of {{ record.company }}",
            "customer": "{{ record.id }}",
            "due_in": "P1D",
            "assigned_to": "{{ owner.id }}",
        },
    },
    {"key": "note", "type": "record.update", "with": {"resource": "customers", "values": {"phone": "{{ now }}"}}},
    {"key": "tell", "type": "notify", "with": {"users": ["{{ owner.id }}"], "text": "Call {{ record.name }}"}},
]
# What lies there after some days. Without it, plans would be made for empty tables, and kept while they fill.
HISTORY = """
    INSERT INTO workflow_executions (workflow_id, owner_id, tenant_id, version_id, status, state, started_at,
        completed_at, position)
    SELECT w.id, w.created_by, w.tenant_id, v.id, 'completed', 'completed', now() - n * interval '1 hour',
        now() - n * interval '1 hour', '{"stack": [{"at": 3}], "chain": []}'
    FROM workflows w JOIN workflow_versions v ON v.workflow_id = w.id CROSS JOIN generate_series(1, 50) n;
    INSERT INTO workflow_steps (execution_id, tenant_id, path, key, type, status, started_at, completed_at)
    SELECT e.id, e.tenant_id, n, n, 'stop', 'completed', e.started_at, e.completed_at
    FROM workflow_executions e CROSS JOIN generate_series(0, 2) n;
    INSERT INTO procrastinate_jobs (queue_name, task_name, status)
    SELECT 'default', 'past', 'succeeded' FROM generate_series(1, 5000);
    INSERT INTO procrastinate_events (job_id, type)
    SELECT id, 'succeeded' FROM procrastinate_jobs
"""
# Runs of the first tenant, as they would have come about over days.
BACKLOG = """
    INSERT INTO workflow_executions (workflow_id, tenant_id, version_id, status, state, input, started_at, resume_at,
        resource, record_id, position, owner_id)
    SELECT w.id, w.tenant_id, v.id, 'running', %s, '{"trigger": {"type": "record.created"}, "record": null}',
        now() - n * interval '1 second', %s, 'customers', c.id, '{"stack": [{"at": 0}], "chain": []}', w.created_by
    FROM workflows w JOIN workflow_versions v ON v.workflow_id = w.id
        CROSS JOIN LATERAL (SELECT id FROM customers WHERE tenant_id = w.tenant_id LIMIT 1) c
        CROSS JOIN generate_series(1, %s) n
    WHERE w.id = %s
"""


# -- Rows


def inside(tenant_id):
    from nexora.kernel.scope import tenant_scope

    return tenant_scope(tenant_id)


def rows(sql, *values):
    """Of procrastinate's tables, or, inside a tenant's scope, of that tenant's."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(sql, values)
        return cursor.fetchall()


@contextlib.contextmanager
def owner():
    from nexora.kernel.db.login import owner_login

    with owner_login() as login, login.cursor() as cursor:
        yield cursor


def clear(cursor):
    """Nothing in the database points at these but what the bench has made. The workflows stay."""
    cursor.execute("TRUNCATE workflow_executions, procrastinate_jobs CASCADE")
    cursor.execute(HISTORY)
    cursor.execute("VACUUM (ANALYZE) workflow_executions, workflow_steps, procrastinate_jobs, procrastinate_events")


class Tenants:
    """[(workflow, its tenant's customers, which runs are about in turn)]"""

    def __init__(self):
        from apps.accounts.models import User
        from apps.workflows.models import Workflow

        self.all = []
        with owner() as cursor:
            cursor.execute("TRUNCATE workflows CASCADE")
            cursor.execute("SELECT id, tenant_id FROM users WHERE email ~ '^admin@seed-' ORDER BY email")
            admins = cursor.fetchall()
        for admin_id, tenant_id in admins:
            with inside(tenant_id):
                workflow = Workflow(
                    name=MADE_HERE,
                    trigger={"type": "record.created", "resource": "customers"},
                    actions=ACTIONS,
                    runs_per_minute=100_000,
                    created_by=User.objects.get(pk=admin_id),
                )
                workflow.full_clean()
                workflow.save()
                customers = rows(f"SELECT id FROM customers WHERE tenant_id = %s LIMIT {SOME}", tenant_id)
            self.all.append((workflow, itertools.cycle(key for (key,) in customers)))
        with owner() as cursor:
            clear(cursor)

    def begin(self, count, tenants=None):
        """So many runs, each tenant's share alike."""
        from django.db import transaction

        from apps.workflows.engine import starting

        tenants = tenants or self.all
        with transaction.atomic():
            for number, (workflow, customers) in enumerate(tenants):
                share = len(range(number, count, len(tenants)))
                with inside(workflow.tenant_id):
                    starts = [
                        starting.Start(trigger={"type": "record.created"}, resource="customers", record_id=key)
                        for key in itertools.islice(customers, share)
                    ]
                    starting.begin(workflow, starts)


# -- Orders


def do_runs(tenants, count):
    return _work_off(lambda: tenants.begin(count))


def do_few(tenants, count):
    """Of the last tenant."""
    return _work_off(lambda: tenants.begin(count, tenants.all[-1:]))


def do_jobs(tenants, count):
    return _work_off(lambda: _enqueue(count))


def _enqueue(count):
    from django.db import transaction

    from nexora.bench.jobs import do_nothing
    from nexora.kernel.jobs import enqueue

    with transaction.atomic():
        return [enqueue(do_nothing) for _ in range(count)]


def _work_off(put):
    """From the commit of what `put` puts into the queue until the last of it is done; what else was done meanwhile
    counts as well."""
    ((before,),) = rows("SELECT coalesce(max(id), 0) FROM procrastinate_jobs")
    put()
    committed = time.time()
    ((newest,),) = rows("SELECT max(id) FROM procrastinate_jobs")
    ours = "SELECT id FROM procrastinate_jobs WHERE id > %s AND id <= %s AND task_name = ANY(%s)"
    chosen = (before, newest, list(TASKS))
    while rows(f"{ours} AND status IN ('todo', 'doing') LIMIT 1", *chosen):
        if time.time() - committed > GIVEN_UP_SECONDS:
            raise SystemExit(f"The workers have not done in {GIVEN_UP_SECONDS} s what the bench has asked of them.")
        time.sleep(0.05)
    ((failed,),) = rows(f"SELECT count(*) FROM ({ours} AND status <> 'succeeded') f", *chosen)
    if failed:
        raise SystemExit(f"{failed} jobs have failed; the log of the workers says why.")
    ((last,),) = rows(
        f"SELECT max(at) FROM procrastinate_events WHERE type = 'succeeded' AND job_id IN ({ours})", *chosen
    )
    ((done,),) = rows(
        "SELECT count(*) FROM procrastinate_jobs j JOIN procrastinate_events e ON e.job_id = j.id "
        "WHERE e.type = 'succeeded' AND e.at > to_timestamp(%s) AND e.at <= %s AND j.task_name = ANY(%s)",
        committed,
        last,
        list(TASKS),
    )
    return {"count": done, "seconds": last.timestamp() - committed}


def do_idle(tenants, count):
    """The worker has nothing to do. Then a record is created, or a job enqueued; how long until the first step begins,
    or the job's being fetched."""
    found = {"run": [], "job": []}
    for number in range(count):
        workflow, _ = tenants.all[number % len(tenants.all)]
        found["run"].append(_trigger(workflow.tenant_id, number))
        found["job"].append(_enqueue_one())
    return found


def _trigger(tenant_id, number):
    from apps.crm.models import Customer

    time.sleep(random.uniform(*PAUSES))
    with inside(tenant_id):
        Customer(name=f"Ada Lovelace {number}", company=MADE_HERE).save()
        committed = time.time()
        _wait_for(rows("SELECT max(id) FROM procrastinate_jobs WHERE task_name = %s", TASKS[0])[0][0])
        ((began,),) = rows(
            "SELECT min(s.started_at) FROM workflow_steps s JOIN workflow_executions e ON e.id = s.execution_id "
            "WHERE e.tenant_id = %s AND e.id = (SELECT id FROM workflow_executions WHERE tenant_id = %s "
            "ORDER BY started_at DESC LIMIT 1)",
            tenant_id,
            tenant_id,
        )
    return began.timestamp() - committed


def _enqueue_one():
    time.sleep(random.uniform(*PAUSES))
    (job_id,) = _enqueue(1)
    committed = time.time()
    _wait_for(job_id)
    ((began,),) = rows("SELECT at FROM procrastinate_events WHERE job_id = %s AND type = 'started'", job_id)
    return began.timestamp() - committed


def _wait_for(job_id):
    while rows("SELECT 1 FROM procrastinate_jobs WHERE id = %s AND status IN ('todo', 'doing')", job_id):
        time.sleep(0.005)


def do_clear(tenants):
    with owner() as cursor:
        clear(cursor)


def do_backlog(tenants, count, state):
    """So many runs more of the first tenant: `waiting` for a moment far off, or `pending` behind those that have a
    job."""
    from datetime import timedelta

    from nexora.kernel import clock

    workflow, _ = tenants.all[0]
    resume_at = clock.now() + timedelta(days=30) if state == "waiting" else None
    with owner() as cursor:
        cursor.execute(BACKLOG, [state, resume_at, count, workflow.pk])
        cursor.execute("VACUUM (ANALYZE) workflow_executions")


def do_begin(tenants, count, first=False):
    """Runs that nobody does yet; of all tenants, or of the first."""
    tenants.begin(count, tenants.all[:1] if first else None)


def do_fetch(tenants):
    """How long procrastinate's fetch takes, median of FETCHES; each is taken back."""
    from django.db import transaction

    taken = []
    ((worker,),) = rows("INSERT INTO procrastinate_workers DEFAULT VALUES RETURNING id")
    for _ in range(FETCHES):
        with transaction.atomic():
            rows("SELECT 1")
            started = time.perf_counter()
            ((job,),) = rows("SELECT id FROM procrastinate_fetch_job_v2(NULL, %s)", worker)
            taken.append(time.perf_counter() - started)
            transaction.set_rollback(True)
        if job is None:
            raise SystemExit("There was nothing to fetch.")
    return statistics.median(taken)


ORDERS = {name.removeprefix("do_"): order for name, order in globals().items() if name.startswith("do_")}


def main():
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "nexora.settings")
    django.setup()
    tenants = Tenants()
    for line in sys.stdin:
        order = json.loads(line)
        answer = ORDERS[order.pop("do")](tenants, **order)
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    # Ctrl-C reaches every process of the terminal; the bench itself says goodbye.
    with contextlib.suppress(KeyboardInterrupt):
        main()
