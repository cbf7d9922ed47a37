"""The OpenAPI document and Swagger UI, open to everybody."""

from functools import cache

from django.utils.decorators import method_decorator
from django.views.decorators.csp import csp_override
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.renderers import (
    OpenApiJsonRenderer,
    OpenApiJsonRenderer2,
    OpenApiYamlRenderer,
    OpenApiYamlRenderer2,
)
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.response import Response

from nexora.kernel.api.declarations import PLATFORM, TENANT
from nexora.kernel.api.formats import JSONRenderer
from nexora.kernel.api.viewsets import on_platform
from nexora.kernel.scope import PLATFORM_TENANT_ID, tenant_scope


@cache
def document(host):
    """The document of a kind of host, made once per process: it takes some hundred milliseconds."""
    return SchemaGenerator().get_schema(request=None, public=True)


class JSONErrors:
    """Mixed into a view with renderers of its own: problems are JSON, whatever the document would have been."""

    def handle_exception(self, exc):
        response = super().handle_exception(exc)
        self.request.accepted_renderer, self.request.accepted_media_type = JSONRenderer(), "application/json"
        return response


class SchemaView(JSONErrors, SpectacularAPIView):
    """OpenAPI 3.1, as JSON, or as YAML for `?format=yaml`."""

    renderer_classes = (OpenApiJsonRenderer2, OpenApiJsonRenderer, OpenApiYamlRenderer, OpenApiYamlRenderer2)
    content_negotiation_class = DefaultContentNegotiation

    def _get_schema_response(self, request):
        host = PLATFORM if on_platform() else TENANT
        return Response(document(host), headers={"Vary": "Host"})


# Swagger UI writes style attributes and inlines its icons; its scripts are files of ours.
@method_decorator(
    csp_override(
        {
            "default-src": ["'self'"],
            "style-src": ["'self'", "'unsafe-inline'"],
            "img-src": ["'self'", "data:"],
            "object-src": ["'none'"],
            "base-uri": ["'self'"],
            "frame-ancestors": ["'none'"],
            "form-action": ["'self'"],
        }
    ),
    name="dispatch",
)
class DocsView(JSONErrors, SpectacularSwaggerSplitView):
    """Swagger UI, from our own static files."""

    url_name = "schema"
    content_negotiation_class = DefaultContentNegotiation


class PlatformGenerator(SchemaGenerator):
    """For `manage.py spectacular --generator-class`, which has no request to tell it the host: see VERSIONING.md."""

    def get_schema(self, request=None, public=False):
        with tenant_scope(PLATFORM_TENANT_ID):
            return super().get_schema(request, public)
