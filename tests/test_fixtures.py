"""The demo's fixtures: as the generator makes them, and loaded twice without a difference."""

import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from django.apps import apps
from django.core.management import call_command
from django.db import connection

from apps.accounts.models import User
from nexora.kernel import mail
from nexora.kernel.db.login import owner_login
from nexora.kernel.scope import tenant_scope

FIXTURES = Path(__file__).resolve().parent.parent / "fixtures"
FILES = sorted(str(path) for path in FIXTURES.glob("*.json"))
SIGN_INS = {
    "admin@acme.com": "admin",
    "manager@acme.com": "manager",
    "user@acme.com": "user",
    "guest@acme.com": "guest",
    "mallory@globex.com": "admin",
    "root@nexora.example": "super_admin",
}


def test_the_generator_makes_what_is_committed():
    outcome = subprocess.run(  # noqa: S603
        [sys.executable, str(FIXTURES / "generate.py"), "--check"], capture_output=True, text=True, check=False
    )
    assert outcome.returncode == 0, outcome.stdout + outcome.stderr


def every_row():
    """{table: digest of all its rows}"""
    tables = [m._meta.db_table for m in apps.get_models() if m.__module__.startswith("apps.") and m._meta.managed]
    digests = {}
    with owner_login() as owner, owner.cursor() as cursor:
        for table in tables:
            cursor.execute(f"SELECT count(*), md5(string_agg(t::text, '|' ORDER BY t::text)) FROM {table} t")
            digests[table] = cursor.fetchone()
    return digests


@pytest.mark.django_db(transaction=True)
def test_loading_twice_changes_nothing_and_everybody_can_sign_in(real_password_hashers):
    call_command("loaddata", *FILES, verbosity=0)
    once = every_row()
    call_command("loaddata", *FILES, verbosity=0)
    assert every_row() == once
    assert once["customers"][0] == once["deals"][0] == 200
    assert once["activities"][0] == 800
    with owner_login():
        people = list(User.objects.filter(email__in=SIGN_INS))
    assert {person.email: person.role for person in people} == SIGN_INS
    for person in people:
        with tenant_scope(person.tenant_id):
            assert person.check_password("nexora-demo"), person.email
            # No name server knows the hosts of the demo.
            assert urlsplit(mail.link("/")).hostname.endswith("localhost")
    assert connection.login == "runtime"
