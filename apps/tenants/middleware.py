from django.conf import settings
from django.core.exceptions import DisallowedHost
from django_tenants.middleware.main import TenantMainMiddleware

from nexora.kernel.api.exceptions import DATABASE_AWAY, as_error
from nexora.kernel.errors import NexoraError
from nexora.kernel.middleware import API
from nexora.kernel.pages import refusal
from nexora.kernel.scope import tenant_scope

from .hosts import find_tenant
from .rates import limited

# Asked by load balancers, which know no tenant's host.
HOSTLESS = frozenset({"/healthz", "/readyz"})


class UnknownHost(NexoraError):
    """No organisation has this address."""

    status = 404
    code = "unknown_host"
    title = "Unknown host"


class TenantClosed(NexoraError):
    """The organisation is suspended or cancelled: none of its people can work until it is opened again."""

    status = 403
    code = "tenant_closed"
    title = "Organisation closed"


class TenantMiddleware(TenantMainMiddleware):
    """Runs each request inside the scope of the tenant that its host names, and in no other.

    Unknown hosts get 404; a suspended or cancelled tenant 403 with the reason; `request.tenant` is a HostTenant.
    Requests of the API are counted here: a middleware for that alone would cost each as much as the counting does.
    """

    async_capable = False

    def __call__(self, request):
        if request.path in HOSTLESS:
            # Whatever they call us, or nothing: the middlewares below want a host that is one.
            request.META["HTTP_HOST"] = settings.BASE_DOMAIN
            return self.get_response(request)
        try:
            host = self.hostname_from_request(request).lower().rstrip(".")
            tenant = find_tenant(host)
        except DisallowedHost:
            return self.no_tenant_found(request, "")
        except DATABASE_AWAY as error:
            return refusal(request, as_error(error))
        if tenant is None:
            return self.no_tenant_found(request, host)
        request.tenant = tenant
        if request.path_info.startswith(API):
            return limited(request, tenant, self.answer)
        return self.answer(request)

    def answer(self, request):
        tenant = request.tenant
        if not tenant.is_open:
            return refusal(
                request, TenantClosed(f"This organisation is {tenant.status}. Ask its owner, or our support.")
            )
        with tenant_scope(tenant.id):
            return self.get_response(request)

    def no_tenant_found(self, request, hostname):
        return refusal(
            request, UnknownHost("No organisation answers on this host. Check the address for a typing error.")
        )
