"""Elements that arrays are searched for."""

from .base import DatabaseOperation


class ArrayElements(DatabaseOperation):
    """An index for each of an array's first elements, and `<column>_more`: whether there are others.

    No operator on arrays is leakproof, so under row-level security none may use an index; reading an element and
    comparing it are. The models name the same columns in `elements`; nexora.kernel.copies has the lookups.

    first   how many elements have an index; in arrays that are longer, have more dimensions or do not begin with 1, the
            others may be anything, and `<column>_more` is true. It is NULL where the array is.
    """

    def __init__(self, table, column, *, first, newest="created_at"):
        self.table = table
        self.column = column
        self.first = first
        self.newest = newest

    def deconstruct(self):
        return self.__class__.__name__, [self.table, self.column], {"first": self.first, "newest": self.newest}

    def describe(self):
        return f"Index the elements of {self.column} in {self.table}"

    def _indexes(self, quote):
        """{name: definition}"""
        column, more = quote(self.column), quote(f"{self.column}_more")
        # Those who have none, newest first, and those with others, of whom there are few.
        others = f'"tenant_id", {more}, {quote(self.newest)} DESC NULLS LAST, "id" DESC'
        return {
            f"{self.column}_more_{self.newest}_id": f"({others}) WHERE {more} OR {more} IS NULL",
            **{
                f"{self.column}_{number}": f'("tenant_id", ({column}[{number}])) WHERE {column}[{number}] IS NOT NULL'
                for number in range(1, self.first + 1)
            },
        }

    def database_forwards(self, app_label, schema_editor, from_state, to_state):
        quote = schema_editor.quote_name
        table, column = quote(self.table), quote(self.column)
        others = f"cardinality({column}) > {self.first} OR array_ndims({column}) > 1 OR array_lower({column}, 1) <> 1"
        schema_editor.execute(
            f"ALTER TABLE {table} ADD COLUMN {quote(f'{self.column}_more')} boolean "
            f"GENERATED ALWAYS AS (CASE WHEN {column} IS NOT NULL THEN coalesce({others}, false) END) STORED"
        )
        for name, definition in self._indexes(quote).items():
            schema_editor.execute(f"CREATE INDEX {quote(f'idx_{self.table}_tenant_id_{name}')} ON {table} {definition}")

    def database_backwards(self, app_label, schema_editor, from_state, to_state):
        quote = schema_editor.quote_name
        for name in self._indexes(quote):
            schema_editor.execute(f"DROP INDEX {quote(f'idx_{self.table}_tenant_id_{name}')}")
        schema_editor.execute(f"ALTER TABLE {quote(self.table)} DROP COLUMN {quote(f'{self.column}_more')}")
