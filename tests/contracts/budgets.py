"""How many statements each answer of the API may cost. A figure may fall; raising one wants a reason beside it.

Counted are statements about records, with everything that a process keeps (the host, the token) kept. Not counted: what
tells PostgreSQL the scope, and BEGIN, COMMIT and savepoints.
"""

BUDGET = {
    "list": 1,
    "retrieve": 1,
    "aggregate": 1,
    "create": 3,
    "update": 3,
    "partial_update": 3,
    "dismiss": 3,
    # Find and lock it, change it.
    "mark_read": 2,
    "mark_all_read": 1,
    # Who asks, the person, the person's factor under a lock: and there it ends, for those who have none.
    "reset_second_factor": 4,
    # Find the person, count three kinds of records.
    "open_records": 4,
    # The writer's account; find the person, lock and change both, publish; look at three kinds of records, count them.
    "hand_over": 11,
    "deactivate": 11,
    # Find and lock it, count what hangs on it, delete it, publish.
    "destroy": 4,
    # Count, publish, and of a short list one page, with a look at the rows without a date.
    "export": 4,
    # Start a workflow: find it, lock it, its owner; its version, how many have a job, the run, its job.
    "run": 8,
    # As much, but for the job; each step, three statements and what it does; what was done.
    "test": 22,
    "take_over": 6,
    "definition_schema": 0,
    "templates": 0,
    "statistics": 2,
    "secrets": 4,
    "renew_secrets": 7,
    # Find the run, lock it; the workflow, its owner; what they write.
    "cancel": 9,
    "retry": 10,
    "replay": 9,
    # As the single ones; all events of a request are stored together.
    "bulk_update": 3,
    "bulk_delete": 4,
    # Who asks; find it, lock it, change it, publish, and leave a mail to the worker.
    "resend": 6,
}

# {model: how many more a write of it costs}, whatever the route.
MORE = {
    # Is there a workflow that listens? Asked in the same transaction, so that one switched on a moment ago hears it.
    "crm.customer": 1,
    "crm.deal": 1,
    "crm.activity": 1,
    "analytics.aiinsight": 1,
    # Its owner, whose rights it has, and the version that it makes.
    "workflows.workflow": 2,
}

# {(route, action): statements}, each above its budget for the reason given.
EXCEPTIONS = {
    # A deal that goes to another customer takes its activities along.
    ("crm:deal-detail", "update"): 4,
    ("crm:deal-detail", "partial_update"): 4,
    # Who invites is looked at first: the invitation would outlast a token that was taken from them.
    ("accounts:invitation-list", "create"): 4,
    # Installing looks the plugin up and counts it.
    ("marketplace:plugininstallation-list", "create"): 5,
    # The writer's own account is looked at first: a suspended person's token could undo the suspension. A new password
    # ends the sessions, and a new address is asked to be confirmed.
    ("accounts:user-detail", "update"): 6,
    ("accounts:user-detail", "partial_update"): 6,
    # Likewise; the last admin may not go, and Django reads the admin's log of the account.
    ("accounts:user-detail", "destroy"): 7,
}
