import pytest

from nexora.kernel.scope import tenant_scope
from tests.workflows.flows import note, workflow


@pytest.fixture
def browser(admin, admin_client_for):
    """An admin's of acme."""
    return admin_client_for(admin)


@pytest.fixture
def stored(acme):
    """`stored(owner, *actions, …)`: a checked workflow at acme."""

    def make(owner, *actions, **values):
        with tenant_scope(acme):
            return workflow(owner, *(actions or [note()]), **values)

    return make
