"""Row-level security and rights."""

from .base import DatabaseOperation, roles

CRUD = "SELECT, INSERT, UPDATE, DELETE"


class ProtectTable(DatabaseOperation):
    """Forced row-level security, three policies and the rights for one tenant table.

    table     its name; its partitions, if any, get forced row-level security without a policy and no rights at all
    visible   which rows the runtime sees and may write
    runtime   what the runtime role may do with them: only what the product does (the audit trail has no UPDATE)
    platform  what `unscoped()` may do, with the rows of every tenant
    """

    def __init__(self, table, *, visible="tenant_id = current_tenant()", runtime=CRUD, platform=CRUD):
        self.table = table
        self.visible = visible
        self.runtime = runtime
        self.platform = platform

    def deconstruct(self):
        kwargs = {"visible": self.visible, "runtime": self.runtime, "platform": self.platform}
        return self.__class__.__name__, [self.table], kwargs

    def describe(self):
        return f"Protect {self.table} with row-level security"

    def _partitions(self, schema_editor):
        if schema_editor.collect_sql:
            return []
        with schema_editor.connection.cursor() as cursor:
            cursor.execute(
                "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = %s::regclass", [self.table]
            )
            return [name for (name,) in cursor.fetchall()]

    def database_forwards(self, app_label, schema_editor, from_state, to_state):
        owner, runtime, platform = roles()
        table = schema_editor.quote_name(self.table)
        run = schema_editor.execute
        run(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        run(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
        run(f"CREATE POLICY tenant_rows ON {table} TO {runtime} USING ({self.visible}) WITH CHECK ({self.visible})")
        run(f"CREATE POLICY platform_rows ON {table} TO {platform} USING (true) WITH CHECK (true)")
        # Without it, FORCE hides every row from the owner and REFRESH MATERIALIZED VIEW sees an empty table.
        run(f"CREATE POLICY owner_rows ON {table} TO {owner} USING (true) WITH CHECK (true)")
        run(f"GRANT {self.runtime} ON {table} TO {runtime}")
        run(f"GRANT {self.platform} ON {table} TO {platform}")
        for partition in self._partitions(schema_editor):
            # A partition read directly does not ask its parent's policy.
            run(f"ALTER TABLE {partition} ENABLE ROW LEVEL SECURITY")
            run(f"ALTER TABLE {partition} FORCE ROW LEVEL SECURITY")
            run(f"REVOKE ALL ON {partition} FROM PUBLIC, {runtime}, {platform}")

    def database_backwards(self, app_label, schema_editor, from_state, to_state):
        _, runtime, platform = roles()
        table = schema_editor.quote_name(self.table)
        run = schema_editor.execute
        for partition in self._partitions(schema_editor):
            run(f"ALTER TABLE {partition} NO FORCE ROW LEVEL SECURITY")
            run(f"ALTER TABLE {partition} DISABLE ROW LEVEL SECURITY")
        run(f"REVOKE ALL ON {table} FROM {runtime}, {platform}")
        for policy in ("tenant_rows", "platform_rows", "owner_rows"):
            run(f"DROP POLICY {policy} ON {table}")
        run(f"ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY")
        run(f"ALTER TABLE {table} DISABLE ROW LEVEL SECURITY")


class Grant(DatabaseOperation):
    """Rights, each by name, on tables, sequences or views that hold no tenant's rows.

    to   "runtime", "platform", or both
    """

    def __init__(self, rights, *, on, to=("runtime", "platform")):
        self.rights = rights
        self.on = on
        self.to = to

    def deconstruct(self):
        return self.__class__.__name__, [self.rights], {"on": self.on, "to": self.to}

    def describe(self):
        return f"Grant {self.rights} on {', '.join(self.on)}"

    def _grantees(self):
        _, runtime, platform = roles()
        return ", ".join({"runtime": runtime, "platform": platform}[name] for name in self.to)

    def database_forwards(self, app_label, schema_editor, from_state, to_state):
        schema_editor.execute(f"GRANT {self.rights} ON {', '.join(self.on)} TO {self._grantees()}")

    def database_backwards(self, app_label, schema_editor, from_state, to_state):
        schema_editor.execute(f"REVOKE {self.rights} ON {', '.join(self.on)} FROM {self._grantees()}")
