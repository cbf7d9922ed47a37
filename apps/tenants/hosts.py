"""From a host name to a tenant, cached for a few seconds."""

import time
from dataclasses import dataclass
from uuid import UUID

from django.conf import settings
from django.db import connection

from nexora.kernel.scope import PLATFORM_TENANT_ID

# Long enough to spare every request a query, short enough that a suspension is felt at once.
LIFETIME_SECONDS = 5
MOST_HOSTS = 10_000


@dataclass(frozen=True, slots=True)
class HostTenant:
    """All that is cached of a tenant: settings and brand are read when they are needed."""

    id: UUID
    status: str
    plan: str

    @property
    def is_platform(self):
        return self.id == PLATFORM_TENANT_ID

    @property
    def is_open(self):
        return self.status in ("active", "trial")


_cache: dict[str, tuple[float, HostTenant | None]] = {}


def find_tenant(host):
    """The HostTenant that answers on `host` (lower case, no port), or None."""
    if host == settings.BASE_DOMAIN:
        return HostTenant(PLATFORM_TENANT_ID, "active", "enterprise")
    now = time.monotonic()
    cached = _cache.get(host)
    if cached and cached[0] > now:
        return cached[1]
    tenant = _look_up(host)
    if len(_cache) >= MOST_HOSTS:  # somebody is sending made-up host names
        _cache.clear()
    _cache[host] = (now + LIFETIME_SECONDS, tenant)
    return tenant


def forget():
    """Drop what this process remembers; other processes follow within LIFETIME_SECONDS."""
    _cache.clear()


def _look_up(host):
    suffix = f".{settings.BASE_DOMAIN}"
    subdomain = host.removesuffix(suffix) if host.endswith(suffix) else None
    with connection.cursor() as cursor:
        cursor.execute("SELECT id, status, plan FROM tenant_of_host(%s, %s)", [subdomain, host])
        row = cursor.fetchone()
    return HostTenant(*row) if row else None
