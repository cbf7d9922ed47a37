"""A tenant with half of everything beside small ones: rows of every large table, made by PostgreSQL.

Columns are filled by their type, so a table that is born tomorrow is filled tomorrow. In each there are a value that
most rows have and values that a handful has, scattered over all times: who finds the handful without an index of its
own has read the whole tenant.
"""

from contextlib import contextmanager

from django.contrib.admin import site
from django.contrib.postgres.fields import ArrayField
from django.core.validators import MaxValueValidator
from django.db import models

from apps.tenants.models import Tenant
from nexora.kernel.db.login import owner_login
from nexora.kernel.fields import EmailAddressField
from nexora.kernel.models import TenantModel
from nexora.kernel.permissions import ALL
from nexora.policy import POLICY
from tests.factories import TenantFactory

ROWS, OTHERS, ROWS_OF_OTHERS = 10_000, 8, 1_600
RARE = 5
# Rows that share a value in a column of many values.
SHARE = 10
EPOCH = "2024-01-01"

# Everything that grows with the work of a tenant. What does not says so in its admin class.
LARGE = [
    model
    for model, admin in site._registry.items()
    if issubclass(model, TenantModel) and model is not Tenant and model._meta.managed and not admin.has_few_rows
]
TABLES = {model._meta.db_table for model in LARGE}
# Of some of it nobody, an admin as little as anybody, sees more than their own: test_own looks at those.
SHARED = [model for model in LARGE if POLICY.reach("admin", model._meta.label_lower, "view") == ALL]
# Odd and no multiples of five, the only primes of both numbers above: each makes another order of the rows.
STEPS = [3, 7, 9, 11, 13, 17, 19, 21, 23, 27, 29, 31, 33, 37, 39, 41, 43, 47, 49, 51, 53, 57]


def is_large(relation):
    return relation in TABLES or relation.rstrip("0123456789").removesuffix("_p") in TABLES


@contextmanager
def crowd():
    """The big tenant. Committed, as its statistics are the owner's to gather; everything goes at the end."""
    tenants = [TenantFactory(subdomain="crowd"), *(TenantFactory() for _ in range(OTHERS))]
    try:
        with owner_login() as owner, owner.cursor() as cursor:
            # Dead rows of earlier tests would make the tables larger than what they hold, and PostgreSQL reads by size.
            cursor.execute(f"TRUNCATE {', '.join(TABLES)} CASCADE")
            for model in in_order_of_keys():
                fill(cursor, model, tenants[:1], ROWS)
                fill(cursor, model, tenants[1:], ROWS_OF_OTHERS)
                cursor.execute(f"ANALYZE {model._meta.db_table}")
            cursor.execute("ANALYZE tenants")
        yield tenants[0]
    finally:
        with owner_login() as owner, owner.cursor() as cursor:
            cursor.execute(f"TRUNCATE {', '.join(TABLES)} CASCADE")
            cursor.execute("DELETE FROM tenants WHERE id = ANY(%s)", [[tenant.pk for tenant in tenants]])


def in_order_of_keys():
    done, left = [], list(LARGE)
    while left:
        ready = [m for m in left if not {f.related_model for f in m._meta.concrete_fields} & {*left} - {m}]
        done += ready
        left = [model for model in left if model not in ready]
    return done


def fill(cursor, model, tenants, rows):
    columns = {
        field.column: value(field, step, rows)
        for field, step in zip(model._meta.concrete_fields, STEPS, strict=False)
        if not field.generated
    }
    cursor.execute(
        f"INSERT INTO {model._meta.db_table} ({', '.join(columns)}) SELECT {', '.join(columns.values())} "
        f"FROM unnest(%s::uuid[]) t (tenant), generate_series(0, {rows - 1}) n",
        [[tenant.pk for tenant in tenants]],
    )


def key(table, number):
    return f"md5('{table}' || tenant || ({number}))::uuid"


def value(field, step, rows):
    """SQL of a column in row `n` of `tenant`."""
    k = f"mod(n * {step}, {rows})"
    if field.name == "id":
        return key(field.model._meta.db_table, "n")
    if field.name == "tenant":
        return "tenant"
    made = _value(field, k, rows)
    return f"CASE WHEN {k} BETWEEN {RARE} AND {2 * RARE} THEN NULL ELSE {made} END" if field.null else made


def is_key(field):
    """Whether the tenant has one row at most for each value."""
    constraints = field.model._meta.constraints
    return any({*getattr(made, "fields", ())} == {"tenant", field.name} for made in constraints)


def tells_apart(field):
    """Whether a key of several columns, tenant and parent among them, ends with it."""
    keys = [made.fields for made in field.model._meta.constraints if isinstance(made, models.UniqueConstraint)]
    return any(len(fields) > 2 and fields[-1] == field.name for fields in keys)


def _value(field, k, rows):
    if field.is_relation:
        return key(field.related_model._meta.db_table, k if is_key(field) else f"{k} / {SHARE}")
    if field.choices:
        usual, *others = [name for name, _ in field.choices if name != "super_admin"]
        listed = ", ".join(f"'{name}'" for name in others)
        return f"CASE WHEN {k} < {RARE} THEN (ARRAY[{listed}])[1 + mod({k}, {len(others)})] ELSE '{usual}' END"
    if isinstance(field, models.BooleanField):
        return f"{k} < {RARE}"
    if isinstance(field, models.IntegerField):
        if tells_apart(field):
            return k
        bounds = [one.limit_value for one in field.validators if isinstance(one, MaxValueValidator)]
        if bounds and min(bounds) < 90:
            return f"mod({k}, {min(bounds) + 1})"
        few = f"WHEN {k} < {RARE} THEN 90 + {k} WHEN {k} < {4 * RARE} THEN {k} / {RARE}"
        return f"CASE {few} ELSE 10 + mod({k}, 8) * 10 END"
    if isinstance(field, models.DecimalField):
        return f"{k}::numeric / {10**field.decimal_places}"
    if isinstance(field, models.DateTimeField):
        return f"timestamptz '{EPOCH}' + {k} * interval '{ROWS // rows} minutes'"
    if isinstance(field, models.DateField):
        return f"date '{EPOCH}' + {k} / {SHARE}"
    if isinstance(field, models.JSONField):
        return "'{}'::jsonb"
    if isinstance(field, ArrayField):
        return f"ARRAY[CASE WHEN {k} < {RARE} THEN 'rare' ELSE 'usual' END]"
    if isinstance(field, models.GenericIPAddressField):
        return "inet '192.0.2.1'"
    if isinstance(field, models.UUIDField):
        return key(field.name, f"{k} / {SHARE}")
    if isinstance(field, EmailAddressField) or field.name == "token":
        return f"'{field.name}' || {k} || '@' || left(tenant::text, 13)"
    if tells_apart(field):
        return f"'{field.name} ' || {k}"
    # Of one length, so that none begins another.
    rare = f"'{field.name.capitalize()} ' || {ROWS} + {k} / {SHARE}"
    return f"CASE WHEN mod({k}, 2) = 0 THEN 'Usual' ELSE {rare} END"
