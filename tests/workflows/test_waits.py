"""What stands behind a wait."""

from datetime import UTC, datetime, timedelta

import pytest

from apps.crm.models import Customer
from apps.workflows.services import control
from nexora.kernel import clock
from tests.workflows.flows import acts, finish, note, runs, steps, workflow

pytestmark = pytest.mark.django_db

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
A_DAY = {"key": "wait", "type": "wait", "with": {"for": "P1D"}}
BROKEN = {"key": "broken", "type": "record.update", "with": {"resource": "customers", "values": {"email": "x"}}}


@pytest.fixture
def writer(in_acme, manager):
    with acts(manager):
        yield manager


@pytest.mark.parametrize(
    ("broken", "status", "after"),
    [(BROKEN, "failed", []), (BROKEN | {"on_error": "continue"}, "completed", ["completed"])],
)
def test_a_step_that_fails_behind_a_wait_fails_and_the_wait_is_over(writer, broken, status, after):
    with clock.frozen_at(NOON):
        made = workflow(writer, A_DAY, broken, note("after"))
        Customer(name="Ada").save()
        finish(*runs(made))
    with clock.frozen_at(NOON + timedelta(days=1)):
        (run,) = finish(*runs(made))
    assert run.status == status
    assert [one.status for one in steps(run)] == ["completed", "failed", *after]
    assert run.status == "completed" or run.error.startswith("broken: email:")


def test_so_it_does_in_a_test_run(writer):
    made = workflow(writer, A_DAY, BROKEN, note("after"))
    ada = Customer(name="Ada")
    ada.save()
    found = control.test_workflow(actor=writer, workflow=made, record_id=ada.pk)
    assert found["status"] == "failed" and found["error"].startswith("broken: email:")
    assert [step["status"] for step in found["steps"]] == ["completed", "failed"]
