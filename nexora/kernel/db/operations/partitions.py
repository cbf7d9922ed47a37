"""Hash partitions."""

from .base import DatabaseOperation


class HashPartitions(DatabaseOperation):
    """Turn a plain table into one hash-partitioned by tenant_id, keeping rows, defaults, checks, indexes and keys.

    The seed's own `CREATE TABLE … (LIKE activities INCLUDING ALL) PARTITION BY HASH (tenant_id)` is refused by
    PostgreSQL, because a partitioned table's primary key must hold the partition key: here it becomes (tenant_id, id).
    Nothing may point at the table. Partitions are named <table>_p00 … ; run ProtectTable afterwards.
    """

    def __init__(self, table, *, modulus):
        self.table = table
        self.modulus = modulus

    def deconstruct(self):
        return self.__class__.__name__, [self.table], {"modulus": self.modulus}

    def describe(self):
        return f"Partition {self.table} into {self.modulus} by hash of tenant_id"

    def database_forwards(self, app_label, schema_editor, from_state, to_state):
        run = schema_editor.execute
        children = [
            f"CREATE TABLE {self.table}_p{n:02} PARTITION OF {self.table} "
            f"FOR VALUES WITH (MODULUS {self.modulus}, REMAINDER {n})"
            for n in range(self.modulus)
        ]
        self._rebuild(schema_editor, "PARTITION BY HASH (tenant_id)", children, "PRIMARY KEY (tenant_id, id)")
        run(f"COMMENT ON TABLE {self.table} IS 'hash-partitioned by tenant_id, modulus {self.modulus}'")

    def database_backwards(self, app_label, schema_editor, from_state, to_state):
        self._rebuild(schema_editor, "", [], "PRIMARY KEY (id)")

    def _rebuild(self, schema_editor, partition_by, children, primary_key):
        """A new table of the same shape, filled from the old one, which is dropped."""
        run = schema_editor.execute
        table, old = self.table, f"{self.table}_before_partitions"
        with schema_editor.connection.cursor() as cursor:
            cursor.execute(
                "SELECT pg_get_indexdef(indexrelid) FROM pg_index WHERE indrelid = %s::regclass AND NOT indisprimary "
                "AND NOT EXISTS (SELECT 1 FROM pg_constraint WHERE conindid = indexrelid) ORDER BY indexrelid",
                [table],
            )
            # The definition of a partitioned table's index says ON ONLY, which would leave the partitions without it.
            indexes = [definition.replace(" ON ONLY ", " ON ") for (definition,) in cursor.fetchall()]
            cursor.execute(
                "SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint "
                "WHERE conrelid = %s::regclass AND contype IN ('f', 'u') AND conparentid = 0 ORDER BY oid",
                [table],
            )
            constraints = cursor.fetchall()
            cursor.execute(
                "SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum) FROM pg_attribute "
                "WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped AND attgenerated = ''",
                [table],
            )
            (columns,) = cursor.fetchone()
        run(f"ALTER TABLE {table} RENAME TO {old}")
        run(
            f"CREATE TABLE {table} (LIKE {old} INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING GENERATED "
            f"INCLUDING COMMENTS INCLUDING STORAGE) {partition_by}"
        )
        for child in children:
            run(child)
        run(f"INSERT INTO {table} ({columns}) SELECT {columns} FROM {old}")
        # Dropped first: index and constraint names are taken until then.
        run(f"DROP TABLE {old}")
        run(f"ALTER TABLE {table} ADD CONSTRAINT {table}_pkey {primary_key}")
        for definition in indexes:
            run(definition.replace(f" ON public.{old} ", f" ON public.{table} "), params=None)
        for name, definition in constraints:
            run(f"ALTER TABLE {table} ADD CONSTRAINT {schema_editor.quote_name(name)} {definition}", params=None)
