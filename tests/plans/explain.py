"""What PostgreSQL did for a request: its statements, run once more under EXPLAIN by whoever ran them."""

from contextlib import contextmanager

from django.db import connection

from .crowd import is_large

SCANS = ("Seq Scan", "Index Scan", "Index Only Scan", "Bitmap Heap Scan")
ENTRIES = ("Index Scan", "Index Only Scan", "Bitmap Index Scan")


@contextmanager
def explained():
    """[(statement, its plan)] of every query inside, in the scope and role of each."""
    found, explaining = [], False

    def explain(execute, sql, params, many, context):
        nonlocal explaining
        if not explaining and sql.lstrip().upper().startswith(("SELECT", "WITH")):
            explaining = True
            try:
                with connection.cursor() as cursor:
                    cursor.execute(f"EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) {sql}", params)
                    found.append((sql, cursor.fetchone()[0][0]["Plan"]))
            finally:
                explaining = False
        return execute(sql, params, many, context)

    with connection.execute_wrapper(explain):
        yield found


def nodes(plan):
    yield plan
    for child in plan.get("Plans", ()):
        yield from nodes(child)


def complaints(plan, most):
    """What of a plan grows with the tenant: sentences. `most` is how many rows may be read or sorted."""
    for node in nodes(plan):
        kind, table = node["Node Type"], node.get("Relation Name", "")
        if kind == "Seq Scan" and is_large(table) and rows_read(node):  # an empty partition is nothing to walk
            yield f"{table} is read from end to end."
        if kind in SCANS and is_large(table) and (rows := rows_read(node)) > most:
            yield f"{rows:.0f} rows of {table} are read: {kind} {node.get('Index Name', '')} {node.get('Filter', '')}"
        if kind in ENTRIES and begins_with_tenant(node["Index Name"]):
            condition = node.get("Index Cond")
            if condition and "tenant_id" not in condition:
                yield f"{node['Index Name']} is entered in its middle: {condition}"
        if kind == "Sort" and (rows := sum(produced(child) for child in node["Plans"])) > most:
            yield f"{rows:.0f} rows are sorted by {node['Sort Key']}."


def begins_with_tenant(index):
    """By its name. Of the primary keys only that of the partitioned table does."""
    return "_tenant_id_" in index or (index.startswith("activities_p") and index.endswith("_pkey"))


def rows_read(node):
    dropped = sum(node.get(f"Rows Removed by {why}", 0) for why in ("Filter", "Index Recheck"))
    return (node["Actual Rows"] + dropped) * node["Actual Loops"]


def produced(node):
    return node["Actual Rows"] * node["Actual Loops"]


def reads(plan, column):
    """Whether an index is entered by `column`."""
    return any(column in node.get("Index Cond", "") for node in nodes(plan))
