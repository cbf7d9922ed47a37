"""The admin site: the tenant's brand, the sections a person may see, and a first page."""

import functools
import time
from urllib.parse import urlencode

from django.conf import settings
from django.contrib.admin.views.autocomplete import AutocompleteJsonView
from django.core.exceptions import ValidationError
from django.http import HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.templatetags.static import static
from django.urls import reverse
from django.views.decorators.csp import csp_override
from unfold.dataclasses import Favicon, SearchResult
from unfold.sites import UnfoldAdminSite

from nexora.kernel import permissions
from nexora.kernel.admin.dashboard import panels_for
from nexora.kernel.admin.history import is_open_to
from nexora.kernel.admin.records import over_all_tenants
from nexora.kernel.brand import brand_of
from nexora.kernel.scope import tenant_scope

# The theme evaluates attributes as JavaScript and writes styles into its pages. Logos may come from anywhere.
CSP = {
    **settings.SECURE_CSP,
    "script-src": ["'self'", "'unsafe-eval'"],
    "style-src": ["'self'", "'unsafe-inline'"],
    "img-src": [*settings.SECURE_CSP["img-src"], *([] if settings.HTTPS else ["http:"])],
}
FOUND_PER_MODEL = 5


_sidebar_groups = []


def sidebar_group(function):
    """Register a function of the request that answers a group above the navigation, or None."""
    _sidebar_groups.append(function)
    return function


_account_links = []


def account_link(function):
    """Register a function of the request that answers {"title", "link"}: an entry of everybody's own menu."""
    _account_links.append(function)
    return function


class Autocomplete(AutocompleteJsonView):
    """Choices of a relation. On the platform they name their tenant, and follow the tenant chosen in the form."""

    def get_queryset(self):
        found = super().get_queryset()
        if self._is_tenants_own() and (tenant_id := self.request.GET.get("tenant")):
            try:
                found = found.filter(tenant_id=tenant_id)
            except ValidationError:
                found = found.none()
        return found.select_related("tenant") if self._is_tenants_own() else found

    def serialize_result(self, obj, to_field_name):
        result = super().serialize_result(obj, to_field_name)
        if self._is_tenants_own() and not self.request.GET.get("tenant"):
            result["text"] = f"{obj} · {obj.tenant}"
        return result

    def _is_tenants_own(self):
        return over_all_tenants() and getattr(self.model_admin.model, "tenant_field", None) == "tenant"


class NexoraAdminSite(UnfoldAdminSite):
    enable_nav_sidebar = True
    index_title = "Overview"

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        # Django's, which every list would have beside its own: of a record that is kept, it is a fault.
        self.disable_action("delete_selected")

    # -- What is in it

    def register(self, model_or_iterable, admin_class=None, **options):
        """Only what the policy names: packages bring admin classes of their own, which know nothing of tenants."""
        models = [model_or_iterable] if isinstance(model_or_iterable, type) else list(model_or_iterable)
        named = permissions.policy().resources
        ours = [model for model in models if model._meta.label_lower in named]
        if ours:
            super().register(ours, admin_class, **options)

    def get_app_list(self, request, app_label=None):
        """Sections in the order of settings.ADMIN_SECTIONS, records in the order in which their app registers them."""
        sections = super().get_app_list(request, app_label)
        order = settings.ADMIN_SECTIONS[::-1] if over_all_tenants() else settings.ADMIN_SECTIONS
        records = [model._meta.object_name for model in self._registry]
        sections.sort(key=lambda section: order.index(section["app_label"]))
        for section in sections:
            section["models"].sort(key=lambda record: records.index(record["object_name"]))
        return sections

    def get_sidebar_list(self, request):
        overview = {"title": "Overview", "icon": "space_dashboard", "link": reverse(f"{self.name}:index")}
        groups = [*(group for make in _sidebar_groups if (group := make(request))), {"title": "", "items": [overview]}]
        for section in self.get_app_list(request):
            items = [
                {
                    "title": record["name"][:1].upper() + record["name"][1:],
                    "icon": self._registry[record["model"]].icon,
                    "link": record["admin_url"],
                }
                for record in section["models"]
                if record["admin_url"]
            ]
            groups.append({"title": section["name"], "separator": True, "items": items})
        for group in groups:
            for item in group["items"]:
                is_home = item is overview
                item["active"] = request.path == item["link"] if is_home else request.path.startswith(item["link"])
                item["has_permission"] = True
        return groups

    # -- How it looks

    def each_context(self, request):
        context = super().each_context(request)
        brand = brand_of(request)
        tenant = getattr(request, "tenant", None)
        is_platform = tenant is not None and tenant.is_platform
        context |= {
            "brand": brand,
            "site_title": brand.name,
            "site_header": brand.name,
            "site_subheader": "Platform" if is_platform else None,
            "site_icon": brand.logo_url,
            "site_symbol": "hub" if is_platform else "domain",
            "site_url": "/" if is_platform else None,
            "show_history": context["has_permission"] and is_open_to(request.user),
            "colors": {**context["colors"], "primary": brand.shades},
            "styles": [static("nexora/admin.css")],
            "site_favicons": [Favicon(href=static("nexora/mark.svg"), rel="icon", type="image/svg+xml")],
            "account_links": [
                {"title": "Change password", "link": reverse(f"{self.name}:password_change")},
                *(make(request) for make in _account_links if context["has_permission"]),
                {"title": "API documentation", "link": "/api/v1/docs/"},
            ],
        }
        return context

    def index(self, request, extra_context=None):
        context = {
            **self.each_context(request),
            "title": self.index_title,
            "subtitle": None,
            "index": True,
            "panels": panels_for(request),
            **(extra_context or {}),
        }
        request.current_app = self.name
        return TemplateResponse(request, "admin/index.html", context)

    # -- How it is reached

    def admin_view(self, view, cacheable=False):
        return csp_override(CSP)(super().admin_view(_without_nul(view), cacheable))

    def password_change(self, request, extra_context=None):
        # One's own account is of the host's tenant, wherever a super_admin is at work just now.
        with tenant_scope(request.tenant.id):
            # Django's, which asks the site for its form; the theme's has one of its own.
            response = super(UnfoldAdminSite, self).password_change(request, extra_context)
            return response.render() if hasattr(response, "render") else response

    def autocomplete_view(self, request):
        return Autocomplete.as_view(admin_site=self)(request)

    def search(self, request, extra_context=None):
        """The search box of the navigation: sections by name, and a few records of each kind by prefix."""
        started = time.perf_counter()
        term = " ".join(request.GET.get("s", "").split())
        if not term:
            return HttpResponse()
        results = self._search_apps(super().get_app_list(request), term.lower())
        for model_admin in self._registry.values():
            fields = model_admin.get_search_fields(request)
            if fields and model_admin.has_view_permission(request):
                found, _ = model_admin.get_search_results(request, model_admin.get_queryset(request), term)
                results += [self._found(record) for record in found[:FOUND_PER_MODEL]]
        context = {
            "search_term": term,
            "results": results,
            "page_obj": {"count": len(results)},
            "page_counter": 0,
            "execution_time": time.perf_counter() - started,
        }
        return TemplateResponse(
            request, "unfold/helpers/command_results.html", context, headers={"HX-Trigger": "search"}
        )

    def _found(self, record):
        options = record._meta
        link = reverse(f"{self.name}:{options.app_label}_{options.model_name}_change", args=[record.pk])
        is_one_of_many = over_all_tenants() and getattr(record, "tenant_field", None) == "tenant"
        kind = f"{options.verbose_name} · {record.tenant}" if is_one_of_many else options.verbose_name
        return SearchResult(title=str(record), description=kind, link=link, icon=self._registry[type(record)].icon)


def _without_nul(view):
    """PostgreSQL stores no NUL, so nothing can match one: an address that holds one is sent on without it."""

    @functools.wraps(view)
    def checked(request, *args, **kwargs):
        if any("\x00" in text for name, values in request.GET.lists() for text in (name, *values)):
            clean = [(k.replace("\x00", ""), v.replace("\x00", "")) for k, vs in request.GET.lists() for v in vs]
            return HttpResponseRedirect(f"{request.path}?{urlencode(clean)}")
        return view(request, *args, **kwargs)

    return checked
