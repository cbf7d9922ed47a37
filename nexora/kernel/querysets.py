"""Querysets that carry the tenant.

Every query of a tenant model has `tenant_id = <tenant in scope>` compiled into it. The filter is an expression resolved
when the SQL is made, not when the queryset is, so a queryset may be built at import time (a viewset's `queryset = …`).
"""

from functools import cache

from django.core.exceptions import FullResultSet
from django.db import models, router
from django.db.models.expressions import Expression
from django.db.models.sql import Query

from nexora.kernel import scope, statements
from nexora.kernel.errors import UnpublishedWrite

# Each number of rows up to this has a statement of its own, which is written once.
FEW = 10


class InScope(Expression):
    """`<column> = <tenant in scope>`; nothing at all over all tenants; ScopeRequired outside any scope."""

    conditional = True

    def __init__(self, column, label):
        super().__init__(output_field=models.BooleanField())
        self.column = models.F(column) if isinstance(column, str) else column
        self.label = label

    def get_source_expressions(self):
        return [self.column]

    def set_source_expressions(self, expressions):
        (self.column,) = expressions

    def as_sql(self, compiler, connection):
        current = scope.require(f"A query on {self.label}")
        if current.is_over_all_tenants:
            raise FullResultSet
        sql, params = compiler.compile(self.column)
        return f"{sql} = %s", (*params, current.tenant_id)


@cache
def in_scope(model):
    """The query that every queryset of a tenant's model starts from."""
    query = Query(model)
    # Not a filter() of a value: the tenant is looked up when the statement is compiled.
    query.add_q(models.Q(InScope(model.tenant_field, model.__name__)))
    return query


class TenantQuerySet(models.QuerySet):
    def _refuse(self, verb):
        raise UnpublishedWrite(
            f"{self.model.__name__}.objects.{verb}() would publish no change event. Save or delete the records one by "
            f'one, or, in a service that publishes for itself, call .unpublished("reason").{verb}(…).'
        )

    def update(self, **values):
        self._refuse("update")

    def delete(self):
        self._refuse("delete")

    delete.alters_data = update.alters_data = True
    delete.queryset_only = True

    def bulk_create(self, *args, **kwargs):
        self._refuse("bulk_create")

    def bulk_update(self, *args, **kwargs):
        self._refuse("bulk_update")

    @classmethod
    def as_tenant_manager(cls):
        """`objects = DealQuerySet.as_tenant_manager()`: the tenant's manager with this class's trade verbs."""
        return TenantManager.from_queryset(cls)()

    def unpublished(self, reason):
        """The same rows, for a service that publishes its own event (or whose table is no business record)."""
        if not reason:
            raise ValueError("unpublished() needs a reason.")
        clone = UnpublishedQuerySet(model=self.model, query=self.query.chain(), using=self._db, hints=self._hints)
        clone._for_write = True
        return clone


class UnpublishedQuerySet(models.QuerySet):
    """Plain bulk writes, still inside the tenant: only ever made by `TenantQuerySet.unpublished`."""


class TenantManager(models.Manager.from_queryset(TenantQuerySet)):
    """Default and base manager of every tenant model: related fields, unique checks and `save()` use it too."""

    use_in_migrations = False

    def get_queryset(self):
        return self._queryset_class(
            model=self.model, query=in_scope(self.model).chain(), using=self._db, hints=self._hints
        )

    def append_unpublished(self, reason, rows):
        """INSERT rows, each {attname: value} with the same columns, and nothing else: no signal, no event."""
        if not reason:
            raise ValueError("append_unpublished() needs a reason.")
        if len(rows) <= FEW:
            statements.insert_rows(self.model, rows, router.db_for_write(self.model))
        else:
            self.get_queryset().unpublished(reason).bulk_create([self.model(**row) for row in rows])

    append_unpublished.alters_data = True
