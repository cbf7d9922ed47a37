"""The fault table: every kind of step, with its worker killed or its database session cut at every point of it."""

import pytest

from apps.accounts.models import AuditEvent, Notification
from apps.analytics.models import AIInsight
from apps.crm.models import Activity, Customer
from apps.workflows.definition.registry import actions
from apps.workflows.services.control import run_workflow
from nexora.kernel.scope import tenant_scope
from tests.factories import ActivityFactory, CustomerFactory
from tests.workflows.flows import workflow

pytestmark = [pytest.mark.slow, pytest.mark.once]

KILL, CUT = "kill", "cut"
INSIDE = ("before", "inside", "after")
OUTSIDE = ("before", "begun", "called", "inside", "after")
# What becomes of a COMMIT is a question only where the process lives on.
COMMIT = ("commit", "unsure")
OF_THE_RUN = ("fetched", "ending", "over")

NAME = "{{ record.name }}"
STEP = f"step {NAME}"
VICTIM = "{{ record.custom_fields.victim }}"


def note(key):
    return {"key": key, "type": "activity.create", "with": {"type": "note", "subject": f"{key} {NAME}"}}


EACH = {
    "resource": "activities",
    "where": {"path": "item.customer", "op": "eq", "value": "{{ record.id }}"},
    "do": [
        {
            "key": "inner",
            "type": "record.update",
            "with": {
                "resource": "activities",
                "record": "{{ item.id }}",
                "values": {"description": "{{ item.description }}+"},
            },
        }
    ],
}
ITEMS = 3

# {type: (`with` of its step, path at which it happens, points)}
TABLE = {
    "activity.create": ({"type": "task", "subject": STEP}, "1", (*INSIDE, *OF_THE_RUN)),
    "record.create": ({"resource": "customers", "values": {"name": STEP}}, "1", INSIDE),
    "record.update": ({"resource": "customers", "values": {"company": "{{ record.company }}+"}}, "1", INSIDE),
    "record.delete": ({"resource": "activities", "record": VICTIM}, "1", INSIDE),
    "record.assign": ({"resource": "activities", "record": VICTIM, "rule": "fewest_open"}, "1", INSIDE),
    "record.find": ({"resource": "activities"}, "1", INSIDE),
    "insight.raise": ({"type": "risk", "title": STEP}, "1", INSIDE),
    "notify": ({"roles": ["admin"], "text": STEP}, "1", INSIDE),
    "branch": ({"if": {"path": "record.company", "op": "eq", "value": "X"}, "then": [note("step")]}, "1", INSIDE),
    "for_each": (EACH, "1#1.do.0", INSIDE),
    "wait": ({"for": "PT5M"}, "1", (*INSIDE, "resuming")),
    "stop": ({}, "1", INSIDE),
    "http.request": ({"method": "POST", "url": f"{{sink}}/{NAME}"}, "1", OUTSIDE),
    "email.send": ({"to": f"{NAME}@example.com", "subject": "Hello", "body": "Hello."}, "1", OUTSIDE),
}  # fmt: skip
INNER = {"branch": ["1.then.0"], "for_each": [f"1#{number}.do.0" for number in range(ITEMS)]}


def test_every_kind_of_action_is_in_the_table():
    assert TABLE.keys() == actions.keys()


@pytest.mark.parametrize("how", [KILL, CUT])
def test_every_run_ends_and_every_effect_is_there_once(how, stage, acme, admin, subtests):
    with tenant_scope(acme):
        runs = dict(started(stage, admin, how))
    stage.order(
        {"name": marker, "run": str(run.pk), "point": point, "path": path, "how": how}
        for marker, (run, _, point, path) in runs.items()
    )
    stage.settle([run for run, *_ in runs.values()], seconds=120)
    assert stage.happened() == runs.keys()
    assert stage.kills == (len(runs) if how == KILL else 0)
    mails = stage.mails()
    for marker, (run, kind, point, _) in runs.items():
        with subtests.test(kind=kind, point=point), tenant_scope(acme):
            run.refresh_from_db()
            assert run.status == "completed", run.error
            assert paths_of(run) == expected_paths(kind)
            assert effects(kind, marker, stage, mails) == expected_effects(kind)


def started(stage, owner, how):
    """(marker, (run, kind, point, path)) of a run for each place in the table."""
    for kind, (given, path, points) in TABLE.items():
        given = {name: filled(value, stage.calls) for name, value in given.items()}
        made = workflow(
            owner,
            note("start"),
            {"key": "tested", "type": kind, "with": given},
            note("end"),
            trigger={"type": "manual", "resource": "customers"},
        )
        for point in (*points, *(COMMIT if how == CUT else ())):
            marker = f"{kind}-{point}".replace("_", "-")
            customer = CustomerFactory(tenant=owner.tenant, name=marker, company="X")
            items = [
                ActivityFactory(tenant=owner.tenant, customer=customer, subject=f"item {marker}", description="X")
                for _ in range(ITEMS)
            ]
            Customer.objects.filter(pk=customer.pk).unpublished("test").update(
                custom_fields={"victim": str(items[0].pk)}
            )
            (run,), _ = run_workflow(actor=owner, workflow=made, ids=[customer.pk])
            yield marker, (run, kind, point, None if point in OF_THE_RUN else path)


def filled(value, calls):
    return value.replace("{sink}", f"http://127.0.0.1:{calls.server_port}") if isinstance(value, str) else value


def paths_of(run):
    return dict(run.steps.values_list("path", "status"))


def expected_paths(kind):
    paths = ["0", "1", *INNER.get(kind, []), *(["2"] if kind != "stop" else [])]
    return dict.fromkeys(paths, "completed")


def effects(kind, marker, stage, mails):
    """How often each effect is there, and how often the trail has it."""
    made = {key: Activity.objects.filter(subject=f"{key} {marker}") for key in ("start", "step", "end")}
    found = {f"{key} made": rows.count() for key, rows in made.items()}
    for key, rows in made.items():
        found[f"{key} told"] = told("created", rows.values("pk"))
    customer = Customer.objects.get(name=marker)
    items = Activity.objects.filter(subject=f"item {marker}")
    match kind:
        case "record.create":
            rows = Customer.objects.filter(name=f"step {marker}")
            found |= {"made": rows.count(), "told": told("created", rows.values("pk"))}
        case "record.update":
            found |= {"company": customer.company, "told": told("updated", [customer.pk])}
        case "record.delete":
            victim = customer.custom_fields["victim"]
            found |= {"left": items.count(), "told": told("deleted", [victim])}
        case "record.assign":
            victim = customer.custom_fields["victim"]
            found |= {"assigned": items.exclude(assigned_to=None).count(), "told": told("updated", [victim])}
        case "insight.raise":
            rows = AIInsight.objects.filter(title=f"step {marker}")
            found |= {"made": rows.count(), "told": told("created", rows.values("pk"))}
        case "notify":
            found |= {"notified": Notification.objects.filter(text=f"step {marker}").count()}
        case "for_each":
            found |= {
                "changed": sorted(items.values_list("description", flat=True)),
                "told": told("updated", items.values("pk")),
            }
        case "http.request":
            keys = stage.calls.keys(f"/{marker}")
            found |= {"called": bool(keys), "keys": len(set(keys))}
        case "email.send":
            keys = {key for to, key in mails if to == f"{marker}@example.com"}
            found |= {"called": bool(keys), "keys": len(keys)}
    return found


def told(action, ids):
    return AuditEvent.objects.filter(action=action, record_id__in=ids).count()


def expected_effects(kind):
    notes = {"start": 1, "step": int(kind in ("activity.create", "branch")), "end": int(kind != "stop")}
    expected = {f"{key} {verb}": count for verb in ("made", "told") for key, count in notes.items()}
    return expected | {
        "record.create": {"made": 1, "told": 1},
        "record.update": {"company": "X+", "told": 1},
        "record.delete": {"left": ITEMS - 1, "told": 1},
        "record.assign": {"assigned": 1, "told": 1},
        "insight.raise": {"made": 1, "told": 1},
        "notify": {"notified": 1},
        "for_each": {"changed": ["X+"] * ITEMS, "told": ITEMS},
        "http.request": {"called": True, "keys": 1},
        "email.send": {"called": True, "keys": 1},
    }.get(kind, {})
