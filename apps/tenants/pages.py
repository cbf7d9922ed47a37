from django.conf import settings
from django.http import HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse


def home(request):
    """On the platform's host, what this is and where to go on; on a tenant's, its people want their back office."""
    if not request.tenant.is_platform:
        return HttpResponseRedirect(reverse("admin:index"))
    _, colon, port = request.get_host().partition(":")
    example = f"{request.scheme}://acme.{settings.BASE_DOMAIN}{colon}{port}/admin/"
    return render(request, "pages/home.html", {"example": example, "base_domain": settings.BASE_DOMAIN})
