"""What a browser's request needs and a program's does not.

The API knows its caller by a token: it has no session, no cookie and no form, so the middlewares that serve those let
it pass. They stay in MIDDLEWARE as classes of their own, because Django's checks and the admin look for them there.
"""

from contextlib import suppress
from ipaddress import ip_address

from django.conf import settings
from django.contrib.auth.middleware import AuthenticationMiddleware
from django.contrib.messages.middleware import MessageMiddleware
from django.contrib.sessions.middleware import SessionMiddleware
from django.core.exceptions import MiddlewareNotUsed
from django.middleware.clickjacking import XFrameOptionsMiddleware
from django.middleware.common import CommonMiddleware
from django.middleware.csp import ContentSecurityPolicyMiddleware
from django.middleware.csrf import CsrfViewMiddleware

API = "/api/"
# Documents are neither shown nor framed: should a browser be led to render one, it loads and runs nothing.
DOCUMENT_POLICY = "default-src 'none'; frame-ancestors 'none'"


def client_address(get_response):
    """REMOTE_ADDR is the client's, as the outermost of our own proxies saw it: before that anybody may have written."""
    if not settings.PROXIES:
        raise MiddlewareNotUsed

    def middleware(request):
        hops = request.META.get("HTTP_X_FORWARDED_FOR", "").split(",")
        with suppress(ValueError, IndexError):
            request.META["REMOTE_ADDR"] = str(ip_address(hops[-settings.PROXIES].strip()))
        return get_response(request)

    return middleware


class PagesOnly:
    """Mixed into a middleware: requests of the API pass it by, and those of this kind that follow."""

    def __init__(self, get_response):
        super().__init__(get_response)
        # Django puts a function around each middleware that turns its exceptions into answers.
        following = getattr(get_response, "__wrapped__", None)
        self.beyond = following.beyond if isinstance(following, PagesOnly) else get_response

    def __call__(self, request):
        if request.path_info.startswith(API):
            return self.beyond(request)
        return super().__call__(request)


class Common(CommonMiddleware):
    def __call__(self, request):
        if not request.path_info.startswith(API):
            return super().__call__(request)
        # The host is the tenant's middleware's to judge, and nobody writes "www." before it.
        return self.process_response(request, self.get_response(request))


class Sessions(PagesOnly, SessionMiddleware):
    pass


class Authentication(PagesOnly, AuthenticationMiddleware):
    pass


class Messages(PagesOnly, MessageMiddleware):
    pass


class FrameOptions(PagesOnly, XFrameOptionsMiddleware):
    pass


class CsrfProtection(PagesOnly, CsrfViewMiddleware):
    def process_view(self, request, callback, callback_args, callback_kwargs):
        # Forgery needs a credential that the browser sends by itself; the API takes none such.
        if request.path_info.startswith(API):
            return None
        return super().process_view(request, callback, callback_args, callback_kwargs)


class ContentSecurityPolicy(ContentSecurityPolicyMiddleware):
    """Django's for pages; constants for documents."""

    def __call__(self, request):
        if not request.path_info.startswith(API):
            return super().__call__(request)
        response = self.get_response(request)
        response.headers["X-Frame-Options"] = settings.X_FRAME_OPTIONS
        if response.get("Content-Type", "").startswith("text/html"):
            return self.process_response(request, response)
        response.headers.setdefault("Content-Security-Policy", DOCUMENT_POLICY)
        return response
