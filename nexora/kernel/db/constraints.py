"""Constraints that Django does not have."""

from django.core.exceptions import ValidationError
from django.db import models
from django.db.backends.ddl_references import Statement, Table


class CompositeForeignKey(models.BaseConstraint):
    """`FOREIGN KEY (tenant_id, <column>) REFERENCES <table> (tenant_id, id) ON DELETE …`.

    Foreign-key checks bypass row-level security, so a one-column key would let a row point into another tenant, and the
    difference between the errors would tell which ids exist there. The target needs `UNIQUE (tenant_id, id)`.

    field      name of the ForeignKey on the model
    to         "app.Model"
    on_delete  CASCADE, NO ACTION or SET NULL (which nulls the one column, never tenant_id)
    """

    default_violation_error_message = "No such record."

    def __init__(self, *, field, to, on_delete, name):
        super().__init__(name=name)
        self.field = field
        self.to = to.lower()
        self.on_delete = on_delete

    def deconstruct(self):
        _, _, kwargs = super().deconstruct()
        path = f"{self.__class__.__module__}.{self.__class__.__name__}"
        return path, (), kwargs | {"field": self.field, "to": self.to, "on_delete": self.on_delete}

    def __eq__(self, other):
        if isinstance(other, CompositeForeignKey):
            return self.deconstruct() == other.deconstruct()
        return NotImplemented

    def __hash__(self):
        return hash((self.name, self.field, self.to, self.on_delete))

    def __repr__(self):
        return f"<CompositeForeignKey {self.name}: {self.field} -> {self.to} ON DELETE {self.on_delete}>"

    def create_sql(self, model, schema_editor):
        field = model._meta.get_field(self.field)
        target = model._meta.apps.get_model(self.to)
        quote = schema_editor.quote_name
        rule = f"SET NULL ({quote(field.column)})" if self.on_delete == "SET NULL" else self.on_delete
        return Statement(
            "ALTER TABLE %(table)s ADD CONSTRAINT %(name)s FOREIGN KEY (tenant_id, %(column)s) "
            "REFERENCES %(target)s (tenant_id, id) ON DELETE %(rule)s",
            table=Table(model._meta.db_table, quote),
            name=quote(self.name),
            column=quote(field.column),
            target=Table(target._meta.db_table, quote),
            rule=rule,
        )

    def constraint_sql(self, model, schema_editor):
        # Not inside CREATE TABLE: the target may be made later in the same migration.
        schema_editor.deferred_sql.append(self.create_sql(model, schema_editor))

    def remove_sql(self, model, schema_editor):
        return Statement(
            "ALTER TABLE %(table)s DROP CONSTRAINT %(name)s",
            table=Table(model._meta.db_table, schema_editor.quote_name),
            name=schema_editor.quote_name(self.name),
        )

    def validate(self, model, instance, exclude=None, using=None):
        """The target is looked up in the record's own tenant; ValidationError names the field."""
        if exclude and self.field in exclude:
            return
        field = model._meta.get_field(self.field)
        value = getattr(instance, field.attname)
        if value is None:
            return
        target = field.remote_field.model
        rows = target._default_manager.using(using).filter(pk=value, **{f"{target.tenant_field}": instance.tenant_id})
        if not rows.exists():
            raise ValidationError({self.field: ValidationError(self.violation_error_message, code="does_not_exist")})
