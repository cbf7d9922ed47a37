"""Makes the scratch database of one size ready, says on stdout how to reach it, and holds it until stdin closes.

python -m nexora.bench.target '{"tenants": …, …}' <number of the tenant that is asked>
"""

import contextlib
import json
import os
import sys
from datetime import timedelta
from uuid import uuid4

import django

MADE_HERE = "Made by the bench"
SOME = 200  # ids, walked in turn

# One tenant's rows in tables of their own, for the servers that know no tenants.
PLAIN = """
    DROP SCHEMA IF EXISTS plain CASCADE;
    CREATE SCHEMA plain;
    CREATE TABLE plain.users AS SELECT id, email, password_hash, name FROM users WHERE tenant_id = '{tenant}';
    CREATE TABLE plain.customers AS SELECT id, name, email, phone, company, status, tags, custom_fields, created_by,
        created_at, updated_at FROM customers WHERE tenant_id = '{tenant}';
    CREATE TABLE plain.deals AS SELECT id, customer_id, title, value, stage, created_at
        FROM deals WHERE tenant_id = '{tenant}';
    CREATE TABLE plain.revenue AS SELECT month, total_revenue, deal_count
        FROM revenue_by_close_month WHERE tenant_id = '{tenant}';
    ALTER TABLE plain.users ADD PRIMARY KEY (id);
    ALTER TABLE plain.customers ADD PRIMARY KEY (id), ALTER id SET DEFAULT gen_random_uuid(),
        ALTER created_at SET DEFAULT now(), ALTER updated_at SET DEFAULT now(),
        ADD FOREIGN KEY (created_by) REFERENCES plain.users (id);
    ALTER TABLE plain.deals ADD PRIMARY KEY (id), ADD FOREIGN KEY (customer_id) REFERENCES plain.customers (id);
    ALTER TABLE plain.revenue ADD PRIMARY KEY (month);
    CREATE INDEX ON plain.customers (created_at DESC, id DESC);
    CREATE INDEX ON plain.customers (email);
    CREATE INDEX ON plain.deals (customer_id);
    ANALYZE plain.users; ANALYZE plain.customers; ANALYZE plain.deals; ANALYZE plain.revenue
"""


def say(text):
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def ensure_rows(cursor, wanted):
    """Seeds an empty database, takes one that holds just these rows, and refuses any other."""
    from django.core.management import call_command

    # Of an earlier bench.
    cursor.execute("DELETE FROM activities WHERE subject = %s", [MADE_HERE])
    cursor.execute("DELETE FROM customers WHERE company = %s", [MADE_HERE])
    expected = (wanted["tenants"], wanted["tenants"] * wanted["customers"], wanted["deals"], wanted["activities"])
    cursor.execute(
        "SELECT (SELECT count(*) FROM tenants WHERE subdomain ~ '^seed-'), (SELECT count(*) FROM customers),"
        " (SELECT count(*) FROM deals), (SELECT count(*) FROM activities)"
    )
    found = cursor.fetchone()
    if found == expected:
        say("  the rows of an earlier run are taken again")
    elif not any(found):
        call_command("seed_demo", **wanted, stdout=sys.stderr)
    else:
        raise SystemExit(
            f"The scratch database holds {found} tenants, customers, deals and activities instead of {expected}: "
            "drop it, or delete its directory, and start again."
        )


def lasting_token(user):
    """An access token that outlives the bench."""
    from rest_framework_simplejwt.tokens import AccessToken

    from apps.accounts.services.sessions import access_token

    token = AccessToken(access_token(user, uuid4()))
    token.set_exp(lifetime=timedelta(days=1))
    return str(token)


def main():
    wanted, number = json.loads(sys.argv[1]), int(sys.argv[2])
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "nexora.settings")
    django.setup()
    from django.conf import settings
    from django.core.management import call_command
    from psycopg.conninfo import make_conninfo

    from apps.accounts.models import User
    from nexora.kernel.db.login import owner_login

    call_command("migrate", interactive=False, verbosity=0)
    with owner_login() as owner, owner.cursor() as cursor:
        ensure_rows(cursor, wanted)
        host = f"seed-{number:05}.{settings.BASE_DOMAIN}"
        manager = User.objects.get(email=f"manager@seed-{number:05}.example")
        cursor.execute(PLAIN.format(tenant=manager.tenant_id))
        ids = {}
        for table in ("customers", "activities"):
            cursor.execute(f"SELECT id FROM {table} WHERE tenant_id = %s ORDER BY id LIMIT {SOME}", [manager.tenant_id])
            ids[table] = [str(key) for (key,) in cursor.fetchall()]
        info = owner.connection.info
        dsn = make_conninfo(
            host=info.host,
            port=info.port,
            user=info.user,
            password=info.password or None,
            dbname=info.dbname,
            options="-c search_path=plain",
        )
        version = ".".join(map(str, divmod(owner.pg_version, 10_000)))
        token = lasting_token(manager)
    found = {"host": host, "token": token, "ids": ids, "dsn": dsn, "secret": settings.SECRET_KEY, "version": version}
    sys.stdout.write(json.dumps(found) + "\n")
    sys.stdout.flush()
    sys.stdin.read()


if __name__ == "__main__":
    # Ctrl-C reaches every process of the terminal; the bench itself says goodbye.
    with contextlib.suppress(KeyboardInterrupt):
        main()
