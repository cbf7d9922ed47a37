"""The database's refusals in the words of the models: each constraint is looked up by its name."""

import logging

from django.apps import apps
from django.db import models

from nexora.kernel.db.constraints import CompositeForeignKey
from nexora.kernel.errors import Conflict, InUse, Invalid

log = logging.getLogger("nexora.api")

NOT_NULL, FOREIGN_KEY, UNIQUE, CHECK = "23502", "23503", "23505", "23514"
NO_SUCH_RECORD = str(CompositeForeignKey.default_violation_error_message)


def refused_by_database(exc, *, deleting=False):
    """The Conflict or Invalid that an IntegrityError means.

    deleting   whether the request removed a row: then a foreign key that fails is one that still points at it
    """
    diagnosis = getattr(exc.__cause__, "diag", None)
    if diagnosis is None:
        return Conflict("The database refused this change.")
    model = _model(diagnosis.table_name)
    state = diagnosis.sqlstate
    if state == UNIQUE:
        return _taken(model, diagnosis.constraint_name)
    if state == CHECK:
        return _checked(model, diagnosis.constraint_name)
    if state == FOREIGN_KEY:
        if deleting or (diagnosis.message_primary or "").startswith("update or delete on"):
            held_by = model._meta.verbose_name_plural if model else "other records"
            return InUse(f"Still named by {held_by}. Change or delete those first.")
        return _no_such_record(model, diagnosis.constraint_name)
    if state == NOT_NULL:
        field = _field_of_column(model, diagnosis.column_name)
        return Invalid(
            f"Give a value for {field} and send the request again.", fields={field: ["A value is required."]}
        )
    log.warning("an IntegrityError that names no constraint of ours: %s", exc)
    return Conflict("The database refused this change.")


def _model(table):
    """The model of a table, or of the partitioned table of which it is a part."""
    tables = {model._meta.db_table: model for model in apps.get_models(include_auto_created=True)}
    while table:
        if table in tables:
            return tables[table]
        table = table.rpartition("_")[0]
    return None


def _constraint(model, name):
    return next((c for c in model._meta.constraints if c.name == name), None) if model else None


def _taken(model, name):
    constraint = _constraint(model, name)
    if not isinstance(constraint, models.UniqueConstraint):
        # A primary key: an id made by somebody else, or a retry.
        return Conflict("There is such a record already.")
    message = str(constraint.get_violation_error_message())
    if message == str(models.UniqueConstraint.default_violation_error_message) % {"name": name}:
        message = "There is such a record already."
    tenant = getattr(model, "tenant_field", None)
    return Conflict(message, fields={field: [message] for field in constraint.fields if field != tenant})


def _no_such_record(model, name):
    constraint = _constraint(model, name)
    field = constraint.field if isinstance(constraint, CompositeForeignKey) else _field_of_key(model, name)
    return Invalid(f"Correct {field} and send the request again.", fields={field: [NO_SUCH_RECORD]})


def _field_of_key(model, name):
    """Django and PostgreSQL both call a foreign key `<table>_<column>_…`."""
    if model is not None:
        for column in model._meta.concrete_fields:
            if column.is_relation and name.startswith(f"{model._meta.db_table}_{column.column}_"):
                return column.name
    return "non_field_errors"


def _checked(model, name):
    constraint = _constraint(model, name)
    if constraint is None:
        return Invalid("A value is outside what is allowed.")
    message = str(constraint.get_violation_error_message())
    tenant = getattr(model, "tenant_field", None)
    fields = sorted(set(constraint.condition.referenced_base_fields) - {tenant})
    return Invalid(message, fields={field: [message] for field in fields})


def _field_of_column(model, column):
    if model is not None:
        for field in model._meta.concrete_fields:
            if field.column == column:
                return field.name
    return column or "non_field_errors"
