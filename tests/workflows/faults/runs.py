"""Runs to be killed, and what must be true of them in the end."""

from collections import Counter

from apps.accounts.models import AuditEvent
from apps.crm.models import Activity, Customer
from apps.workflows.engine import starting
from apps.workflows.engine.starting import Start
from apps.workflows.models import WorkflowExecution, WorkflowStep
from nexora.kernel import clock
from nexora.kernel.scope import tenant_scope
from tests.factories import CustomerFactory, WorkflowFactory

MANUAL = {"type": "manual", "resource": "customers"}
NAME = "{{ record.name }}"


def note(key):
    return {"key": key, "type": "activity.create", "with": {"type": "note", "subject": f"{key} {NAME}"}}


def append():
    values = {"company": "{{ record.company }}+"}
    return {"key": "append", "type": "record.update", "with": {"resource": "customers", "values": values}}


def request(stage):
    url = f"http://127.0.0.1:{stage.calls.server_port}/{NAME}"
    return {"key": "call", "type": "http.request", "with": {"method": "POST", "url": url}}


def wait(duration):
    return {"key": "pause", "type": "wait", "with": {"for": duration}}


def probe(kind, name):
    """See probes.py."""
    return {"key": kind, "type": f"probe.{kind}", "with": {"name": name}}


def begin(owner, *actions, count=1, customers=None):
    """So many runs, each for a customer of its own, or all for one of `customers`."""
    with tenant_scope(owner.tenant_id):
        # Probes are known to the workers only, so their definitions cannot be checked here.
        made = WorkflowFactory(tenant=owner.tenant, created_by=owner, trigger=MANUAL, actions=list(actions))
        trigger = {"type": "manual", "at": clock.now().isoformat()}
        ids = [
            CustomerFactory(tenant=owner.tenant, name=f"c{number}", company="X").pk
            for number in range(customers or count)
        ]
        return starting.begin(
            made,
            [Start(trigger=trigger, resource="customers", record_id=ids[number % len(ids)]) for number in range(count)],
        )


def states(runs):
    with tenant_scope(runs[0].tenant_id):
        found = WorkflowExecution.objects.filter(pk__in=[run.pk for run in runs])
        return Counter(found.values_list("state", flat=True))


def ensure_nothing_is_lost_or_doubled(stage, tenant, runs, actions):
    """What each run was to do has been done, once, and stands in its steps and in the trail once."""
    with tenant_scope(tenant):
        found = WorkflowExecution.objects.filter(pk__in=[run.pk for run in runs])
        count = len(runs)
        assert Counter(found.values_list("status", flat=True)) == {"completed": count}, stage.story(found)
        numbers = [str(number) for number in range(len(actions))]
        paths = WorkflowStep.objects.filter(execution__in=found)
        assert Counter(paths.values_list("path", "status")) == {(path, "completed"): count for path in numbers}
        keys = {action["key"] for action in actions}
        made = Counter(Activity.objects.values_list("subject", flat=True))
        wanted = {f"{key} c{number}" for key in keys & {"start", "end"} for number in range(count)}
        assert made == dict.fromkeys(wanted, 1)
        trail = AuditEvent.objects.filter(record_id__in=Activity.objects.values("pk"), action="created")
        assert trail.count() == len(wanted)
        if "append" in keys:
            assert Counter(Customer.objects.values_list("company", flat=True)) == {"X+": count}
            assert AuditEvent.objects.filter(resource="crm.customer", action="updated").count() == count
    if "call" in keys:
        called = {path: set(stage.calls.keys(path)) for path, _, _ in stage.calls.taken}
        assert called.keys() == {f"/c{number}" for number in range(count)}
        assert [path for path, used in called.items() if len(used) != 1] == []
        assert len(set.union(*called.values())) == count
