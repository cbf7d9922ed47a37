import pytest
from rest_framework.test import APIClient

from tests.accounts.factors import require
from tests.accounts.joining import ADDRESS, INVITATIONS
from tests.factories import SecondFactorFactory
from tests.mailbox import deliver, link_to


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


@pytest.fixture
def acme_client(acme):
    return APIClient(HTTP_HOST="acme.localhost")


@pytest.fixture
def invite(admin, client_for):
    """`invite(email, …)`: the answer's document."""

    def post(email=ADDRESS, *, by=None, **values):
        answer = client_for(by or admin).post(INVITATIONS, {"email": email, **values})
        assert answer.status_code == 202, answer.content
        return answer.json()

    return post


@pytest.fixture
def invited(invite):
    """`invited(…)`: (document, token of the mailed link)."""

    def post(*args, **values):
        document = invite(*args, **values)
        (message,) = deliver()
        return document, link_to(message, "/join")[1]

    return post
