"""Steps that share a transaction, and whoever is in their way."""

import pytest

from apps.crm.models import Activity, Deal
from nexora.kernel.db.login import OWNER
from nexora.kernel.scope import tenant_scope
from tests.database import another_session
from tests.factories import CustomerFactory, DealFactory

from .harness import wait_until
from .runs import append, begin, ensure_nothing_is_lost_or_doubled, note

pytestmark = [pytest.mark.slow, pytest.mark.once]


DEADLOCKS = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"


def test_once_a_worker_was_lost_each_step_is_noted_by_itself(stage, acme, admin):
    """Else one that takes workers down would undo those before it each time, until the run is given up."""
    (run,) = begin(admin, note("start"), append(), note("end"))
    faults = [{"name": f"kill {number}", "run": str(run.pk), "point": "before", "path": "2"} for number in range(6)]
    stage.order(fault | {"how": "kill"} for fault in faults)
    stage.settle([run], seconds=60)
    assert stage.kills == 6
    ensure_nothing_is_lost_or_doubled(stage, acme, [run], [note("start"), append(), note("end")])
    assert stage.ask("SELECT count(DISTINCT xmin::text) FROM workflow_steps") == [(3,)]


def test_a_run_that_waits_for_a_lock_lets_others_have_what_it_has_locked(stage, acme, admin):
    """Somebody deletes a customer, whose deals go with it; a run has changed one of them, and adds to the customer."""
    with tenant_scope(acme):
        customer = CustomerFactory(tenant=acme, name="other")
        deal = DealFactory(tenant=acme, customer=customer, title="Offer")
    change = {"resource": "deals", "record": str(deal.pk), "values": {"title": "Better offer"}}
    added = {"type": "note", "subject": "Hello", "customer": str(customer.pk)}
    (run,) = begin(
        admin,
        {"key": "change", "type": "record.update", "with": change},
        {"key": "add", "type": "activity.create", "with": added},
    )
    before = stage.ask(DEADLOCKS)
    with another_session(login=OWNER) as session, session.cursor() as cursor:
        cursor.execute("BEGIN")
        cursor.execute("SELECT 1 FROM customers WHERE id = %s FOR UPDATE", [customer.pk])
        stage.start()
        wait_until(stage.waits_for_a_lock, "the run waits for the customer")
        cursor.execute("SELECT 1 FROM deals WHERE id = %s FOR UPDATE", [deal.pk])
        cursor.execute("ROLLBACK")
    stage.settle([run])
    with tenant_scope(acme):
        run.refresh_from_db()
        assert (run.status, run.error) == ("completed", None)
        assert Deal.objects.get().title == "Better offer"
        assert Activity.objects.count() == 1
    for pid in stage.alive[:]:
        stage.kill(pid)
    # Each says what it has counted when it ends.
    wait_until(lambda: not stage.sessions(), "the workers' sessions end")
    assert stage.ask(DEADLOCKS) == before
