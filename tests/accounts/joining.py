"""What tests about invitations and those about joining share; their fixtures are in conftest.py."""

from apps.accounts.models import User
from nexora.kernel.scope import tenant_scope, unscoped

INVITATIONS, ACCEPT, TOKEN = "/api/v1/invitations/", "/api/v1/auth/invitations/accept/", "/api/v1/auth/token/"
PASSWORD = "correct-horse-battery"
ADDRESS = "new@acme.com"


def accept(client, token, **values):
    return client.post(ACCEPT, {"token": token, "name": "New Person", "password": PASSWORD, **values})


def assert_not_valid(answer):
    assert (answer.status_code, answer.json()["code"]) == (400, "invitation_not_valid")


def fresh(record):
    with unscoped(reason="look"):
        return type(record).objects.get(pk=record.pk)


def suspend(person, **values):
    with tenant_scope(person.tenant_id):
        User.objects.filter(pk=person.pk).unpublished("test").update(**(values or {"status": "suspended"}))
