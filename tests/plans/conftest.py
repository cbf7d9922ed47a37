import pytest

from .crowd import crowd


@pytest.fixture(scope="package")
def big(django_db_setup, django_db_blocker):
    """The tenant with most of everything."""
    with django_db_blocker.unblock(), crowd() as tenant:
        yield tenant
