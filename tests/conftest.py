"""The cast and the guards.

At acme there is one person per role, named after it, and a second user; at globex mallory, an admin who must never see
acme; on the platform root. Tests run as the runtime role and in no scope: a test that needs one enters it.
"""

from unittest.mock import patch

import pytest
from django.conf import settings
from django.contrib.auth import hashers
from django.db import connections
from django.test import Client, override_settings
from rest_framework.test import APIClient

from apps.accounts import authentication
from apps.tenants import hosts, rates
from nexora.kernel import scope
from nexora.kernel.scope import PLATFORM_TENANT_ID, tenant_scope, unscoped
from tests.factories import RefreshTokenFactory, TenantFactory, UserFactory

CHEAP_HASHER = "django.contrib.auth.hashers.MD5PasswordHasher"


def pytest_configure(config):
    config.addinivalue_line("markers", "once: CI runs it on one PostgreSQL: another would be asked nothing new")
    config.addinivalue_line("markers", "slow: takes seconds; leave it out with -m 'not slow'")


# -- Guards


@pytest.fixture(autouse=True)
def _no_scope_outlives_a_test():
    """Each test begins in no scope and leaves none behind."""
    scope.activate(None)
    yield
    left, _ = scope.current(), scope.activate(None)
    assert left is None, f"the test left its scope behind: {left}"


@pytest.fixture(autouse=True)
def _no_host_is_remembered():
    """Tenants are made anew in each test; the process remembers hosts for seconds, and counts their requests."""
    hosts.forget()
    rates.counter.forget()


@pytest.fixture(scope="session", autouse=True)
def _cheap_passwords():
    """Argon2 is slow on purpose, and a test signs in often, or fails to. Real hashes are still verified."""
    cheap = patch.object(authentication, "get_hashers", lambda: hashers.get_hashers()[:1])
    with override_settings(PASSWORD_HASHERS=[CHEAP_HASHER, *settings.PASSWORD_HASHERS]), cheap:
        yield


@pytest.fixture
def real_password_hashers(settings, monkeypatch):
    """The hashers of production, for tests about passwords themselves."""
    monkeypatch.setattr(authentication, "get_hashers", hashers.get_hashers)
    settings.PASSWORD_HASHERS = [hasher for hasher in settings.PASSWORD_HASHERS if hasher != CHEAP_HASHER]


# -- The cast


@pytest.fixture
def acme(db):
    return TenantFactory(name="Acme Corp", subdomain="acme")


@pytest.fixture
def globex(db):
    return TenantFactory(name="Globex", subdomain="globex")


@pytest.fixture
def platform(db):
    from apps.tenants.models import Tenant

    with unscoped(reason="test data"):
        return Tenant.objects.get(pk=PLATFORM_TENANT_ID)


@pytest.fixture
def admin(acme):
    return UserFactory(tenant=acme, role="admin", name="Admin", email="admin@acme.com")


@pytest.fixture
def manager(acme):
    return UserFactory(tenant=acme, role="manager", name="Manager", email="manager@acme.com")


@pytest.fixture
def member(acme):
    """The person of role `user`."""
    return UserFactory(tenant=acme, role="user", name="Member", email="user@acme.com")


@pytest.fixture
def colleague(acme):
    """Another person of role `user`: what is theirs is not member's."""
    return UserFactory(tenant=acme, role="user", name="Colleague", email="colleague@acme.com")


@pytest.fixture
def guest(acme):
    return UserFactory(tenant=acme, role="guest", name="Guest", email="guest@acme.com")


@pytest.fixture
def mallory(globex):
    return UserFactory(tenant=globex, role="admin", name="Mallory", email="mallory@globex.com")


@pytest.fixture
def root(platform):
    return UserFactory(tenant=platform, role="super_admin", name="Root", email="root@nexora.example")


@pytest.fixture
def cast(admin, manager, member, guest, root):
    """{role: the person who has it}: of acme, but for the platform's super_admin."""
    return {person.role: person for person in (admin, manager, member, guest, root)}


# -- Places


@pytest.fixture
def in_acme(acme):
    """The whole test runs in acme's scope."""
    with tenant_scope(acme):
        yield acme


@pytest.fixture
def in_scope():
    """`with in_scope(tenant):`"""
    return tenant_scope


def host_of(tenant):
    """The host on which a tenant answers."""
    return settings.BASE_DOMAIN if tenant.pk == PLATFORM_TENANT_ID else f"{tenant.subdomain}.{settings.BASE_DOMAIN}"


@pytest.fixture
def client_for():
    """`client_for(user)`: an API client on the user's host with a token of a session of its own, which it names as
    `session_id`; `client_for(None, tenant=…)`: without one."""
    from apps.accounts.services.sessions import access_token

    def make(user, *, tenant=None):
        client = APIClient(HTTP_HOST=host_of(tenant or user.tenant))
        if user:
            session = RefreshTokenFactory(user=user, tenant=user.tenant)
            with tenant_scope(user.tenant_id):
                token = access_token(user, session.pk)
            client.credentials(HTTP_AUTHORIZATION=f"Bearer {token}")
            client.session_id = str(session.pk)
        return client

    return make


@pytest.fixture
def admin_client_for(db):
    """`admin_client_for(user)`: a browser on the user's host, signed in to the admin by session."""

    def make(user):
        client = Client(HTTP_HOST=host_of(user.tenant))
        with tenant_scope(user.tenant_id):
            client.force_login(user)
        return client

    return make


# -- The owner's database


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup):
    """pytest-django makes a test database only if a collected test asks for `db`; no other may run on the real one."""
    name = connections["default"].settings_dict["NAME"]
    if not name.startswith("test_"):
        pytest.fail(
            f"There is no test database, and {name} is real. Run some test that asks for `db` along with this one."
        )


@pytest.fixture
def owner_connection(db):
    """A Django connection to the test database logged in as the owner, inside a transaction that is rolled back.

    It is another session: it does not see rows of the test's own open transaction.
    """
    from tests.database import owner_transaction

    with owner_transaction() as connection:
        yield connection
