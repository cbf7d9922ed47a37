"""Columns that prefixes are searched in."""

from .base import DatabaseOperation


class SearchColumns(DatabaseOperation):
    """`<column>_folded`: `lower(<column>)`, stored and sorted by code point, with an index for ranges of it.

    LIKE, lower() and upper() may tell what they see, so under row-level security PostgreSQL keeps them away from an
    index until the policy has looked at each row; comparisons of a stored column may use one. The models name the same
    columns in `searched`; nexora.kernel.search has the lookup.

    tenant   the column that the index begins with; None for a table that all tenants share
    """

    def __init__(self, table, columns, *, tenant="tenant_id"):
        self.table = table
        self.columns = columns
        self.tenant = tenant

    def deconstruct(self):
        return self.__class__.__name__, [self.table, self.columns], {"tenant": self.tenant}

    def describe(self):
        return f"Index prefixes of {', '.join(self.columns)} in {self.table}"

    def database_forwards(self, app_label, schema_editor, from_state, to_state):
        quote = schema_editor.quote_name
        added = [
            f'ADD COLUMN {quote(f"{name}_folded")} text COLLATE "C" GENERATED ALWAYS AS (lower({quote(name)})) STORED'
            for name in self.columns
        ]
        # One statement, so that the table is rewritten once.
        schema_editor.execute(f"ALTER TABLE {quote(self.table)} {', '.join(added)}")
        for name in self.columns:
            key = [self.tenant] if self.tenant else []
            index = "_".join(["idx", self.table, *key, name, "folded"])
            listed = ", ".join(map(quote, [*key, f"{name}_folded"]))
            schema_editor.execute(f"CREATE INDEX {quote(index)} ON {quote(self.table)} ({listed})")

    def database_backwards(self, app_label, schema_editor, from_state, to_state):
        quote = schema_editor.quote_name
        dropped = ", ".join(f"DROP COLUMN {quote(f'{name}_folded')}" for name in self.columns)
        schema_editor.execute(f"ALTER TABLE {quote(self.table)} {dropped}")
