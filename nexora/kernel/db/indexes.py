from django.db import models


class SeedIndex(models.Index):
    """An index whose name may have PostgreSQL's 63 characters; Django's own cap of 30 is Oracle's."""

    max_name_length = 63


def newest_first(table, column="created_at"):
    """Serves `WHERE tenant_id = … ORDER BY <column> DESC NULLS LAST, id DESC`: the order of every list."""
    return SeedIndex(
        "tenant",
        models.F(column).desc(nulls_last=True),
        models.F("id").desc(),
        name=f"idx_{table}_tenant_id_{column}_id",
    )


def few_values(table, column, newest="created_at"):
    """Serves a list narrowed to one of a few values: its rows stand in the order in which the list shows them."""
    return SeedIndex(
        "tenant",
        models.F(column),
        models.F(newest).desc(nulls_last=True),
        models.F("id").desc(),
        name=f"idx_{table}_tenant_id_{column}_{newest}_id",
    )


def ranged(table, column):
    """Serves ranges of a moment, day or number, and the order by it in both directions."""
    return SeedIndex(fields=["tenant", column, "id"], name=f"idx_{table}_tenant_id_{column}_id")


def looked_up(table, column):
    """Serves equality on a column of many values."""
    return SeedIndex(fields=["tenant", column], name=f"idx_{table}_tenant_id_{column}")


def tenant_id_key(table):
    """`UNIQUE (tenant_id, id)`: the target of composite foreign keys to this table."""
    return models.UniqueConstraint(fields=["tenant", "id"], name=f"{table}_tenant_id_id_key")
