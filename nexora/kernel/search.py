"""`name__begins="ada"`: the rows whose column begins with these letters, whatever their case, out of an index.

A model names such columns in `searched`; a migration makes them (nexora.kernel.db.operations.SearchColumns).
"""

from django.db import models
from django.db.models.lookups import IStartsWith, Lookup

# Sorts after whatever may follow a prefix.
LAST_LETTER = "\U0010ffff"


def folded(column):
    return f"{column}_folded"


@models.CharField.register_lookup
@models.TextField.register_lookup
class Begins(Lookup):
    """Bounds of the stored column where the model has one, else Django's istartswith."""

    lookup_name = "begins"

    def as_sql(self, compiler, connection):
        target = getattr(self.lhs, "target", None)
        if target is None or target.name not in getattr(target.model, "searched", ()):
            return compiler.compile(IStartsWith(self.lhs, self.rhs))
        quote = connection.ops.quote_name
        column = f"{compiler.quote_name(self.lhs.alias)}.{quote(folded(target.column))}"
        rhs, params = self.process_rhs(compiler, connection)
        # Folded by the database on both sides: Python's lower() differs from it in some letters.
        sql = f"({column} >= lower({rhs}) AND {column} < lower({rhs}) || %s)"
        return sql, (*params, *params, LAST_LETTER)
