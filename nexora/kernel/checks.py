"""System checks: what would let one tenant see another is refused before anything is served.

Models (E001 to E008) are checked whenever Django checks. The database (E100 to E109) is looked at by
`manage.py check --database default`, and by web and worker when they start; the owner's login, which migrates, is not.
"""

from django.apps import apps
from django.conf import settings
from django.core.checks import Error, Tags, register
from django.db import OperationalError, connections, models

from nexora.kernel.db.login import RUNTIME
from nexora.kernel.fields import TenantForeignKey
from nexora.kernel.models import Record, TenantModel
from nexora.kernel.querysets import TenantManager

# Rules that the database carries out; a Python rule would delete rows without an event.
DATABASE_RULES = (models.DB_CASCADE, models.DB_SET_NULL, models.DB_SET_DEFAULT, models.DO_NOTHING)


# -- Models


@register(Tags.models)
def check_models(app_configs=None, **kwargs):
    wanted = None if app_configs is None else {config.label for config in app_configs}
    return [
        error
        for model in apps.get_models()
        if wanted is None or model._meta.app_label in wanted
        for error in problems_of_model(model)
    ]


def problems_of_model(model):
    """The Errors of one model class."""
    if issubclass(model, TenantModel):
        yield from _tenant_problems(model)
    else:
        yield from _global_problems(model)
    if issubclass(model, Record):
        yield from _relation_problems(model)


def _tenant_problems(model):
    name = model._meta.label
    if not _is_tenant(model) and not any(_points_at_tenant(f) and f.name == "tenant" for f in model._meta.fields):
        yield Error(
            f"{name} is a TenantModel without a tenant.",
            hint="Declare `tenant = fields.tenant_key()`.",
            obj=model,
            id="nexora.E001",
        )
    for role, manager in (("default", model._default_manager), ("base", model._base_manager)):
        if not isinstance(manager, TenantManager):
            yield Error(
                f"The {role} manager of {name} does not carry the tenant.",
                hint="Let Meta inherit TenantModel.Meta, and make `objects` with <QuerySet>.as_tenant_manager().",
                obj=model,
                id="nexora.E004",
            )
    for field in model._meta.local_many_to_many:
        if field.remote_field.through._meta.auto_created:
            yield Error(
                f"{name}.{field.name} makes a table without a tenant.",
                hint="Name a TenantModel of its own with `through=`.",
                obj=field,
                id="nexora.E008",
            )


def _global_problems(model):
    name = model._meta.label
    for field in model._meta.local_fields:
        if _points_at_tenant(field):
            yield Error(
                f"{name} has a tenant and is no TenantModel, so its queries do not carry it.",
                hint="Inherit nexora.kernel.models.TenantModel, and use ProtectTable in a migration.",
                obj=field,
                id="nexora.E005",
            )
        elif isinstance(field, TenantForeignKey):
            yield Error(
                f"{name}.{field.name} is a TenantForeignKey on a model without a tenant.",
                hint="Inherit TenantModel, or use a plain ForeignKey and say who may see the row.",
                obj=field,
                id="nexora.E006",
            )


def _relation_problems(model):
    for field in model._meta.local_fields:
        if not field.many_to_one and not field.one_to_one:
            continue
        name, target = f"{model._meta.label}.{field.name}", field.related_model
        if field.remote_field.on_delete not in DATABASE_RULES:
            yield Error(
                f"{name} leaves ON DELETE to Python.",
                hint="Use models.DB_CASCADE, models.DB_SET_NULL or models.DO_NOTHING: the database carries it out.",
                obj=field,
                id="nexora.E007",
            )
        if isinstance(target, str):  # no such model: Django's own fields.E300
            continue
        if not issubclass(model, TenantModel) or not issubclass(target, TenantModel) or _is_tenant(target):
            continue
        if not isinstance(field, TenantForeignKey):
            yield Error(
                f"{name} could point at another tenant's {target._meta.verbose_name}.",
                hint="Use nexora.kernel.fields.TenantForeignKey, which makes the key (tenant_id, id).",
                obj=field,
                id="nexora.E002",
            )
        elif not _has_tenant_id_key(target):
            yield Error(
                f"{name} points at {target._meta.label}, which has no UNIQUE (tenant_id, id).",
                hint=f'Add `tenant_id_key("{target._meta.db_table}")` to its Meta.constraints.',
                obj=field,
                id="nexora.E003",
            )


def _is_tenant(model):
    return model._meta.label_lower == settings.TENANT_MODEL.lower()


def _points_at_tenant(field):
    target = field.remote_field.model if field.remote_field else None
    label = target.lower() if isinstance(target, str) else target and target._meta.label_lower
    return field.many_to_one and label == settings.TENANT_MODEL.lower()


def _has_tenant_id_key(model):
    return any(
        isinstance(constraint, models.UniqueConstraint)
        and set(constraint.fields) == {"tenant", "id"}
        and constraint.condition is None
        for constraint in model._meta.constraints
    )


# -- The database


@register(Tags.database)
def check_databases(databases=None, **kwargs):
    errors = []
    for alias in databases or ():
        connection = connections[alias]
        if getattr(connection, "login", None) != RUNTIME:
            continue
        try:
            with connection.cursor() as cursor:
                errors += problems_of_database(
                    cursor, runtime=connection.connection.info.user, platform=settings.DATABASE_PLATFORM_ROLE
                )
        except OperationalError as error:
            errors.append(
                Error(
                    f"The database does not answer: {str(error).splitlines()[0]}",
                    hint="Start it, or correct DATABASE_URL.",
                    id="nexora.E100",
                )
            )
    return errors


def problems_of_database(cursor, *, runtime, platform):
    """The Errors of the database behind `cursor` (anybody's), as seen for the two roles."""
    # First the roles: with one that no policy binds, every table would be a complaint.
    return [*_role_problems(cursor, runtime, platform)] or [
        *_table_problems(cursor, runtime),
        *_right_problems(cursor, runtime, platform),
        *_partition_problems(cursor),
        *_view_problems(cursor, runtime, platform),
    ]


def _rows(cursor, query, params=()):
    cursor.execute(query, params)
    return cursor.fetchall()


REPAIR = "Run `manage.py prepare_database`, which says what it cannot repair."


def _role_problems(cursor, runtime, platform):
    roles = {
        name: (is_super, bypasses)
        for name, is_super, bypasses in _rows(
            cursor,
            "SELECT rolname, rolsuper, rolbypassrls FROM pg_roles WHERE rolname = ANY(%s)",
            [[runtime, platform]],
        )
    }
    for name in (runtime, platform):
        if name not in roles:
            yield Error(f"The role {name} does not exist.", hint=REPAIR, id="nexora.E103")
        elif any(roles[name]):
            yield Error(
                f"The role {name} is a superuser or has BYPASSRLS: no policy binds it.",
                hint=f"Use a role of its own. {REPAIR}",
                id="nexora.E101",
            )
    if not {runtime, platform} <= roles.keys() or roles[runtime][0]:  # a superuser is a member of everything
        return
    owners = _rows(
        cursor,
        "SELECT DISTINCT relowner::regrole::text FROM pg_class WHERE relnamespace = 'public'::regnamespace "
        "AND relkind IN ('r', 'p', 'm', 'v') AND pg_has_role(%s, relowner, 'MEMBER')",
        [runtime],
    )
    for (owner,) in owners:
        yield Error(
            f"The role {runtime} owns tables" + ("." if owner == runtime else f" through {owner}."),
            hint="Owners change policies. Migrate with DATABASE_OWNER_URL, and take the membership away.",
            id="nexora.E102",
        )
    ((inherits, may_switch),) = _rows(
        cursor,
        "SELECT pg_has_role(%(r)s, %(p)s, 'USAGE'), pg_has_role(%(r)s, %(p)s, 'MEMBER')",
        {"r": runtime, "p": platform},
    )
    if inherits:
        yield Error(
            f"The role {runtime} inherits {platform}, so that every query sees every tenant.",
            hint=f"GRANT {platform} TO {runtime} WITH INHERIT FALSE, or ALTER ROLE {runtime} NOINHERIT.",
            id="nexora.E101",
        )
    if not may_switch:
        yield Error(
            f"The role {runtime} may not switch to {platform}, so `unscoped()` fails.", hint=REPAIR, id="nexora.E103"
        )


def _tenant_tables():
    """{table: the column that says whose row it is} of every managed tenant model."""
    return {
        model._meta.db_table: model.tenant_attname
        for model in apps.get_models()
        if issubclass(model, TenantModel) and model._meta.managed and not model._meta.proxy
    }


def _table_problems(cursor, runtime):
    tables = _tenant_tables()
    # Also tables that no model knows: whatever has a tenant_id is a tenant's.
    found = _rows(
        cursor,
        """
        SELECT c.relname, c.relrowsecurity AND c.relforcerowsecurity,
               coalesce((SELECT array_agg(concat_ws(' / ', pg_get_expr(p.polqual, p.polrelid),
                                                    pg_get_expr(p.polwithcheck, p.polrelid)))
                           FROM pg_policy p
                          WHERE p.polrelid = c.oid AND p.polpermissive
                            AND EXISTS (SELECT 1 FROM unnest(p.polroles) held
                                         WHERE CASE held WHEN 0 THEN true ELSE pg_has_role(%s, held, 'USAGE') END)),
                        '{}')
          FROM pg_class c
         WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
           AND (c.relname = ANY(%s) OR EXISTS (SELECT 1 FROM pg_attribute a WHERE a.attrelid = c.oid
                                                  AND a.attname = 'tenant_id' AND NOT a.attisdropped))
         ORDER BY c.relname
        """,
        [runtime, list(tables)],
    )
    missing = sorted(tables.keys() - {table for table, *_ in found})
    if missing:
        yield Error(f"The database lacks {', '.join(missing)}.", hint="Run `manage.py migrate`.", id="nexora.E104")
    for table, forced, policies in found:
        if not forced:
            yield Error(
                f"Row-level security is not forced on {table}.",
                hint=f'Add `ProtectTable("{table}")` to a migration of its app.',
                id="nexora.E105",
            )
        own = f"({tables.get(table, 'tenant_id')} = current_tenant())"
        if policies != [f"{own} / {own}"]:
            yield Error(
                f"The policies of {table} do not show {runtime} the rows of its tenant and no others: "
                f"{'; '.join(policies) or 'there is none'}.",
                hint=f'There should be one, {own}, made by `ProtectTable("{table}")`.',
                id="nexora.E106",
            )


def _right_problems(cursor, runtime, platform):
    rows = _rows(
        cursor,
        "SELECT c.relname, r.name, p.kind FROM pg_class c, unnest(%s::text[]) r(name), "
        "unnest(ARRAY['TRUNCATE', 'TRIGGER', 'REFERENCES']) p(kind) "
        "WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') "
        "AND c.relname = ANY(%s) AND has_table_privilege(r.name, c.oid, p.kind) ORDER BY 1, 2, 3",
        [[runtime, platform], list(_tenant_tables())],
    )
    for table, role, right in rows:
        yield Error(
            f"The role {role} has {right} on {table}, which asks no policy.",
            hint=f"REVOKE {right} ON {table} FROM {role}, and from PUBLIC.",
            id="nexora.E107",
        )


def _partition_problems(cursor):
    rows = _rows(
        cursor,
        """
        SELECT c.relname, c.relrowsecurity AND c.relforcerowsecurity,
               EXISTS (SELECT 1 FROM aclexplode(c.relacl) WHERE grantee <> c.relowner),
               EXISTS (SELECT 1 FROM pg_policy WHERE polrelid = c.oid)
          FROM pg_class c JOIN pg_inherits i ON i.inhrelid = c.oid JOIN pg_class parent ON parent.oid = i.inhparent
         WHERE c.relispartition AND c.relkind = 'r' AND parent.relname = ANY(%s) ORDER BY c.relname
        """,
        [list(_tenant_tables())],
    )
    for partition, forced, granted, has_policy in rows:
        if granted or has_policy or not forced:
            yield Error(
                f"The partition {partition} can be read directly, past its parent's policy.",
                hint="Run ProtectTable on its parent afterwards: forced row-level security, no policy, no rights.",
                id="nexora.E108",
            )


def _view_problems(cursor, runtime, platform):
    rows = _rows(
        cursor,
        "SELECT c.relname, r.name FROM pg_class c, unnest(%s::text[]) r(name) WHERE c.relkind = 'm' "
        "AND c.relnamespace = 'public'::regnamespace AND has_table_privilege(r.name, c.oid, 'SELECT') ORDER BY 1, 2",
        [[runtime, platform]],
    )
    for view, role in rows:
        yield Error(
            f"The role {role} reads the materialized view {view}, which knows no row-level security.",
            hint=f"REVOKE ALL ON {view} FROM {role}, and read it through a view that filters by current_tenant().",
            id="nexora.E109",
        )
