"""Run by test_pooler.py as a process of its own: many threads, several tenants, very few sessions."""

import random
import threading
from decimal import Decimal
from uuid import uuid4

import django
from django.apps import apps

if not apps.ready:
    django.setup()

from django.db import connection, transaction

from apps.crm.models import Customer
from nexora.kernel.scope import tenant_scope, unscoped
from tests.factories import CustomerFactory, DealFactory, TenantFactory

TENANTS, THREADS, ROUNDS = 2, 8, 60
faults = []


def owners():
    """Tenants of all that plain SQL shows: the policy alone is between it and the others' rows."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT DISTINCT tenant_id FROM customers")
        return {row[0] for row in cursor.fetchall()}


def work(tenants, seed):
    dice = random.Random(seed)
    try:
        for number in range(ROUNDS):
            tenant = dice.choice(tenants)
            with tenant_scope(tenant):
                assert owners() == {tenant.pk}
                with transaction.atomic():
                    assert owners() == {tenant.pk}
                    Customer(tenant=tenant, name=f"{seed}-{number}").save()
                    with tenant_scope(dice.choice(tenants)) as other:
                        assert owners() == {other.tenant_id}
                assert {row.tenant_id for row in Customer.objects.iterator(chunk_size=2)} == {tenant.pk}
            if dice.random() < 0.2:
                with unscoped(reason="the hammer counts"):
                    assert owners() >= {one.pk for one in tenants}
            assert owners() == set(), "outside any scope nothing is seen"
    except Exception as error:
        faults.append(repr(error))
    finally:
        connection.close()


def main():
    tenants = [TenantFactory(subdomain=f"hammer-{uuid4()}") for _ in range(TENANTS)]
    for tenant in tenants:
        DealFactory(customer=CustomerFactory(tenant=tenant), value=Decimal("1.00"))
    threads = [threading.Thread(target=work, args=(tenants, seed)) for seed in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for fault in faults:
        print(fault)  # noqa: T201
    with unscoped(reason="the hammer counts"):
        print(Customer.objects.filter(tenant__in=tenants).count())  # noqa: T201


if __name__ == "__main__":
    main()
