"""What PostgreSQL's catalogue says about the tables of one schema, and the seed's own schema to compare it with."""

import re
from dataclasses import dataclass, field
from pathlib import Path

SEED = (Path(__file__).parent / "seed.sql").read_text()
STATEMENTS = [statement.strip() for statement in SEED.split(";") if statement.strip()]


def statements(beginning):
    """The seed's statements that begin so, comments aside."""
    bare = [re.sub(r"^(--[^\n]*\n|\s)+", "", statement) for statement in STATEMENTS]
    return [statement for statement in bare if statement.startswith(beginning)]


# PostgreSQL refuses it; a test of its own says why.
PARTITIONED = next(s for s in statements("CREATE TABLE") if "activities_partitioned" in s)
TABLES = [
    re.match(r"CREATE TABLE (\w+)", statement)[1]
    for statement in statements("CREATE TABLE")
    if statement != PARTITIONED
]


@dataclass(frozen=True)
class Column:
    type: str
    nullable: bool
    default: str | None
    generated: bool = False


@dataclass(frozen=True)
class ForeignKey:
    columns: tuple
    target: str
    target_columns: tuple
    on_delete: str


@dataclass
class Table:
    columns: dict = field(default_factory=dict)
    checks: dict = field(default_factory=dict)
    foreign_keys: dict = field(default_factory=dict)
    unique_keys: dict = field(default_factory=dict)
    primary_key: tuple = ()
    indexes: dict = field(default_factory=dict)


ON_DELETE = {"a": "NO ACTION", "r": "RESTRICT", "c": "CASCADE", "n": "SET NULL", "d": "SET DEFAULT"}


def build_seed(cursor, schema):
    """Run the seed's own DDL in a schema of its own. It lists users before the tenants they point at."""
    cursor.execute(f"CREATE SCHEMA {schema}")
    cursor.execute(f"SET LOCAL search_path = {schema}")
    tables = [s for s in statements("CREATE TABLE") if s != PARTITIONED]
    tables.sort(key=lambda s: not s.startswith("CREATE TABLE tenants"))
    views = statements("CREATE MATERIALIZED VIEW")
    indexes = statements("CREATE INDEX")
    for statement in [*tables, *views, *indexes]:
        cursor.execute(statement)
    cursor.execute("SET LOCAL search_path = public")


def read(cursor, schema):
    """{name: Table} of the tables and materialized views of `schema`, partitions aside."""

    def rows(query):
        cursor.execute(query, [schema])
        return cursor.fetchall()

    found = {}
    relations = (
        "FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace {} "
        "WHERE n.nspname = %s AND c.relkind IN ('r', 'p', 'm') AND NOT c.relispartition {}"
    )
    for table, name, type_, not_null, default, generated in rows(
        "SELECT c.relname, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull, "
        "pg_get_expr(d.adbin, d.adrelid), a.attgenerated <> '' "
        + relations.format(
            "JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped "
            "LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum",
            "ORDER BY c.relname, a.attnum",
        )
    ):
        found.setdefault(table, Table()).columns[name] = Column(type_, not not_null, default, generated)
    names = (
        "(SELECT array_agg(a.attname::text ORDER BY p.place) FROM unnest({keys}) WITH ORDINALITY p(attnum, place) "
        "JOIN pg_attribute a ON a.attrelid = {table} AND a.attnum = p.attnum)"
    )
    for table, name, kind, columns, target, target_columns, on_delete, definition in rows(
        f"SELECT c.relname, k.conname, k.contype::text, {names.format(keys='k.conkey', table='k.conrelid')}, "
        f"t.relname, {names.format(keys='k.confkey', table='k.confrelid')}, k.confdeltype::text, "
        "pg_get_constraintdef(k.oid) "
        + relations.format(
            "JOIN pg_constraint k ON k.conrelid = c.oid LEFT JOIN pg_class t ON t.oid = k.confrelid",
            "AND k.conparentid = 0 ORDER BY k.conname",
        )
    ):
        columns = tuple(columns or ())
        if kind == "c":
            found[table].checks[name] = definition
        elif kind == "f":
            found[table].foreign_keys[name] = ForeignKey(columns, target, tuple(target_columns), ON_DELETE[on_delete])
        elif kind == "u":
            found[table].unique_keys[name] = columns
        elif kind == "p":
            found[table].primary_key = columns
    for table, name, columns in rows(
        "SELECT c.relname, i.relname, (SELECT array_agg(pg_get_indexdef(x.indexrelid, k, true) ORDER BY k) "
        "FROM generate_series(1, x.indnkeyatts) k) "
        + relations.format(
            "JOIN pg_index x ON x.indrelid = c.oid JOIN pg_class i ON i.oid = x.indexrelid", "ORDER BY i.relname"
        )
    ):
        found[table].indexes[name] = tuple(columns)
    return found
