"""Answers given before or outside a view: problem+json to programs, a page to people."""

import orjson
from django.http import HttpResponse
from django.template.loader import render_to_string
from django.views.decorators.cache import cache_control

from nexora.kernel.brand import brand_of

BRAND_CSS = """:root { --brand: %(light)s; --on-brand: #fff; }
@media (prefers-color-scheme: dark) { :root { --brand: %(dark)s; --on-brand: #0b1120; } }
"""


@cache_control(max_age=60)
def brand_css(request):
    """The colour of this host's organisation, for pages of nobody who is signed in: those may carry no style inline."""
    shades = brand_of(request).shades
    return HttpResponse(BRAND_CSS % {"light": shades["600"], "dark": shades["500"]}, content_type="text/css")


def wants_json(request):
    return request.path.startswith("/api/") or "application/json" in request.headers.get("Accept", "")


def problem_document(error, path):
    """RFC 9457 members of a NexoraError."""
    document = {
        "type": f"/problems/{error.code}",
        "title": error.title,
        "status": error.status,
        "code": error.code,
        "detail": error.detail,
        "instance": path,
        **error.extra,
    }
    if error.fields:
        document["errors"] = error.fields
    return document


def refusal(request, error):
    """The answer to a request that a NexoraError ends."""
    headers = {"Retry-After": str(error.wait)} if error.wait else None
    if wants_json(request):
        body = orjson.dumps(problem_document(error, request.path))
        return HttpResponse(body, status=error.status, content_type="application/problem+json", headers=headers)
    page = render_to_string("pages/refusal.html", {"error": error}, request=None)
    return HttpResponse(page, status=error.status, headers=headers)
