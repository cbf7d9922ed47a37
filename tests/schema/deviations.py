"""Every way in which a table may differ from the seed's, with its reason. Whatever is not named here must be equal."""

from dataclasses import replace

from .catalog import Column, ForeignKey

# "timestamptz for TIMESTAMP": a moment, whatever the zone of the session that reads it.
TYPES = {"timestamp without time zone": "timestamp with time zone"}

# SQL and COPY inside a scope need not name the tenant.
TENANT_DEFAULT = "current_tenant()"

# A hash-partitioned table's key must hold the partition key.
PRIMARY_KEYS = {"activities": ("tenant_id", "id")}

# "A tenant_id column in all tables", says the seed, and leaves it out of its own refresh_tokens.
# A session that nobody says more of is the API's.
# Numbers that count have a database default to count from.
NOT_NULL_ADDITIONS = {
    ("refresh_tokens", "tenant_id"),
    ("refresh_tokens", "kind"),
    ("workflows", "version"),
    ("workflows", "runs_per_minute"),
    ("workflows", "secret_serial"),
    ("workflow_executions", "attempt"),
    ("workflow_executions", "depth"),
}

# Checks of ours beside the seed's.
CHECKS = {
    "users": {"users_super_admin_platform_check"},
    "refresh_tokens": {"refresh_tokens_kind_check"},
    "workflows": {"workflows_runs_per_minute_check"},
    "workflow_executions": {"workflow_executions_depth_check"},
}

# Keys of ours: what may start a workflow only once, and what a run keeps to and comes from.
UNIQUE_KEYS = {"workflow_executions": {("tenant_id", "workflow_id", "trigger_key")}}
FOREIGN_KEYS = {
    "workflow_executions": {
        ("tenant_id", "version_id"),
        ("tenant_id", "owner_id"),
        ("tenant_id", "parent_id"),
        ("tenant_id", "retry_of_id"),
    }
}

# Seed tables that are no tenant's own rows: their keys stay one column wide.
GLOBAL_TARGETS = {"tenants", "plugins"}
GLOBAL_TABLES = {"plugins"}


def column(name, seeds):
    """The seed's column as it should be here."""
    wanted = replace(seeds, type=TYPES.get(seeds.type, seeds.type))
    return replace(wanted, default=TENANT_DEFAULT) if name == "tenant_id" else wanted


def is_allowed_addition(table, name, ours: Column):
    """Rows written by SQL that knows only the seed's columns still go in."""
    return ours.nullable or ours.default is not None


def foreign_key(table, seeds: ForeignKey):
    """The seed's key with tenant_id added on both sides, so that no row points into another tenant."""
    if table in GLOBAL_TABLES or seeds.target in GLOBAL_TARGETS:
        return seeds
    return replace(seeds, columns=("tenant_id", *seeds.columns), target_columns=("tenant_id", *seeds.target_columns))
