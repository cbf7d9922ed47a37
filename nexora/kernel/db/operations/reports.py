"""Materialized views that tenants may read."""

from .base import DatabaseOperation, roles


class TenantReport(DatabaseOperation):
    """A materialized view with a tenant_id column, and the view through which a tenant reads its own rows.

    A materialized view ignores row-level security, so the runtime has no right on it; it reads `tenant_<name>`, a
    security-barrier view that adds `tenant_id = current_tenant()`, or, inside `unscoped()`, every row.

    name     the materialized view
    query    its SELECT; has columns tenant_id and those of `key`
    key      columns that are unique together: needed to refresh concurrently, and the source of the view's `id`
    indexes  {index name: columns} beside the unique one
    """

    def __init__(self, name, *, query, key, indexes=None):
        self.name = name
        self.query = query
        self.key = key
        self.indexes = indexes or {}

    def deconstruct(self):
        return self.__class__.__name__, [self.name], {"query": self.query, "key": self.key, "indexes": self.indexes}

    def describe(self):
        return f"Create materialized view {self.name}"

    def database_forwards(self, app_label, schema_editor, from_state, to_state):
        _, runtime, platform = roles()
        run, name = schema_editor.execute, self.name
        run(f"CREATE MATERIALIZED VIEW {name} AS {self.query}", params=None)
        run(f"CREATE UNIQUE INDEX {name}_{'_'.join(self.key)}_key ON {name} ({', '.join(self.key)})")
        for index, columns in self.indexes.items():
            run(f"CREATE INDEX {index} ON {name} ({columns})")
        run(f"REVOKE ALL ON {name} FROM PUBLIC, {runtime}, {platform}")
        identity = (
            "md5(concat_ws('/', "
            + ", ".join(f"extract(epoch FROM {c})" if c == "month" else c for c in self.key)
            + "))::uuid"
        )
        # The second branch is a constant for its session: PostgreSQL skips it whole when it is false, and the first
        # keeps its index, which `OR` would take from it.
        run(
            f"CREATE VIEW tenant_{name} WITH (security_barrier) AS "
            f"SELECT {identity} AS id, r.* FROM {name} r WHERE r.tenant_id = current_tenant() "
            f"UNION ALL SELECT {identity} AS id, r.* FROM {name} r "
            f"WHERE current_tenant() IS NULL AND current_setting('role') = {platform_literal(platform)}",
            params=None,
        )
        run(f"GRANT SELECT ON tenant_{name} TO {runtime}, {platform}")

    def database_backwards(self, app_label, schema_editor, from_state, to_state):
        schema_editor.execute(f"DROP VIEW tenant_{self.name}")
        schema_editor.execute(f"DROP MATERIALIZED VIEW {self.name}")


def platform_literal(quoted_role):
    return "'" + quoted_role.strip('"').replace("'", "''") + "'"
