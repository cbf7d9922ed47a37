import pytest

from tests.database import owner_transaction

from . import catalog


@pytest.fixture(scope="session")
def both(django_db_setup, django_db_blocker):
    """(the seed's tables, ours), each as PostgreSQL itself describes them. Nothing of it stays in the database."""
    with django_db_blocker.unblock(), owner_transaction() as connection, connection.cursor() as cursor:
        catalog.build_seed(cursor, "seed")
        return catalog.read(cursor, "seed"), catalog.read(cursor, "public")


@pytest.fixture(scope="session")
def seed(both):
    return both[0]


@pytest.fixture(scope="session")
def ours(both):
    return both[1]
