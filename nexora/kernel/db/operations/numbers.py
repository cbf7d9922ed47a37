"""Columns that ranges of decimals are searched in."""

from .base import DatabaseOperation


class ScaledColumns(DatabaseOperation):
    """`<column>_scaled`: a decimal as a whole number of its last place, stored, with an index for ranges of it.

    No comparison of `numeric` is leakproof, so under row-level security none may use an index; those of bigint are.
    The models name the same columns in `scaled`; nexora.kernel.copies has the lookups.

    places   {column: its decimal places}
    """

    def __init__(self, table, places):
        self.table = table
        self.places = places

    def deconstruct(self):
        return self.__class__.__name__, [self.table, self.places], {}

    def describe(self):
        return f"Index ranges of {', '.join(self.places)} in {self.table}"

    def database_forwards(self, app_label, schema_editor, from_state, to_state):
        quote = schema_editor.quote_name
        added = [
            f"ADD COLUMN {quote(f'{name}_scaled')} bigint GENERATED ALWAYS AS "
            f"(({quote(name)} * 1e{places})::bigint) STORED"
            for name, places in self.places.items()
        ]
        schema_editor.execute(f"ALTER TABLE {quote(self.table)} {', '.join(added)}")
        for name in self.places:
            index = f"idx_{self.table}_tenant_id_{name}_scaled_id"
            listed = ", ".join(map(quote, ["tenant_id", f"{name}_scaled", "id"]))
            schema_editor.execute(f"CREATE INDEX {quote(index)} ON {quote(self.table)} ({listed})")

    def database_backwards(self, app_label, schema_editor, from_state, to_state):
        quote = schema_editor.quote_name
        dropped = ", ".join(f"DROP COLUMN {quote(f'{name}_scaled')}" for name in self.places)
        schema_editor.execute(f"ALTER TABLE {quote(self.table)} {dropped}")
