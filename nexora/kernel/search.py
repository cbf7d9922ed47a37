"""`name__begins="ada"`: the rows whose column begins with these letters, whatever their case, out of an index.

A model names such columns in `searched`; a migration makes them (nexora.kernel.db.operations.SearchColumns).
"""

from django.db import models
from django.db.models.lookups import IStartsWith, Lookup

from nexora.kernel.copies import copy_of, folded

__all__ = ["Begins", "folded"]

# Sorts after whatever may follow a prefix.
LAST_LETTER = "\U0010ffff"


@models.CharField.register_lookup
@models.TextField.register_lookup
class Begins(Lookup):
    """Bounds of the stored column where the model has one, else Django's istartswith."""

    lookup_name = "begins"

    def as_sql(self, compiler, connection):
        column = copy_of(self.lhs, compiler)
        if column is None:
            return compiler.compile(IStartsWith(self.lhs, self.rhs))
        rhs, params = self.process_rhs(compiler, connection)
        # Folded by the database on both sides: Python's lower() differs from it in some letters.
        sql = f"({column} >= lower({rhs}) AND {column} < lower({rhs}) || %s)"
        return sql, (*params, *params, LAST_LETTER)
