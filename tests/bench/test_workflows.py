"""What `make bench` tells of workflows. Its workers and its minutes belong to no test run."""

from contextlib import nullcontext
from types import SimpleNamespace

import pytest
from django.db import connection

from apps.accounts.models import Notification
from apps.crm.models import Activity
from apps.workflows.engine import turns
from apps.workflows.models import WorkflowExecution
from nexora.bench import runs, workflows
from nexora.bench.jobs import do_nothing
from nexora.bench.servers import Measured, Slice
from nexora.kernel.jobs import enqueue
from tests.factories import CustomerFactory
from tests.workflows.flows import finish, steps, workflow


@pytest.fixture
def tenants(in_acme, admin):
    """The bench's, as far as a test has them."""
    found = runs.Tenants.__new__(runs.Tenants)
    made = workflow(admin, *runs.ACTIONS, name=runs.MADE_HERE)
    found.all = [(made, iter([CustomerFactory(tenant=in_acme, name="Ada", company="Zuse").pk for _ in range(3)]))]
    return found


def test_a_run_of_the_bench_does_its_three_steps(tenants):
    runs.do_begin(tenants, 2)
    for run in finish():
        assert (run.status, run.error) == ("completed", None)
        assert [(step.key, step.status) for step in steps(run)] == [(a["key"], "completed") for a in runs.ACTIONS]
    assert {activity.description for activity in Activity.objects.all()} == {"Call Ada of Zuse"}
    assert Notification.objects.count() == 2


def test_a_job_that_does_nothing_stands_beside_it(in_acme):
    assert enqueue(do_nothing)
    assert do_nothing() is None


@pytest.mark.parametrize("state", ["waiting", "pending"])
def test_the_backlog_is_as_the_engine_would_have_made_it(tenants, state):
    made, _ = tenants.all[0]
    with connection.cursor() as cursor:
        cursor.execute(runs.BACKLOG, [state, None, 3, made.pk])
    assert WorkflowExecution.objects.filter(state=state).count() == 3
    turns.let_in(3)
    assert {run.status for run in finish()} == {"completed"}
    assert turns.READY_RUNS == workflows.READY


def test_the_share_is_that_of_measurements_side_by_side():
    jobs, found = (
        Measured([Slice(requests=count, seconds=1, cpu_seconds=0.1, latencies=[]) for count in counts])
        for counts in ([400, 100, 200], [100, 50, 40])
    )
    assert workflows.share(jobs, found) == 0.25


def test_the_report_says_how_many_how_soon_and_what_a_backlog_does(monkeypatch):
    asked, said = [], []

    def ask(do, **more):
        asked.append(do)
        return {
            "runs": {"count": 200, "seconds": 2},
            "few": {"count": 10, "seconds": 0.5},
            "jobs": {"count": 600, "seconds": 2},
            "idle": {"run": [0.01] * workflows.IDLE_TIMES, "job": [0.002] * workflows.IDLE_TIMES},
            "fetch": 0.0004,
        }.get(do)

    monkeypatch.setattr(workflows, "Runs", lambda env: nullcontext(SimpleNamespace(ask=ask)))
    worker = SimpleNamespace(cpu_seconds=lambda: 1)
    monkeypatch.setattr(workflows, "working", lambda env, count=1: nullcontext([worker]))
    workflows.compare({}, 2, lambda line="": said.append(line))
    assert {f"do_{do}" for do in asked} <= {order.__name__ for order in runs.ORDERS.values()}
    text = "\n".join(said)
    assert text.count("0.33 x the rate of no-op jobs") == len(workflows.PROCESSES)
    assert "the first step begins" in text and "10.0" in text
    assert text.count("fetch 1.00 x, a run 1.00 x") == len(workflows.BACKLOGS)
