"""SQL that the ORM writes once for each shape of query, and that is filled with values whenever it is sent.

Writing SQL costs the ORM more than it costs PostgreSQL to answer. Whatever changes the SQL belongs into the key of a
statement; what changes only its values is a slot. The tenant is a slot of every statement about a tenant's rows: one
that lacks it raises when it is made, so none can be kept that looks at another tenant's. The session's scope is set as
for any other statement: see nexora.kernel.db.backend.
"""

from types import SimpleNamespace

from django.contrib.postgres.fields import ArrayField
from django.db import connections
from django.db.models import BooleanField, Expression, F, Func
from django.db.models.expressions import DatabaseDefault
from django.db.models.query import get_related_populators
from django.db.models.sql import InsertQuery, UpdateQuery

from nexora.kernel import scope

MOST_SHAPES = 512
# The slot of a primary key. No column can be called so.
KEY = "pk"


class Slot(Expression):
    """A value for `field` that is known when the statement is sent: `values[name]`.

    saved   the value is to be stored, not compared
    """

    def __init__(self, name, field, *, saved=False):
        super().__init__(output_field=field)
        self.name = name
        self.prepare = field.get_db_prep_save if saved else field.get_db_prep_value

    @property
    def identity(self):
        return (type(self), self.name)

    def as_sql(self, compiler, connection):
        return "%s", (self,)

    def fill(self, values, connection):
        return self.prepare(values[self.name], connection)


def among(name, column):
    """The condition that a column has one of the list `values[name]`."""
    values = Func(Slot(name, ArrayField(column)), template="ANY(%(expressions)s)")
    return Func(F(column.attname), values, template="%(expressions)s", arg_joiner=" = ", output_field=BooleanField())


class TenantSlot:
    @staticmethod
    def fill(values, connection):
        return scope.require("A compiled query").tenant_id


class Statement:
    """SQL with slots, of one query or of several that `template` puts together, in the order of its text.

    keeps_plan   whether PostgreSQL may keep its plan as well: with a key for the row, one plan serves all values
    """

    def __init__(self, *querysets, template="{}", keeps_plan=False):
        self.keeps_plan = keeps_plan
        compilers = [queryset.query.get_compiler(using=queryset.db) for queryset in querysets]
        self._take(compilers, template)

    def _take(self, compilers, template):
        self.alias = compilers[0].using
        parts = [(compiler.query.model, *compiler.as_sql()) for compiler in compilers]
        self.sql = template.format(*(sql for _, sql, _ in parts))
        self.params = [param for model, _, params in parts for param in self._slots(model, params)]

    @staticmethod
    def _slots(model, params):
        current = scope.require("A compiled query")
        # The scope's own object, which no value of a request can be.
        tenant = None if current.is_over_all_tenants else current.tenant_id
        params = [TenantSlot if tenant is not None and value is tenant else value for value in params]
        tenant_attname = getattr(model, "tenant_attname", None)
        if tenant is not None and tenant_attname and TenantSlot not in params:
            raise AssertionError(f"A query on {model.__name__} was compiled without its tenant.")
        return [(param, param is TenantSlot or isinstance(param, Slot)) for param in params]

    def execute(self, values):
        connection = connections[self.alias]
        cursor = connection.lend_cursor(keeps_plan=self.keeps_plan)
        cursor.execute(self.sql, self.filled(values, connection))
        return cursor

    def filled(self, values, connection):
        return [param.fill(values, connection) if is_slot else param for param, is_slot in self.params]

    def fetch(self, values):
        """The first row, or None."""
        return self.execute(values).fetchone()


class Statements:
    """Statements by key: {whatever changes the SQL: Statement}."""

    def __init__(self):
        self.known = {}

    def get(self, key, make):
        statement = self.known.get(key)
        if statement is None:
            if len(self.known) >= MOST_SHAPES:  # somebody is trying out every combination
                self.known.clear()
            statement = self.known[key] = make()
        return statement


# -- Records


class Find(Statement):
    """The first record of a queryset, which mostly has a slot for its primary key; with those of its
    select_related()."""

    keeps_plan = True

    def __init__(self, queryset):
        self.model = queryset.model
        self.compiler = queryset.query.get_compiler(using=queryset.db)
        self._take([self.compiler], "{}")
        columns = [column for column, _, _ in self.compiler.select]
        infos = self.compiler.klass_info
        self.attnames = [columns[place].target.attname for place in infos["select_fields"]]
        self.related = get_related_populators(infos, self.compiler.select, self.alias, queryset._fetch_mode)
        self.converters = self.compiler.get_converters(columns)

    def record(self, values):
        """The instance, or None."""
        row = self.fetch(values)
        if row is None:
            return None
        if self.converters:
            (row,) = self.compiler.apply_converters([row], self.converters)
        record = self.model.from_db(self.alias, self.attnames, row[: len(self.attnames)])
        for related in self.related:
            related.populate(row, record)
        return record


class Update(Statement):
    """UPDATE of these columns, of the record that has the primary key."""

    keeps_plan = True

    def __init__(self, queryset, columns):
        query = queryset.filter(pk=Slot(KEY, queryset.model._meta.pk)).query.chain(UpdateQuery)
        query.add_update_fields([(column, None, Slot(column.attname, column, saved=True)) for column in columns])
        self._take([query.get_compiler(using=queryset.db)], "{}")

    def count(self, values):
        """How many rows it was."""
        return self.execute(values).rowcount


class Insert:
    """INSERT of `count` rows with values for `columns`; what the database fills in is answered, of one row."""

    def __init__(self, model, columns, left_out, using, count=1):
        stand_in = SimpleNamespace(**{column.attname: Slot(column.attname, column, saved=True) for column in columns})
        query = InsertQuery(model)
        query.insert_values(columns, [stand_in] * count)
        compiler = query.get_compiler(using=using)
        compiler.returning_fields = left_out
        ((self.sql, slots),) = compiler.as_sql()
        self.slots = slots[: len(slots) // count]
        self.compiler = compiler
        self.converters = compiler.get_converters([column.get_col(model._meta.db_table) for column in left_out])

    def filled(self, rows, connection):
        return [slot.fill(row, connection) for row in rows for slot in self.slots]

    def send(self, rows, connection):
        cursor = connection.lend_cursor(keeps_plan=True)
        cursor.execute(self.sql, self.filled(rows, connection))
        row = cursor.fetchone() if self.compiler.returning_fields else ()
        if self.converters:
            (row,) = self.compiler.apply_converters([row], self.converters)
        return row


class InsertAndUpdate:
    """INSERT of rows and UPDATE of a row of another table, sent together."""

    def __init__(self, insert, update):
        self.insert, self.update = insert, update
        self.sql = f"WITH inserted AS ({insert.sql}) {update.sql}"

    def count(self, rows, values, connection):
        """How many rows were updated."""
        cursor = connection.lend_cursor(keeps_plan=True)
        cursor.execute(self.sql, [*self.insert.filled(rows, connection), *self.update.filled(values, connection)])
        return cursor.rowcount


_inserts, _updates, _both = Statements(), Statements(), Statements()


def insert(model, values, generated, using):
    """INSERT {column: value}; {attname: value} as stored, of `generated` columns too.

    None if one of the values is an expression, which changes the SQL: the ORM must then write it anew.
    """
    given, left_out = [], [*generated]
    for column, value in values.items():
        if isinstance(value, DatabaseDefault):
            left_out.append(column)
        elif hasattr(value, "resolve_expression"):
            return None
        else:
            given.append(column)
    statement = _insert_of(model, given, left_out, using)
    stored = _by_attname(values)
    row = statement.send([stored], connections[using])
    return stored | {column.attname: value for column, value in zip(left_out, row, strict=True)}


def update(model, key, values, using):
    """UPDATE the record with this primary key, if it is in scope, with {column: value}; how many it was.

    None if one of the values is an expression.
    """
    if any(hasattr(value, "resolve_expression") for value in values.values()):
        return None
    return _update_of(model, values, using).count({KEY: key} | _by_attname(values))


def insert_and_update(new, rows, model, key, values, using):
    """INSERT each {column: value} of `rows` into the table of `new`, which fills in nothing, and UPDATE as above, in
    one statement; how many rows were updated. Nothing may be an expression."""

    def make():
        return InsertAndUpdate(_insert_of(new, [*rows[0]], [], using, len(rows)), _update_of(model, values, using))

    shape = new, len(rows), model, tuple(column.attname for column in values), using
    stored = [_by_attname(row) for row in rows]
    return _both.get(shape, make).count(stored, {KEY: key} | _by_attname(values), connections[using])


def insert_rows(model, rows, using):
    """INSERT rows, each {attname: value} with the same columns, and nothing else. No value may be an expression."""
    columns = {column.attname: column for column in model._meta.concrete_fields}
    statement = _insert_of(model, [columns[attname] for attname in rows[0]], [], using, len(rows))
    statement.send(rows, connections[using])


def _insert_of(model, given, left_out, using, count=1):
    shape = tuple(column.attname for column in given), tuple(column.attname for column in left_out)
    return _inserts.get((model, *shape, using, count), lambda: Insert(model, given, left_out, using, count))


def _update_of(model, columns, using):
    current = scope.require(f"Writing a {model._meta.verbose_name}")
    shape = model, current.is_over_all_tenants, tuple(column.attname for column in columns), using
    return _updates.get(shape, lambda: Update(model._base_manager.using(using), columns))


def _by_attname(values):
    return {column.attname: value for column, value in values.items()}
