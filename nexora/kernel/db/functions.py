"""Database defaults, spelt as the seed spells them."""

from django.contrib.postgres.functions import RandomUUID
from django.db import models


class CurrentTenant(models.Func):
    """`current_tenant()`: the tenant of the session, NULL outside a scope. Made by operations.CurrentTenantFunction."""

    function = "current_tenant"
    arity = 0
    output_field = models.UUIDField()
    allowed_default = True


class CurrentTimestamp(models.Func):
    """CURRENT_TIMESTAMP. Django's own Now() is STATEMENT_TIMESTAMP() on PostgreSQL, which is not what the seed says."""

    template = "CURRENT_TIMESTAMP"
    arity = 0
    output_field = models.DateTimeField()
    allowed_default = True


class GenRandomUUID(RandomUUID):
    """gen_random_uuid(), allowed as a column default."""

    arity = 0
    allowed_default = True


__all__ = ["CurrentTenant", "CurrentTimestamp", "GenRandomUUID"]
