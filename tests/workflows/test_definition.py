"""What may be saved: the shape by the schema, then what a schema cannot say; each error names its place."""

import copy

import pytest
from django.core.exceptions import ValidationError
from jsonschema import Draft202012Validator

from apps.workflows.definition import schema
from apps.workflows.definition.check import MOST_ACTIONS, check_definition
from apps.workflows.definition.registry import actions, triggers
from tests.factories import UserFactory
from tests.workflows.flows import note

TRIGGER = {"type": "record.created", "resource": "deals"}
URL = "/api/v1/workflows/"


def said(trigger=TRIGGER, steps=(), owner=None):
    """Every sentence about a definition."""
    try:
        check_definition(trigger=trigger, actions=[note()] if steps == () else steps, owner=owner)
    except ValidationError as error:
        return [sentence for sentences in error.message_dict.values() for sentence in sentences]
    return []


def action(kind, /, **given):
    return [{"key": "step", "type": kind, "with": given}]


def test_every_kind_has_an_example_that_is_right():
    for kind in triggers.values():
        assert said(trigger=kind.example) == [], kind
    for kind in actions.values():
        assert said(steps=[kind.example], trigger={"type": "manual", "resource": about(kind.example)}) == [], kind


def about(example):
    """The kind of record that an example's values are of."""
    text = str(example)
    if "record.completed" in text or example["type"] == "record.delete":
        return "activities"
    return "customers" if "record.name" in text or "record.email" in text else "deals"


def test_every_example_fits_the_published_schema_and_nonsense_does_not():
    published = schema.published()
    Draft202012Validator.check_schema(published)
    validator = Draft202012Validator(published)
    for kind in actions.values():
        validator.validate({"trigger": TRIGGER, "actions": [kind.example]})
    for kind in triggers.values():
        validator.validate({"trigger": kind.example, "actions": [note()]})
    assert not validator.is_valid({"trigger": TRIGGER, "actions": [{"key": "x", "type": "x"}]})
    assert not validator.is_valid({"trigger": {"type": "schedule"}, "actions": [note()]})


def test_the_schema_is_published(client_for, guest):
    found = client_for(guest).get(f"{URL}schema/").json()
    assert found == schema.published()
    assert found["$schema"].endswith("2020-12/schema")


@pytest.mark.parametrize(
    ("steps", "sentence"),
    [
        (action("http.request", method="POST", url="ftp://x.example"), "actions/0/with/url: must start with https://."),
        (action("http.request", method="POST"), "actions/0/with/url: is missing."),
        (action("http.request", method="BREW", url="https://x.example"), "actions/0/with/method: must be one of"),
        (action("nothing.such"), "actions/0/type: is unknown. Known are activity.create,"),
        ([{"key": "a", "with": {}}], "actions/0/type: is missing."),
        ([{**note(), "retries": 3}], "actions/0/retries: is unknown. Known are"),
        ([note("a"), note("a")], "actions/1/key: a is taken by an earlier step."),
        ([note("A b")], "actions/0/key: must begin with a small letter"),
        ([note(subject="")], "actions/0/with/subject: must not be empty."),
        ([note(subject="{{ record.nothing }}")], "actions/0/with/subject: deals have no field nothing."),
        ([note(subject="{{ steps.later.id }}")], "actions/0/with/subject: There is no earlier step later"),
        ([note(subject="{{ item.id }}")], "actions/0/with/subject: item stands in a for-each"),
        ([note(subject="{{ record.tenant }}")], "actions/0/with/subject: deals have no field tenant."),
        ([note(subject="{{ record.assigned_to.password }}")], "actions/0/with/subject: users have no field password"),
        ([note(subject="{{ record.title | shout }}")], "actions/0/with/subject:"),
        ([note(due_in="P1M")], "actions/0/with/due_in:"),
        (action("record.update", resource="deals", values={"tenant": "x"}), "actions/0/with/values/tenant: is no"),
        (action("record.update", resource="deals", values={"closed_at": 1}), "actions/0/with/values/closed_at:"),
        (action("record.update", resource="users", values={"role": "admin"}), "actions/0/with/resource: is unknown."),
        (action("record.update", resource="customers", values={"name": "x"}), "actions/0/with/record: is missing"),
        (action("wait"), "actions/0/with: needs one of for and until."),
        (action("wait", **{"for": "P1D", "until": "2027-01-01"}), "actions/0/with: needs one of for and until."),
        (action("notify", text="x"), "actions/0/with: needs users or roles"),
        (action("notify", text="x", roles=["super_admin"]), "actions/0/with/roles/0: must be one of"),
        (action("email.send", to="nobody", subject="x", body="x"), "actions/0/with/to: is no email address."),
        (action("http.request", method="GET", url="https://{{ record.title }}/x"), "actions/0/with/url: may have"),
        (
            action("http.request", method="GET", url="https://x.example", headers={"Authorization": "x"}),
            "actions/0/with/headers/Authorization:",
        ),
        (action("branch", **{"if": {"path": "record.x", "op": "eq", "value": 1}}), "actions/0/with/if"),
        (
            action("branch", **{"if": {"path": "record.title", "op": "eq", "value": "x"}, "then": [{"key": "b"}]}),
            "actions/0/with/then/0/type: is missing.",
        ),
        (
            action("for_each", resource="deals", do=[note("b")], where={"path": "record.title", "op": "is_null"}),
            "actions/0/with/where/path: must begin with item.",
        ),
        (
            action("for_each", resource="deals", do=[note("b")], where={"path": "item.title", "op": "changed"}),
            "actions/0/with/where",
        ),
        (action("for_each", resource="deals", do=[note("b")], limit=10_000), "actions/0/with/limit: must be at"),
        ([{**note(), "on_error": {"branch": [{"key": "c", "type": "x"}]}}], "actions/0/on_error/branch/0/type: is"),
        ([{**note(), "on_error": "ignore"}], "actions/0/on_error: must be one of fail, continue."),
        ([{**note(), "retry": {"max": 99}}], "actions/0/retry/max: must be at most 10."),
    ],
)  # fmt: skip
def test_an_action_that_cannot_work_is_refused_with_its_place(steps, sentence):
    assert any(one.startswith(sentence) for one in said(steps=steps)), said(steps=steps)


@pytest.mark.parametrize(
    ("trigger", "sentence"),
    [
        ({"type": "record.created"}, "trigger/resource: is missing."),
        ({"type": "record.created", "resource": "users"}, "trigger/resource: is unknown."),
        ({"type": "record.updated", "resource": "deals", "fields": ["nothing"]}, "trigger/fields/0: deals have no"),
        ({"type": "field.changed", "resource": "deals", "field": "x"}, "trigger/field: deals have no field x."),
        ({"type": "deal.stage_entered", "resource": "deals", "stage": "won"}, "trigger/stage: must be one of"),
        ({"type": "deal.stage_entered", "resource": "customers", "stage": "closed_won"}, "trigger/resource: must be"),
        ({"type": "schedule", "cron": "* * * *"}, "trigger/cron: must be five fields"),
        ({"type": "schedule", "cron": "61 * * * *"}, "trigger/cron: must be five fields"),
        ({"type": "schedule", "cron": "0 7 * * 1", "zone": "Mars/Olympus"}, "trigger/zone: is no time zone."),
        ({"type": "date.reached", "resource": "deals", "field": "title"}, "trigger/field: is no date of deals."),
        (
            {"type": "date.reached", "resource": "deals", "field": "closed_at", "after": "P1D", "before": "P1D"},
            "trigger/after: cannot stand beside before.",
        ),
        ({"type": "date.reached", "resource": "deals", "field": "closed_at", "after": "soon"}, "trigger/after:"),
        (
            {"type": "record.created", "resource": "deals", "when": {"path": "record.x", "op": "eq", "value": 1}},
            "trigger/when",
        ),
        ({"type": "record.created", "resource": "deals", "whenn": {}}, "trigger/whenn: is unknown."),
    ],
)  # fmt: skip
def test_a_trigger_that_cannot_work_is_refused_with_its_place(trigger, sentence):
    assert any(one.startswith(sentence) for one in said(trigger=trigger)), said(trigger=trigger)


def test_an_action_beyond_the_role_of_the_owner_is_refused(in_acme):
    person, manager = UserFactory(role="user"), UserFactory(role="manager")
    raising = action("insight.raise", type="risk", title="x")
    assert said(steps=raising, owner=manager) == []
    (sentence,) = said(steps=raising, owner=person)
    assert sentence == "actions/0/with: is out of reach: the role user may not create insights."


def test_the_depth_and_the_number_of_actions_are_bounded():
    deep = [note("inner")]
    for level in range(5):
        deep = [{"key": f"b{level}", "type": "branch",
                 "with": {"if": {"path": "record.title", "op": "is_null"}, "then": deep}}]  # fmt: skip
    assert any("nested too deeply" in one for one in said(steps=deep))
    many = [note(f"n{number}") for number in range(MOST_ACTIONS + 1)]
    assert any("has at most 100 actions" in one for one in said(steps=many))
    assert said(steps=many[:MOST_ACTIONS]) == []
    assert any("too large" in one for one in said(steps=[note(description="x" * 19_000)] * 20))


def test_what_a_step_gives_can_be_used_by_later_ones_only():
    found = {"key": "found", "type": "record.find", "with": {"resource": "deals"}}
    later = note("later", subject="{{ steps.found.found }}")
    assert said(steps=[found, later]) == []
    assert said(steps=[later, found]) != []


def test_the_api_and_the_model_refuse_alike(client_for, member, in_acme):
    body = {"name": "x", "trigger": TRIGGER, "actions": [note(subject="{{ record.nothing }}")]}
    answer = client_for(member).post(URL, body)
    assert answer.status_code == 400
    assert answer.json()["errors"]["actions"] == said(steps=body["actions"])


def test_checking_leaves_the_definition_as_it_was():
    steps = [copy.deepcopy(kind.example) for kind in actions.values() if "record" not in str(kind.example)]
    before = copy.deepcopy(steps)
    said(steps=steps)
    assert steps == before


def test_each_member_that_is_missing_is_named_once():
    with pytest.raises(ValidationError) as caught:
        check_definition(trigger={"type": "manual"}, actions=[{"type": "branch"}])
    assert caught.value.message_dict == {"actions": ["actions/0/key: is missing.", "actions/0/with: is missing."]}
