"""SQL functions."""

from pathlib import Path

from .base import DatabaseOperation, roles


class CurrentTenantFunction(DatabaseOperation):
    """`current_tenant()`: one inlinable STABLE expression, which is what lets PostgreSQL prune partitions by it."""

    def describe(self):
        return "Create current_tenant()"

    def database_forwards(self, app_label, schema_editor, from_state, to_state):
        schema_editor.execute(
            "CREATE FUNCTION current_tenant() RETURNS uuid LANGUAGE sql STABLE PARALLEL SAFE "
            "RETURN nullif(current_setting('nexora.tenant_id', true), '')::uuid"
        )

    def database_backwards(self, app_label, schema_editor, from_state, to_state):
        schema_editor.execute("DROP FUNCTION current_tenant()")


class OwnerFunction(DatabaseOperation):
    """A SECURITY DEFINER function: what the runtime must do with the owner's rights, and nothing else of them.

    signature  name and argument types, as DROP FUNCTION takes them
    source     path of the `.sql` file with its CREATE FUNCTION
    """

    def __init__(self, signature, *, source):
        self.signature = signature
        self.source = source

    def deconstruct(self):
        return self.__class__.__name__, [self.signature], {"source": self.source}

    def describe(self):
        return f"Create {self.signature}"

    def database_forwards(self, app_label, schema_editor, from_state, to_state):
        _, runtime, platform = roles()
        schema_editor.execute(Path(self.source).read_text(), params=None)
        schema_editor.execute(f"REVOKE ALL ON FUNCTION {self.signature} FROM PUBLIC")
        schema_editor.execute(f"GRANT EXECUTE ON FUNCTION {self.signature} TO {runtime}, {platform}")

    def database_backwards(self, app_label, schema_editor, from_state, to_state):
        schema_editor.execute(f"DROP FUNCTION {self.signature}")


class NewOwnerFunction(OwnerFunction):
    """The next version of an OwnerFunction; `instead_of` is the path of the one before."""

    def __init__(self, signature, *, source, instead_of):
        super().__init__(signature, source=source)
        self.instead_of = instead_of

    def deconstruct(self):
        name, args, kwargs = super().deconstruct()
        return name, args, kwargs | {"instead_of": self.instead_of}

    def describe(self):
        return f"Replace {self.signature}"

    def database_forwards(self, app_label, schema_editor, from_state, to_state):
        super().database_backwards(app_label, schema_editor, from_state, to_state)
        super().database_forwards(app_label, schema_editor, from_state, to_state)

    def database_backwards(self, app_label, schema_editor, from_state, to_state):
        super().database_backwards(app_label, schema_editor, from_state, to_state)
        before = OwnerFunction(self.signature, source=self.instead_of)
        before.database_forwards(app_label, schema_editor, from_state, to_state)
