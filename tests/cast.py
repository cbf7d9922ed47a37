"""Run by production.cast: makes a tenant and its manager for each subdomain, and prints who they are."""

import json
import sys
from uuid import uuid4

import django
from django.apps import apps

if not apps.ready:
    django.setup()

from django.conf import settings
from django.test import Client

from apps.accounts.services.sessions import access_token
from nexora.kernel.scope import tenant_scope
from tests.factories import TenantFactory, UserFactory


def person(subdomain):
    tenant = TenantFactory(subdomain=subdomain)
    user = UserFactory(tenant=tenant, role="manager", email=f"manager@{subdomain}.example")
    browser = Client()
    with tenant_scope(tenant):
        browser.force_login(user)
        token = access_token(user, uuid4())
    session = browser.cookies[settings.SESSION_COOKIE_NAME].value
    return {"subdomain": subdomain, "tenant_id": str(tenant.pk), "token": token, "session": session}


if __name__ == "__main__":
    json.dump([person(subdomain) for subdomain in sys.argv[1:]], sys.stdout)
