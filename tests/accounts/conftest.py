import pytest
from rest_framework.test import APIClient

from tests.accounts.factors import require
from tests.factories import SecondFactorFactory


@pytest.fixture
def api(acme):
    return APIClient(HTTP_HOST="acme.localhost")


@pytest.fixture
def enrolled(member):
    SecondFactorFactory(user=member)
    return member


@pytest.fixture
def strict(acme):
    """acme requires a second factor."""
    require(acme)
    return acme
