"""Who may do what: the whole of it, on one page. Read by the API and the admin alike (nexora.kernel.permissions).

A cell lists actions; `:own` narrows one to the records that name the person (created_by or assigned_to; a user's own
account or key). Staff of a tenant reach that tenant only; a super_admin acts on the platform host, over all tenants.
A program acts by a key of a person's: as their role, within the key's scopes, and never on what is people's only.
"""

from nexora.kernel.permissions import EVERYBODY, PEOPLE, SIGNED_IN, Policy

VIEW = "view"
OWN = "view create update:own delete:own"
FULL = "view create update delete"
MINE = "view:own delete:own"
KEYS = "view:own create delete:own"
INBOX = "view:own update:own delete:own"

# Addresses that are about no record of the table below.
DOORS = {
    "accounts:token": EVERYBODY,
    "accounts:token-refresh": EVERYBODY,
    "accounts:token-logout": EVERYBODY,
    "accounts:token-logout-all": PEOPLE,
    "accounts:own-password": PEOPLE,
    "accounts:signup": EVERYBODY,
    "accounts:verify-email": EVERYBODY,
    "accounts:verify-email-resend": EVERYBODY,
    "accounts:second-factor": EVERYBODY,
    "accounts:second-factor-confirm": EVERYBODY,
    "accounts:second-factor-codes": EVERYBODY,
    "accounts:second-factor-remove": EVERYBODY,
    "accounts:invitation-accept": EVERYBODY,
    "accounts:password-reset": EVERYBODY,
    "accounts:password-reset-confirm": EVERYBODY,
    "accounts:me": SIGNED_IN,
    "workflows:hook": EVERYBODY,
    "schema": EVERYBODY,
    "docs": EVERYBODY,
}

POLICY = Policy(
    {
        # resource                        guest  user              manager            admin             super_admin
        "tenants.tenant":                 (VIEW, VIEW,             VIEW,              "view update",    FULL),
        "tenants.subscription":           (VIEW, VIEW,             VIEW,              VIEW,             FULL),
        "tenants.domain":                 (VIEW, VIEW,             VIEW,              VIEW,             FULL),
        "accounts.user":                  (VIEW, "view update:own", "view update:own", FULL,            FULL),
        "accounts.invitation":            ("",   "",               "",                FULL,             FULL),
        "accounts.refreshtoken":          (MINE, MINE,             MINE,              "view delete",    "view delete"),
        "accounts.apikey":                ("",   KEYS,             KEYS,              FULL,             "view delete"),
        "accounts.secondfactor":          ("",   "",               "",                VIEW,             VIEW),
        "accounts.notification":         (INBOX, INBOX,            INBOX,             INBOX,            INBOX),
        "accounts.auditevent":            ("",   "",               "",                VIEW,             VIEW),
        "crm.customer":                   (VIEW, OWN,              FULL,              FULL,             FULL),
        "crm.deal":                       (VIEW, OWN,              FULL,              FULL,             FULL),
        "crm.activity":                   (VIEW, OWN,              FULL,              FULL,             FULL),
        "workflows.workflow":             (VIEW, OWN,              FULL,              FULL,             FULL),
        "workflows.workflowversion":      (VIEW, VIEW,             VIEW,              VIEW,             VIEW),
        "workflows.workflowexecution":    (VIEW, "view update:own", "view update",    "view update",    "view update"),
        "workflows.workflowstep":         (VIEW, VIEW,             VIEW,              VIEW,             VIEW),
        "analytics.aiprediction":         (VIEW, VIEW,             VIEW,              VIEW,             VIEW),
        "analytics.aiinsight":            (VIEW, VIEW,             FULL,              FULL,             FULL),
        "analytics.aicreditusage":        (VIEW, VIEW,             VIEW,              VIEW,             VIEW),
        "analytics.revenuebymonth":       (VIEW, VIEW,             VIEW,              VIEW,             VIEW),
        "analytics.revenuebyclosemonth":  (VIEW, VIEW,             VIEW,              VIEW,             VIEW),
        "marketplace.plugin":             (VIEW, VIEW,             VIEW,              VIEW,             FULL),
        "marketplace.plugininstallation": (VIEW, VIEW,             VIEW,              FULL,             FULL),
    },
    doors=DOORS,
    # Who gets in, and as what, is decided by people.
    people_only=("tenants", "accounts"),
)  # fmt: skip
