"""`manage.py seed_demo` at a small size: reproducible, whole, believable."""

import io

import pytest
from django.core.management import CommandError, call_command

from apps.accounts.models import User
from nexora.bench.population import COLUMNS, Population
from nexora.kernel.db.login import owner_login
from nexora.kernel.scope import tenant_scope

SMALL = {"tenants": 3, "customers": 20, "deals": 40, "activities": 90, "seed": 7}


def seed(**options):
    output = io.StringIO()
    call_command("seed_demo", **(SMALL | options), stdout=output)
    return output.getvalue()


def ask(sql):
    with owner_login() as owner, owner.cursor() as cursor:
        cursor.execute(sql)
        return cursor.fetchall()


def digests():
    """{table: digest of its seeded rows}"""
    found = {}
    for table, columns in COLUMNS.items():
        row = f"concat_ws('|', {', '.join(columns.split())})"
        seeded = "subdomain ~ '^seed-'" if table == "tenants" else "true"
        found[table] = ask(f"SELECT count(*), md5(string_agg({row}, '|' ORDER BY id)) FROM {table} WHERE {seeded}")
    return found


@pytest.mark.django_db(transaction=True)
def test_the_same_seed_makes_the_same_rows_and_another_seed_others():
    seed()
    first = digests()
    call_command("flush", interactive=False, verbosity=0)
    seed()
    assert digests() == first
    call_command("flush", interactive=False, verbosity=0)
    seed(seed=8)
    other = digests()
    assert all(other[table] != first[table] for table in COLUMNS if table != "subscriptions")


@pytest.mark.django_db(transaction=True)
def test_rows_are_counted_right_refreshed_and_signed_in_to(real_password_hashers):
    said = seed()
    assert "activities               90 rows" in said
    for table, count in {"subscriptions": 3, "users": 12, "customers": 60, "deals": 40, "activities": 90}.items():
        assert ask(
            f"SELECT count(*) FROM {table} WHERE tenant_id IN (SELECT id FROM tenants WHERE subdomain ~ '^seed')"
        ) == [(count,)], table
    assert ask("SELECT sum(deal_count) FROM revenue_by_close_month") == ask(
        "SELECT count(*) FROM deals WHERE stage = 'closed_won'"
    )
    ((tenant_id,),) = ask("SELECT id FROM tenants WHERE subdomain = 'seed-00000'")
    with tenant_scope(tenant_id):
        people = {person.role: person for person in User.objects.all()}
    assert set(people) == {"admin", "manager", "user", "guest"}
    with tenant_scope(tenant_id):
        assert people["manager"].check_password("nexora-demo")


@pytest.mark.django_db(transaction=True)
def test_what_hangs_together_is_consistent():
    seed(tenants=2, customers=100, deals=300, activities=900)
    wrong = {
        "a closed deal has its day, an open one none": "deals WHERE (stage LIKE 'closed%') <> (closed_at IS NOT NULL)",
        "a deal comes after its customer": "deals d JOIN customers c ON c.id = d.customer_id "
        "WHERE d.created_at < c.created_at",
        "a deal closes after it opens": "deals WHERE closed_at < created_at",
        "an activity is of its deal's customer": "activities a JOIN deals d ON d.id = a.deal_id "
        "WHERE a.customer_id <> d.customer_id",
        "an activity comes after its deal": "activities a JOIN deals d ON d.id = a.deal_id "
        "WHERE a.created_at < d.created_at",
        "nobody has changed a row before making it": "customers WHERE updated_at < created_at",
        "nothing happened in the future": "activities WHERE created_at > '2026-11-20 23:59+00'",
    }
    assert {rule for rule, rows in wrong.items() if ask(f"SELECT count(*) FROM {rows}") != [(0,)]} == set()
    ((months, stages, scripts),) = ask(
        "SELECT count(DISTINCT date_trunc('month', created_at)), count(DISTINCT stage),"
        " (SELECT count(*) FROM customers WHERE name ~ '[^ -~]') FROM deals"
    )
    assert months >= 20
    assert stages == 5
    assert scripts > 50


@pytest.mark.django_db(transaction=True)
def test_a_seeded_database_is_refused_unless_more_is_wanted():
    seed()
    with pytest.raises(CommandError, match="--append"):
        seed()
    seed(append=True)
    assert ask("SELECT count(*), max(subdomain) FROM tenants WHERE subdomain ~ '^seed-'") == [(6, "seed-00005")]


def test_skew_gives_one_tenant_a_tenth_of_everything():
    population = Population(tenants=10, customers=100, deals=505, activities=2_000, seed=1, skew=True)
    rows = [(o.customers, o.deals, o.activities) for o in population.organisations()]
    assert rows[0] == (100, 50, 200)
    assert [sum(column) for column in zip(*rows, strict=True)] == [1_000, 505, 2_000]
    even = Population(tenants=4, customers=10, deals=10, activities=0, seed=1).organisations()
    assert [o.deals for o in even] == [3, 3, 2, 2]


def test_rows_are_made_one_at_a_time():
    """A population too large for any memory still begins at once."""
    lines = Population(tenants=10**6, customers=10**6, deals=10**12, activities=10**12, seed=1).lines("activities")
    assert next(lines).count("\t") == len(COLUMNS["activities"].split()) - 1
