"""Who is asking: the tenant (and the database role) that every query of this context runs under.

The scope is a context variable, so threads and async tasks each have their own. Before every statement the database
backend compares it with what the connection was last told; the querysets compile it into every `WHERE`. Nothing else
decides which rows are visible.
"""

import logging
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from uuid import UUID

from nexora.kernel.errors import ScopeRequired

log = logging.getLogger("nexora.scope")

# The platform is a tenant too. Fixed, because a CHECK on users names it.
PLATFORM_TENANT_ID = UUID("00000000-0000-0000-0000-00000000c0de")

TENANT, UNSCOPED, OWNER = "tenant", "unscoped", "owner"


@dataclass(frozen=True, slots=True)
class Scope:
    kind: str
    tenant_id: UUID | None = None
    reason: str = ""

    @property
    def is_over_all_tenants(self):
        """No query is narrowed to one tenant."""
        return self.tenant_id is None

    @property
    def is_platform(self):
        return self.tenant_id == PLATFORM_TENANT_ID


_current = ContextVar("nexora_scope", default=None)


def current():
    """The scope of this context, or None outside any."""
    return _current.get()


def require(what="a query"):
    """The scope of this context; raises ScopeRequired, naming `what` was tried, outside any."""
    scope = _current.get()
    if scope is None:
        raise ScopeRequired(what)
    return scope


def current_tenant_id():
    """Id of the tenant in scope; raises ScopeRequired outside any and inside `unscoped()`."""
    scope = require("Reading the current tenant")
    if scope.tenant_id is None:
        raise ScopeRequired("Reading the current tenant")
    return scope.tenant_id


def default_tenant_id():
    """Field default of every `tenant` column: the tenant in scope, or None, which the database refuses to store."""
    scope = _current.get()
    return scope.tenant_id if scope else None


def tenant_id_of(tenant):
    """`tenant` may be a Tenant, a UUID or its text."""
    tenant_id = getattr(tenant, "pk", tenant)
    return tenant_id if isinstance(tenant_id, UUID) else UUID(str(tenant_id))


@contextmanager
def _within(scope):
    token = _current.set(scope)
    try:
        yield scope
    finally:
        _current.reset(token)


def tenant_scope(tenant):
    """Everything inside runs as the runtime role and sees this tenant's rows only."""
    return _within(Scope(TENANT, tenant_id_of(tenant)))


def unscoped(*, reason, tenant=None):
    """The one way to work across tenants: everything inside runs as the platform role. The reason is logged.

    With `tenant`, queries carry that tenant as in `tenant_scope`, but as the platform, which may do more than it.
    """
    if not reason or not reason.strip():
        raise ValueError("unscoped() needs a reason: a sentence that an auditor will read.")
    log.info("unscoped: %s", reason)
    return _within(Scope(UNSCOPED, None if tenant is None else tenant_id_of(tenant), reason))


def resumed(scope):
    """Go on in a scope that was current before, for what outlives its request: a download is sent after it has ended.

    Enter it for each step and leave it between steps: a generator that yields inside would leave it to its caller.
    """
    return _within(scope)


def owner_scope():
    """Belongs to nexora.kernel.db.login: the owner's policy admits every row, so no filter is compiled."""
    return _within(Scope(OWNER, None, "owner login"))


def activate(scope):
    """Set the scope for the rest of this context (django-tenants' `connection.set_tenant`). Prefer `tenant_scope`."""
    _current.set(scope)
