"""One tenant's thousands of runs, and another's ten."""

import pytest

from apps.workflows.models import WorkflowExecution
from nexora.kernel.scope import tenant_scope, unscoped

from .harness import wait_until
from .runs import begin, note, states, wait

pytestmark = [pytest.mark.slow, pytest.mark.once]


def ended(tenant):
    """When its runs ended, in order."""
    with tenant_scope(tenant):
        found = WorkflowExecution.objects.filter(status="completed")
        return list(found.order_by("completed_at").values_list("completed_at", flat=True))


def test_ten_runs_are_done_before_the_three_hundredth_of_two_thousand_that_were_first(
    stage, acme, admin, globex, mallory
):
    begin(admin, note("end"), count=2_000, customers=1)
    few = begin(mallory, note("end"), count=10)
    stage.start(4)
    wait_until(lambda: states(few) == {"completed": 10}, "the ten are done", seconds=60)
    wait_until(lambda: len(ended(acme)) >= 300, "the 300 are done", seconds=60)
    stage.kill(stage.alive[0])
    assert max(ended(globex)) < ended(acme)[299]
    with unscoped(reason="test"):
        assert WorkflowExecution.objects.filter(state="pending", tenant=acme).count() > 1_000


def test_ten_runs_are_done_before_those_that_wake_at_the_same_moment(stage, acme, admin, globex, mallory):
    many = begin(admin, wait("PT1M"), note("end"), count=300, customers=1)
    worker = stage.start(4)
    wait_until(lambda: states(many) == {"waiting": 300}, "all wait", seconds=60)
    stage.kill(worker)
    stage.time_passes()
    few = begin(mallory, note("end"), count=10)
    stage.start(4)
    wait_until(lambda: states(few) == {"completed": 10}, "the ten are done", seconds=60)
    stage.kill(stage.alive[0])
    assert len([one for one in ended(acme) if one < max(ended(globex))]) < 150
