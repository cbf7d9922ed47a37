from django.contrib import messages
from django.contrib.auth import logout
from django.shortcuts import redirect

from apps.tenants.models import Tenant
from apps.tenants.services.inside import leave_tenant, tenant_inside
from nexora.kernel import events
from nexora.kernel.scope import unscoped

from .services import browsers


def admin_path(request):
    return request.path.startswith("/admin/")


class ActorMiddleware:
    """Says who acts: for the admin, the signed-in person; for the API, whoever its token names later on.

    A browser whose session has been ended is signed out first. Before the scope is left: the session is of this host.
    """

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        with events.acting_as(self.actor(request) if admin_path(request) else None):
            return self.get_response(request)

    @staticmethod
    def actor(request):
        user = request.user
        if not user.is_authenticated:
            return None
        session_id = browsers.use_browser_session(request=request, user=user)
        if session_id is None:
            logout(request)
            messages.info(request, "This session has ended. Sign in again.")
            return None
        return events.Actor(user.pk, str(user), user.tenant_id, request.META.get("REMOTE_ADDR") or None, session_id)


class PlatformAdminMiddleware:
    """On the platform's host, a super_admin's admin pages show every tenant's records, or those of the one entered.

    The person is looked up before the scope is left, so nobody but a user of the platform tenant gets here.
    """

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        tenant = getattr(request, "tenant", None)
        if tenant is None or not tenant.is_platform or not admin_path(request):
            return self.get_response(request)
        user = request.user
        if not (user.is_authenticated and user.role == user.Role.SUPER_ADMIN):
            return self.get_response(request)
        # Escaped: a path is the sender's text, and this is one line of a log.
        reason = f"platform admin: {request.method} {request.path!a} by {user.pk}"
        inside = tenant_inside(request.session)
        if inside:
            reason += f", inside {inside['tenant']} because {inside['reason']!a}"
        with unscoped(reason=reason, tenant=inside and inside["tenant"]):
            if inside and not Tenant.objects.filter(pk=inside["tenant"]).exists():
                leave_tenant(session=request.session, tenant=None)
                messages.warning(request, f"{inside['name']} has been deleted. You are outside of it again.")
                return redirect("admin:index")
            return self.get_response(request)
