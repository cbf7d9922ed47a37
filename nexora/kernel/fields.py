"""The columns that every table of the seed has, and the foreign key between tenant tables."""

import uuid

from django.conf import settings
from django.core.validators import validate_email
from django.db import models

from nexora.kernel import scope
from nexora.kernel.db.constraints import CompositeForeignKey
from nexora.kernel.db.functions import CurrentTenant, CurrentTimestamp, GenRandomUUID


def primary_key():
    """`id UUID PRIMARY KEY DEFAULT gen_random_uuid()`; Python makes it too, to know it before the INSERT."""
    return models.UUIDField(primary_key=True, default=uuid.uuid4, db_default=GenRandomUUID(), editable=False)


def tenant_key(related_name="+"):
    """`tenant_id UUID NOT NULL REFERENCES tenants(id) ON DELETE CASCADE`, by default the tenant in scope.

    Its index is named by the seed, so it is declared in Meta.indexes.
    """
    return models.ForeignKey(
        settings.TENANT_MODEL,
        on_delete=models.DB_CASCADE,
        default=scope.default_tenant_id,
        db_default=CurrentTenant(),
        db_index=False,
        related_name=related_name,
    )


def created_at():
    """Nullable, as in the seed; the database fills it."""
    return models.DateTimeField(null=True, blank=True, db_default=CurrentTimestamp(), editable=False)


def updated_at():
    """Nullable, as in the seed; filled by the database on INSERT and by TenantModel.save() on every change."""
    return models.DateTimeField(null=True, blank=True, db_default=CurrentTimestamp(), editable=False)


class EmailAddressField(models.CharField):
    """An email address, stored in lower case."""

    default_validators = [validate_email]

    def get_prep_value(self, value):
        value = super().get_prep_value(value)
        return value.strip().lower() if isinstance(value, str) else value

    def to_python(self, value):
        value = super().to_python(value)
        return value.strip().lower() if isinstance(value, str) else value


class TenantForeignKey(models.ForeignKey):
    """A foreign key to another tenant table: `(tenant_id, x) -> x(tenant_id, id)` in the database.

    Django's own one-column constraint is left out; the model gains a CompositeForeignKey constraint instead, with the
    ON DELETE rule of `on_delete` (DB_CASCADE, DB_SET_NULL, or DO_NOTHING for SQL's NO ACTION). The column has no index
    of its own: those that queries need are declared with the model.
    """

    RULES = {"DB_CASCADE": "CASCADE", "DB_SET_NULL": "SET NULL", "DO_NOTHING": "NO ACTION"}

    def __init__(self, to, on_delete, **kwargs):
        if on_delete.__name__ not in self.RULES:
            raise ValueError(f"TenantForeignKey takes {', '.join(self.RULES)}: ON DELETE lives in the database.")
        kwargs["db_constraint"] = False
        kwargs.setdefault("db_index", False)
        super().__init__(to, on_delete, **kwargs)

    def deconstruct(self):
        name, path, args, kwargs = super().deconstruct()
        del kwargs["db_constraint"]
        if kwargs.pop("db_index", True):
            kwargs["db_index"] = True
        return name, path, args, kwargs

    def contribute_to_class(self, cls, name, **kwargs):
        super().contribute_to_class(cls, name, **kwargs)
        # Migrations carry the constraint themselves: their models are rebuilt from it.
        if cls.__module__ == "__fake__" or cls._meta.abstract:
            return
        options = cls._meta
        constraint = CompositeForeignKey(
            field=name,
            to=self.remote_field.model
            if isinstance(self.remote_field.model, str)
            else self.remote_field.model._meta.label,
            on_delete=self.RULES[self.remote_field.on_delete.__name__],
            name=f"{options.db_table}_tenant_id_{self.column}_fkey",
        )
        options.constraints = [*options.constraints, constraint]
        options.original_attrs["constraints"] = options.constraints
