"""The roles of a cluster. They belong to no database, so no migration makes them; `manage.py prepare_database` does.

    owner      owns the database and its tables; may create databases, so that tests can. No superuser.
    runtime    what web and worker log in as: owns nothing, inherits nothing, bypasses no policy
    platform   no login; the runtime switches to it inside `unscoped(reason=…)`

Works on PostgreSQL 15 to 18, as a superuser or as a role with CREATEROLE and CREATEDB (managed servers give no more).
"""

from dataclasses import dataclass

from psycopg import sql


class PrepareError(Exception):
    """A sentence that names the variable and what to do."""


@dataclass(frozen=True)
class Login:
    name: str
    password: str = ""


@dataclass(frozen=True)
class Plan:
    database: str
    owner: Login
    runtime: Login
    platform: str

    @classmethod
    def from_settings(cls, settings, *, database=None):
        entry = settings.DATABASES["default"]
        if not entry["OWNER"]:
            raise PrepareError(
                "DATABASE_OWNER_URL is unset: give the owner's login beside DATABASE_URL, for example "
                "postgresql://nexora_owner:…@host/nexora. The role itself is made here."
            )
        return cls(
            database=database or entry["NAME"],
            owner=Login(entry["OWNER"]["USER"], entry["OWNER"]["PASSWORD"]),
            runtime=Login(entry["USER"], entry.get("PASSWORD", "")),
            platform=settings.DATABASE_PLATFORM_ROLE,
        )


# What a role is, as columns of pg_roles; FRESH is what CREATE ROLE makes.
WORDS = {
    "rolcanlogin": "LOGIN",
    "rolinherit": "INHERIT",
    "rolcreatedb": "CREATEDB",
    "rolbypassrls": "BYPASSRLS",
    "rolcreaterole": "CREATEROLE",
}
FRESH = dict.fromkeys(WORDS, False) | {"rolinherit": True}
OWNER = FRESH | {"rolcanlogin": True, "rolcreatedb": True}
RUNTIME = FRESH | {"rolcanlogin": True, "rolinherit": False}
PLATFORM = FRESH


def prepare(connection, plan):
    """Make roles and database as `plan` says; return what was done, as sentences. Running it again does nothing.

    `connection`: an autocommit psycopg connection of an administrator, to any database of the cluster.
    """
    _refuse_nonsense(connection, plan)
    return [
        *_ensure_role(connection, plan.owner.name, OWNER, plan.owner.password, "DATABASE_OWNER_URL"),
        *_ensure_role(connection, plan.runtime.name, RUNTIME, plan.runtime.password, "DATABASE_URL"),
        *_ensure_role(connection, plan.platform, PLATFORM, "", "DATABASE_PLATFORM_ROLE"),
        *_ensure_memberships(connection, plan),
        *_ensure_database(connection, plan),
    ]


def _refuse_nonsense(connection, plan):
    version = connection.info.server_version
    if version < 150000:
        raise PrepareError(f"The server is PostgreSQL {version // 10000}; NEXORA needs 15 or later.")
    names = {
        "DATABASE_OWNER_URL": plan.owner.name,
        "DATABASE_URL": plan.runtime.name,
        "DATABASE_PLATFORM_ROLE": plan.platform,
    }
    for variable, name in names.items():
        if list(names.values()).count(name) > 1:
            raise PrepareError(f"{variable} names {name}, and another variable does too; each needs a role of its own.")
        if name == connection.info.user:
            raise PrepareError(f"{variable} names {name}, the administrator of DATABASE_ADMIN_URL; name another role.")


def _ensure_role(connection, name, wanted, password, variable):
    found = _role(connection, name)
    done = []
    if found is None:
        connection.execute(sql.SQL("CREATE ROLE {}").format(sql.Identifier(name)))
        found = {"rolsuper": False, **FRESH}
        done.append(f"role {name} made")
    if found["rolsuper"]:
        raise PrepareError(
            f"{variable} names {name}, a superuser, whom no policy binds. Name another role; it need not exist yet."
        )
    changes = {column: value for column, value in wanted.items() if found[column] != value}
    if changes:
        words = sql.SQL(" ").join(sql.SQL(("" if value else "NO") + WORDS[column]) for column, value in changes.items())
        _change(connection, sql.SQL("ALTER ROLE {} {}").format(sql.Identifier(name), words), variable)
        if not done:
            done.append(f"role {name} corrected")
    if password:
        # Hashed here, so that the server's log never sees the password.
        hashed = connection.pgconn.encrypt_password(password.encode(), name.encode(), b"scram-sha-256").decode()
        statement = sql.SQL("ALTER ROLE {} PASSWORD {}").format(sql.Identifier(name), sql.Literal(hashed))
        _change(connection, statement, variable)
    return done


def _role(connection, name):
    columns = ["rolsuper", *WORDS]
    row = connection.execute(f"SELECT {', '.join(columns)} FROM pg_roles WHERE rolname = %s", [name]).fetchone()
    return row and dict(zip(columns, row, strict=True))


def _ensure_memberships(connection, plan):
    done = []
    runtime, platform = sql.Identifier(plan.runtime.name), sql.Identifier(plan.platform)
    # On 15 the role's NOINHERIT keeps the platform's policy away until SET ROLE; later the grant itself can say so.
    if connection.info.server_version >= 160000:
        is_right = "bool_or(NOT inherit_option AND set_option)"
        options = sql.SQL(" WITH INHERIT FALSE, SET TRUE")
    else:
        is_right = "true"
        options = sql.SQL("")
    memberships = dict(
        connection.execute(
            f"SELECT granted.rolname, {is_right} FROM pg_auth_members"
            " JOIN pg_roles granted ON granted.oid = roleid JOIN pg_roles holder ON holder.oid = member"
            " WHERE holder.rolname = %s GROUP BY granted.rolname",
            [plan.runtime.name],
        ).fetchall()
    )
    if not memberships.pop(plan.platform, False):
        connection.execute(sql.SQL("GRANT {} TO {}").format(platform, runtime) + options)
        done.append(f"{plan.runtime.name} may switch to {plan.platform}")
    if memberships:
        names = ", ".join(sorted(memberships))
        raise PrepareError(
            f"DATABASE_URL names {plan.runtime.name}, a member of {names}, whose rights it could take. "
            f"REVOKE {names} FROM {plan.runtime.name}, or name another role."
        )
    return done


def _ensure_database(connection, plan):
    row = connection.execute(
        "SELECT rolname FROM pg_database JOIN pg_roles ON pg_roles.oid = datdba WHERE datname = %s", [plan.database]
    ).fetchone()
    if row:
        if row[0] != plan.owner.name:
            raise PrepareError(
                f"The database {plan.database} belongs to {row[0]}, not to {plan.owner.name} of DATABASE_OWNER_URL. "
                f"ALTER DATABASE {plan.database} OWNER TO {plan.owner.name}, or name another database."
            )
        return []
    owner, admin = sql.Identifier(plan.owner.name), sql.Identifier(connection.info.user)
    is_superuser = connection.info.parameter_status("is_superuser") == "on"
    if not is_superuser:  # giving a database away takes membership in its new owner
        connection.execute(sql.SQL("GRANT {} TO {}").format(owner, admin))
    try:
        _change(
            connection,
            sql.SQL("CREATE DATABASE {} OWNER {} ENCODING 'UTF8' TEMPLATE template0").format(
                sql.Identifier(plan.database), owner
            ),
            "DATABASE_URL",
        )
    finally:
        if not is_superuser:
            connection.execute(sql.SQL("REVOKE {} FROM {}").format(owner, admin))
    return [f"database {plan.database} made"]


def _change(connection, statement, variable):
    from psycopg.errors import InsufficientPrivilege

    try:
        connection.execute(statement)
    except InsufficientPrivilege as error:
        raise PrepareError(
            f"{connection.info.user} of DATABASE_ADMIN_URL may not do what {variable} asks for "
            f"({error.diag.message_primary}). Use a superuser, or a role with CREATEROLE and CREATEDB."
        ) from error
