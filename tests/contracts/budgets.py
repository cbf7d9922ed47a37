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
    # Find the person, count two kinds of records.
    "open_records": 3,
    # The writer's account; find the person, lock and change both, publish; look at two kinds of records, count them.
    "hand_over": 9,
    "deactivate": 9,
    # Find and lock it, count what hangs on it, delete it, publish.
    "destroy": 4,
    # Count, publish, and of a short list one page, with a look at the rows without a date.
    "export": 4,
    # As the single ones; all events of a request are stored together.
    "bulk_update": 3,
    "bulk_delete": 4,
    # Who asks; find it, lock it, change it, publish, and leave a mail to the worker.
    "resend": 6,
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
