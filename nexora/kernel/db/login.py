"""Two logins on one alias.

`runtime` (nexora_app) serves requests and jobs: it owns nothing and every policy binds it. `owner` (nexora_owner) owns
the tables and is used by migrate, loaddata, flush, createsuperuser and the making of test databases. Which one a
connection uses is chosen before it is opened: logging in as the owner and stepping down failed open once.
"""

from contextlib import contextmanager

from nexora.kernel.db import pool
from nexora.kernel.scope import owner_scope

RUNTIME, OWNER = "runtime", "owner"
ENGINE = "nexora.kernel.db.backend"


def database_settings(environ, data_dir):
    """The DATABASES entry for this environment: an external server by URL, else the embedded one under `data_dir`."""
    base = {
        "ENGINE": ENGINE,
        "CONN_MAX_AGE": 600,
        "CONN_HEALTH_CHECKS": True,
        "ATOMIC_REQUESTS": False,
        "OPTIONS": {},
        "EMBEDDED": None,
        "OWNER": None,
        "POOLER": None,
    }
    pooler = environ.get("DATABASE_POOLER", "")
    if pooler not in ("", "transaction"):
        raise ValueError(f"DATABASE_POOLER must be transaction or unset, not {pooler!r}.")
    if pooler:
        base |= {"POOLER": pooler, "DISABLE_SERVER_SIDE_CURSORS": True}
    pooled = environ.get("DATABASE_POOL", "")
    if pooled not in ("", "0", "1"):
        raise ValueError(f"DATABASE_POOL must be 0 or 1, not {pooled!r}.")
    # A machine that is gone says nothing; by itself libpq would wait for minutes. A URL may say otherwise.
    options = {"connect_timeout": "5"}
    if pooled == "1":
        # Django's pool hands connections from thread to thread, so none may be kept by one.
        base |= {"CONN_MAX_AGE": 0}
        options |= {"pool": pool.OPTIONS}
    url = environ.get("DATABASE_URL")
    if not url:
        return base | {
            "NAME": "nexora",
            "USER": "nexora_app",
            "OWNER": {"USER": "nexora_owner", "PASSWORD": ""},
            "EMBEDDED": str(data_dir / "postgres"),
            "OPTIONS": options,
        }
    runtime = _parse("DATABASE_URL", url)
    owner = None
    if owner_url := environ.get("DATABASE_OWNER_URL"):
        parsed = _parse("DATABASE_OWNER_URL", owner_url)
        if parsed["USER"] == runtime["USER"]:
            raise ValueError(
                "DATABASE_URL and DATABASE_OWNER_URL name the same user; the runtime must not own the tables."
            )
        owner = {key: parsed[key] for key in ("USER", "PASSWORD", "HOST", "PORT")}
    return base | runtime | {"OPTIONS": options | runtime["OPTIONS"], "OWNER": owner}


def _parse(name, url):
    from psycopg import ProgrammingError
    from psycopg.conninfo import conninfo_to_dict

    try:
        parts = conninfo_to_dict(url)
    except ProgrammingError as error:
        # Not the URL itself: it holds a password.
        raise ValueError(f"{name} must be postgresql://user:password@host:port/database.") from error
    known = {
        key: parts.pop(part, "")
        for key, part in {
            "NAME": "dbname",
            "USER": "user",
            "PASSWORD": "password",
            "HOST": "host",
            "PORT": "port",
        }.items()
    }
    for key in ("NAME", "USER"):
        if not known[key]:
            raise ValueError(
                f"{name} lacks the {'database' if key == 'NAME' else 'user'}: "
                "postgresql://user:password@host:port/database."
            )
    return known | {"OPTIONS": parts}


@contextmanager
def owner_login():
    """Inside, `connections["default"]` is a second wrapper logged in as the owner, in an owner scope.

    A second wrapper rather than a switched one: no statement of the runtime can ever run on the owner's session.
    """
    from django.db import connections

    runtime = connections["default"]
    if runtime.login == OWNER:
        yield runtime
        return
    if runtime.in_atomic_block:
        raise RuntimeError("The owner's session cannot see this open transaction; call the command outside `atomic`.")
    owner = runtime.copy()
    owner.login = OWNER
    connections["default"] = owner
    try:
        with owner_scope():
            yield owner
    finally:
        owner.close()
        connections["default"] = runtime
