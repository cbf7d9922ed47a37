import pytest

from . import harness


@pytest.fixture(scope="session")
def _nursery(django_db_setup, tmp_path_factory):
    """Made by the first test that has workers."""
    with harness.sink() as calls:
        made = []

        def nursery():
            if not made:
                made.append(harness.Nursery(tmp_path_factory.mktemp("faults"), calls))
            return made[0]

        yield nursery
        for one in made:
            one.close()


@pytest.fixture
def stage(transactional_db, _nursery, settings):
    """Workers over the database of the tests; they and the test may send requests to `stage.calls`."""
    nursery = _nursery()
    nursery.tidy()
    settings.OUTGOING_HTTP = True
    settings.OUTGOING_HOSTS = {("127.0.0.1", nursery.calls.server_port)}
    with harness.owner() as ask:
        made = harness.Stage(nursery, ask)
        try:
            yield made
        finally:
            made.close()
