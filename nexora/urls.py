from django.contrib import admin
from django.urls import include, path

from apps.accounts.urls import admin_pages, pages
from apps.tenants.pages import home
from nexora.kernel.api.documents import DocsView, SchemaView
from nexora.kernel.api.problems import problems
from nexora.kernel.health import healthz, readyz
from nexora.kernel.pages import brand_css

# One include per app: a flat list of all routes would cost every request of the last app a tenth of a millisecond.
SECTIONS = ["crm", "workflows", "analytics", "marketplace", "accounts", "tenants"]

api = [
    *(path("", include(f"apps.{section}.urls")) for section in SECTIONS),
    path("schema/", SchemaView.as_view(), name="schema"),
    path("docs/", DocsView.as_view(), name="docs"),
]

urlpatterns = [
    path("api/v1/", include(api)),
    path("", home, name="home"),
    *pages,
    # Before the admin's own: signing in may take two steps.
    path("admin/", include(admin_pages)),
    path("admin/", admin.site.urls),
    path("problems/", problems, name="problems"),
    path("problems/<slug:code>", problems, name="problem"),
    path("brand.css", brand_css, name="brand-css"),
    path("healthz", healthz),
    path("readyz", readyz),
]

handler400 = "nexora.kernel.api.exceptions.bad_request"
handler403 = "nexora.kernel.api.exceptions.permission_denied"
handler404 = "nexora.kernel.api.exceptions.page_not_found"
handler500 = "nexora.kernel.api.exceptions.server_error"
