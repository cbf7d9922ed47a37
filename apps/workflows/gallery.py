"""Ready-made workflows to begin with.

They suit any organisation: people are named by what they are to a record or by their role, never by address, and no
mail goes to a customer. Each is a plain definition, which whoever makes a workflow of it may change beforehand.
"""

from dataclasses import dataclass

OPEN_STAGES = ["qualification", "proposal", "negotiation"]
IS_OPEN = {"path": "record.stage", "op": "in", "value": OPEN_STAGES}
IS_UNDONE = {"path": "record.completed", "op": "ne", "value": True}
WHOM_IT_IS_GIVEN = "{{ record.assigned_to }}"


@dataclass(frozen=True)
class Template:
    """
    slug          its name in addresses
    name          of the template, and of the workflow that is made of it
    description   what it does, for whoever chooses
    category      heading under which it stands
    """

    slug: str
    name: str
    description: str
    category: str
    trigger: dict
    actions: list


def in_order(actions):
    """The actions and those in their blocks, as they are written."""
    for action in actions:
        yield action
        for inner in action.get("with", {}).values():
            if isinstance(inner, list) and inner and isinstance(inner[0], dict):
                yield from in_order(inner)


TEMPLATES = [
    Template(
        slug="welcome-new-lead",
        name="Welcome a new lead",
        description="As soon as a lead is entered, whoever entered it has a task to call within a day. A lead that "
        "came in by itself goes to whoever has the fewest open activities.",
        category="Leads",
        trigger={
            "type": "record.created",
            "resource": "customers",
            "when": {"path": "record.status", "op": "eq", "value": "lead"},
        },
        actions=[
            {
                "key": "welcome_task",
                "type": "activity.create",
                "title": "Make a task to call within a day",
                "with": {
                    "type": "task",
                    "customer": "{{ record.id }}",
                    "subject": "Welcome {{ record.name }}",
                    "description": "A new lead. Thank for the interest, and ask what is needed and by when.",
                    "due_in": "P1D",
                    "assigned_to": "{{ record.created_by }}",
                },
            },
            {
                "key": "hand_out",
                "type": "record.assign",
                "title": "Give it to whoever has the fewest, if nobody entered the lead",
                "when": {"path": "record.created_by", "op": "is_null"},
                "with": {
                    "resource": "activities",
                    "record": "{{ steps.welcome_task.activity }}",
                    "rule": "fewest_open",
                    "roles": ["user", "manager"],
                },
            },
        ],
    ),
    Template(
        slug="hand-out-new-deals",
        name="Hand out new deals",
        description="A new deal that is nobody's goes to whoever has the fewest open deals, who is told at once. "
        "Its owner must be a manager or an admin.",
        category="Deals",
        trigger={
            "type": "record.created",
            "resource": "deals",
            "when": {"path": "record.assigned_to", "op": "is_null"},
        },
        actions=[
            {
                "key": "assign",
                "type": "record.assign",
                "title": "Assign it to whoever has the fewest open deals",
                "with": {"resource": "deals", "rule": "fewest_open", "roles": ["user"]},
            },
            {
                "key": "tell",
                "type": "notify",
                "title": "Tell them",
                "with": {
                    "users": ["{{ steps.assign.assigned_to }}"],
                    "text": "A new deal is yours: {{ record.title }}, {{ record.value | money }}",
                },
            },
        ],
    ),
    Template(
        slug="follow-up-sitting-deal",
        name="Follow up when a deal sits",
        description="An open deal that nobody has touched for two weeks makes a task for whoever has it. If it still "
        "sits a week later, the managers are told.",
        category="Deals",
        trigger={
            "type": "date.reached",
            "resource": "deals",
            "field": "updated_at",
            "after": "P14D",
            "when": IS_OPEN,
        },
        actions=[
            {
                "key": "follow_up",
                "type": "activity.create",
                "title": "Make a task to follow up within two days",
                "with": {
                    "type": "task",
                    "deal": "{{ record.id }}",
                    "subject": "Follow up: {{ record.title }}",
                    "description": "Nothing has happened since {{ record.updated_at | date }}. Ask how things stand.",
                    "due_in": "P2D",
                    "assigned_to": WHOM_IT_IS_GIVEN,
                },
            },
            {"key": "a_week", "type": "wait", "title": "Wait a week", "with": {"for": "P7D"}},
            {
                "key": "still_sits",
                "type": "branch",
                "title": "If it is open and still untouched",
                "with": {
                    # Three weeks less a day: the clock looks once a minute, and a wait ends on time.
                    "if": {
                        "all": [IS_OPEN, {"path": "record.updated_at", "op": "lt", "value": "{{ now | minus:'P20D' }}"}]
                    },
                    "then": [
                        {
                            "key": "tell_managers",
                            "type": "notify",
                            "title": "Tell the managers",
                            "with": {
                                "roles": ["manager"],
                                "text": "{{ record.title }} has not moved since {{ record.updated_at | date }}",
                                "level": "warning",
                            },
                        }
                    ],
                },
            },
        ],
    ),
    Template(
        slug="big-deal",
        name="Hear of big deals",
        description="When a deal of 50,000 or more reaches negotiation, you and the managers are told.",
        category="Deals",
        trigger={
            "type": "deal.stage_entered",
            "resource": "deals",
            "stage": "negotiation",
            "when": {"path": "record.value", "op": "gte", "value": 50_000},
        },
        actions=[
            {
                "key": "tell",
                "type": "notify",
                "title": "Tell the owner of the workflow and the managers",
                "with": {
                    "users": ["{{ owner.id }}"],
                    "roles": ["manager"],
                    "text": "In negotiation: {{ record.title }} for {{ record.value | money }}",
                },
            }
        ],
    ),
    Template(
        slug="announce-win",
        name="Announce a win",
        description="When a deal is won, everybody in sales is told, and whoever won it has a task to introduce the "
        "customer to those who deliver.",
        category="Deals",
        trigger={"type": "deal.stage_entered", "resource": "deals", "stage": "closed_won"},
        actions=[
            {
                "key": "tell_team",
                "type": "notify",
                "title": "Tell everybody in sales",
                "with": {
                    "roles": ["manager", "user"],
                    "text": "Won: {{ record.title }} for {{ record.value | money }}",
                    "level": "success",
                },
            },
            {
                "key": "hand_over",
                "type": "activity.create",
                "title": "Make a task to introduce the customer",
                "with": {
                    "type": "task",
                    "deal": "{{ record.id }}",
                    "subject": "Introduce {{ record.customer.name }} to those who deliver",
                    "due_in": "P3D",
                    "assigned_to": WHOM_IT_IS_GIVEN,
                },
            },
        ],
    ),
    Template(
        slug="renewal-reminder",
        name="Renewal reminder",
        description="Eleven months after a deal was won, whoever has it gets a task to prepare the renewal. If that is "
        "not done two weeks later, the managers are told.",
        category="Customers",
        trigger={
            "type": "date.reached",
            "resource": "deals",
            "field": "closed_at",
            "after": "P335D",
            "when": {"path": "record.stage", "op": "eq", "value": "closed_won"},
        },
        actions=[
            {
                "key": "prepare",
                "type": "activity.create",
                "title": "Make a task to prepare the renewal",
                "with": {
                    "type": "task",
                    "deal": "{{ record.id }}",
                    "subject": "Prepare the renewal: {{ record.title }}",
                    "description": "Won on {{ record.closed_at | date }} for {{ record.value | money }}. A year ends "
                    "in a month.",
                    "due_in": "P14D",
                    "assigned_to": WHOM_IT_IS_GIVEN,
                },
            },
            {"key": "two_weeks", "type": "wait", "title": "Wait two weeks", "with": {"for": "P14D"}},
            {
                "key": "undone",
                "type": "record.find",
                "title": "See whether the task is done",
                "with": {
                    "resource": "activities",
                    "where": {
                        "all": [
                            {"path": "item.id", "op": "eq", "value": "{{ steps.prepare.activity }}"},
                            {"path": "item.completed", "op": "ne", "value": True},
                        ]
                    },
                },
            },
            {
                "key": "tell_managers",
                "type": "notify",
                "title": "Tell the managers, if it is not",
                "when": {"path": "steps.undone.found", "op": "gt", "value": 0},
                "with": {
                    "roles": ["manager"],
                    "text": "The renewal of {{ record.title }} is not prepared yet",
                    "level": "warning",
                },
            },
        ],
    ),
    Template(
        slug="escalate-overdue-activity",
        name="Escalate overdue activities",
        description="A day after its deadline, whoever has an open activity is reminded. If it is still open three "
        "days later, the managers are told.",
        category="Activities",
        trigger={
            "type": "date.reached",
            "resource": "activities",
            "field": "due_date",
            "after": "P1D",
            "when": IS_UNDONE,
        },
        actions=[
            {
                "key": "remind",
                "type": "notify",
                "title": "Remind whoever has it",
                # An activity that nobody has, or somebody who left, has nobody to remind: that is for the managers.
                "on_error": "continue",
                "with": {
                    "users": [WHOM_IT_IS_GIVEN],
                    "text": "Due on {{ record.due_date | date }}: {{ record.subject }}",
                    "level": "warning",
                },
            },
            {"key": "three_days", "type": "wait", "title": "Wait three days", "with": {"for": "P3D"}},
            {
                "key": "still_open",
                "type": "branch",
                "title": "If it is still open and was not put off",
                "with": {
                    "if": {"all": [IS_UNDONE, {"path": "record.due_date", "op": "lt", "value": "{{ now }}"}]},
                    "then": [
                        {
                            "key": "escalate",
                            "type": "notify",
                            "title": "Tell the managers",
                            "with": {
                                "roles": ["manager"],
                                "text": "Still open, due on {{ record.due_date | date }}: {{ record.subject }}",
                                "level": "danger",
                            },
                        }
                    ],
                },
            },
        ],
    ),
    Template(
        slug="monday-list",
        name="Deals that should be decided by now",
        description="Every Monday at 7:00 UTC you get a mail that lists the open deals whose expected closing date has "
        "passed. No mail when there are none.",
        category="Reports",
        trigger={"type": "schedule", "cron": "0 7 * * 1", "zone": "UTC"},
        actions=[
            {
                "key": "late",
                "type": "record.find",
                "title": "Find open deals whose date has passed",
                "with": {
                    "resource": "deals",
                    "where": {
                        "all": [
                            {"path": "item.stage", "op": "in", "value": OPEN_STAGES},
                            # A day begins at midnight; the day before is over.
                            {"path": "item.expected_close_date", "op": "lte", "value": "{{ now | minus:'P1D' }}"},
                        ]
                    },
                    "order": "expected_close_date",
                    "limit": 100,
                },
            },
            {
                "key": "mail",
                "type": "email.send",
                "title": "Mail the list to the owner of the workflow",
                "when": {"path": "steps.late.found", "op": "gt", "value": 0},
                "with": {
                    "to": "{{ owner.email }}",
                    "subject": "{{ steps.late.found }} deals should be decided by now",
                    "body": "Their expected closing dates have passed:\n\n{{ steps.late.deals | lines }}",
                },
            },
        ],
    ),
]

BY_SLUG = {template.slug: template for template in TEMPLATES}
