"""Sessions of their own, for tests about the database itself."""

from contextlib import contextmanager

from django.db import connections, transaction

from nexora.kernel.db.login import OWNER


@contextmanager
def another_session(*, login=None, database=None):
    """A second connection of the default alias, outside the test's transaction; closed at the end."""
    connection = connections["default"].copy()
    if login:
        connection.login = login
    if database:
        connection.settings_dict["NAME"] = database
        # Django's pool, if there is one, leads to the test database.
        connection.settings_dict["OPTIONS"].pop("pool", None)
    try:
        yield connection
    finally:
        connection.close()


@contextmanager
def as_default(connection):
    """Inside, `connection` is what the ORM, `atomic` and the commands use."""
    usual = connections["default"]
    connections["default"] = connection
    try:
        yield connection
    finally:
        connections["default"] = usual


@contextmanager
def owner_transaction():
    """The default connection is one of the owner, in a transaction that is rolled back; no scope is entered."""
    with another_session(login=OWNER) as connection, as_default(connection), transaction.atomic():
        with connection.cursor() as cursor:
            # A test that also holds a table in its own transaction fails instead of waiting for itself.
            cursor.execute("SET LOCAL lock_timeout = '10s'")
        yield connection
        transaction.set_rollback(True)
