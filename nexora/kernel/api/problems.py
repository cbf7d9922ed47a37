"""The pages that a problem's `type` leads to."""

from django.http import Http404, JsonResponse
from django.shortcuts import render

from nexora.kernel.api.exceptions import catalogue


def problems(request, code=None):
    """Every kind of error, or one: a page, or JSON for programs."""
    entries = [
        {"code": name, "type": f"/problems/{name}", "status": status, "title": title, "description": description}
        for name, (status, title, description) in catalogue().items()
        if code in (None, name)
    ]
    if not entries:
        raise Http404
    if "text/html" in request.headers.get("Accept", ""):
        return render(request, "pages/problems.html", {"problems": entries, "code": code})
    return JsonResponse(entries[0] if code else {"results": entries})
