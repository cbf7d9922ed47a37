"""Copies of columns, stored because an index may answer for them under row-level security.

PostgreSQL lets only operators that tell nothing of what they see near an index before the policy has looked at each
row. Comparisons of text, whole numbers and moments are such; LIKE and lower() are not, and neither is any comparison of
`numeric`. A model therefore names

    searched    text columns, with `<column>_folded`: lower case, sorted by code point (operations.SearchColumns)
    scaled      decimals, with `<column>_scaled`: whole numbers of their last decimal place (operations.ScaledColumns)
    elements    {array: how many of its first elements have an index}, with `<column>_more`: whether there are others
                (operations.ArrayElements)

and the lookups here add to a condition on such a column what follows from it for the copy. The condition itself stays,
so that a copy only ever narrows what is read.
"""

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.fields.array import ArrayContains
from django.db import models
from django.db.models import lookups
from django.db.models.expressions import Col, Expression, ExpressionList

from nexora.kernel.statements import Slot

# Bounds of bigint, a little inside: a filter may ask for 1e50.
MOST = 9 * 10**18


def folded(column):
    return f"{column}_folded"


def scaled(column):
    return f"{column}_scaled"


def more(column):
    return f"{column}_more"


def copy_of(lhs, compiler):
    """The copy of the column that a lookup is about, as SQL; None where it has none."""
    if not isinstance(lhs, Col) or not lhs.alias:
        return None
    field, model = lhs.target, lhs.target.model
    if field.name in getattr(model, "searched", ()):
        name = folded(field.column)
    elif field.name in getattr(model, "scaled", ()):
        name = scaled(field.column)
    elif field.name in getattr(model, "elements", ()):
        name = more(field.column)
    else:
        return None
    return f"{compiler.quote_name(lhs.alias)}.{compiler.connection.ops.quote_name(name)}"


class Copy(Expression):
    """The copy of a column, to order by: `Copy("name")`. NULL where the column is."""

    def __init__(self, name):
        super().__init__(output_field=models.TextField())
        self.column = models.F(name) if isinstance(name, str) else name

    def get_source_expressions(self):
        return [self.column]

    def set_source_expressions(self, expressions):
        (self.column,) = expressions

    def as_sql(self, compiler, connection):
        return copy_of(self.column, compiler), ()


def is_value(rhs):
    """Whether what a lookup compares with is one value: an expression may be NULL, or another one each time."""
    return isinstance(rhs, Slot) or not hasattr(rhs, "resolve_expression")


class Implied:
    """Adds to a lookup what `implied` answers: SQL and parameters about the copy."""

    def as_sql(self, compiler, connection):
        return self.narrowed(*super().as_sql(compiler, connection), compiler, connection)

    def narrowed(self, sql, params, compiler, connection):
        copy = copy_of(self.lhs, compiler)
        if copy is None or not self.takes_copy():
            return sql, params
        implied, values = self.implied(copy, compiler, connection)
        return f"({sql} AND {implied})", (*params, *values)

    def takes_copy(self):
        return True


# -- Text


@models.CharField.register_lookup
@models.TextField.register_lookup
class TextExact(Implied, lookups.Exact):
    def takes_copy(self):
        return is_value(self.rhs)

    def implied(self, copy, compiler, connection):
        rhs, params = self.process_rhs(compiler, connection)
        # Folded by the database on both sides: Python's lower() differs from it in some letters.
        return f"{copy} = lower({rhs})", params


@models.CharField.register_lookup
@models.TextField.register_lookup
class TextIn(Implied, lookups.In):
    def takes_copy(self):
        return self.rhs_is_direct_value() or isinstance(self.rhs, ExpressionList)

    def implied(self, copy, compiler, connection):
        rhs, params = self.process_rhs(compiler, connection)
        folded_values = ", ".join(["lower(%s)"] * len(params))
        # An expression among the values may be anything: then nothing follows for the copy.
        if set(rhs) - set("(%s, )"):
            return "TRUE", ()
        return f"{copy} IN ({folded_values})", params


# -- Decimals


class OfScaled(Implied):
    """`value >= 12.5` implies `value_scaled >= floor(1250)`: rounded away from what is asked, whatever its places."""

    def takes_copy(self):
        return is_value(self.rhs)

    def implied(self, copy, compiler, connection):
        rhs, params = self.process_rhs(compiler, connection)
        places = self.lhs.target.decimal_places
        bounded = f"greatest(least({rhs}::numeric * 1e{places}, {MOST}), -{MOST})"
        return f"{copy} {self.sign} {self.rounded}({bounded})::bigint", params


def _of_scaled(base, sign, rounded):
    made = type(base.__name__, (OfScaled, base), {"sign": sign, "rounded": rounded, "__module__": __name__})
    return models.DecimalField.register_lookup(made)


_of_scaled(lookups.Exact, "=", "floor")
_of_scaled(lookups.GreaterThan, ">=", "floor")
_of_scaled(lookups.GreaterThanOrEqual, ">=", "floor")
_of_scaled(lookups.LessThan, "<=", "ceil")
_of_scaled(lookups.LessThanOrEqual, "<=", "ceil")


# -- Arrays


@ArrayField.register_lookup
class HasAll(Implied, ArrayContains):
    """`tags @> {a, b}` implies that one of the elements is `a`, one of the first or one of the others."""

    def __init__(self, lhs, rhs):
        # Each costs the planner some time, and the rarest is likely among so many.
        self.asked = [value for value in rhs if isinstance(value, str)][:3] if isinstance(rhs, (list, tuple)) else []
        super().__init__(lhs, rhs)

    def as_postgresql(self, compiler, connection):
        return self.narrowed(*super().as_postgresql(compiler, connection), compiler, connection)

    def takes_copy(self):
        return bool(self.asked)

    def implied(self, copy, compiler, connection):
        lhs, _ = self.process_lhs(compiler, connection)
        first = self.lhs.target.model.elements[self.lhs.target.name]
        one = " OR ".join([copy, *(f"{lhs}[{number}] = %s" for number in range(1, first + 1))])
        return " AND ".join([f"({one})"] * len(self.asked)), [value for value in self.asked for _ in range(first)]


# -- All


@ArrayField.register_lookup
@models.CharField.register_lookup
@models.TextField.register_lookup
@models.DecimalField.register_lookup
class CopyIsNull(Implied, lookups.IsNull):
    def implied(self, copy, compiler, connection):
        return f"{copy} IS {'NULL' if self.rhs else 'NOT NULL'}", ()
