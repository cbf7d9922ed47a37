"""What the API is spared, and what it keeps."""

import time
from uuid import uuid4

import pytest
from django.core.exceptions import MiddlewareNotUsed
from django.test import RequestFactory
from django.urls import get_resolver
from rest_framework_simplejwt.tokens import AccessToken

from apps.accounts.authentication import KeyAuthentication, TenantJWTAuthentication, VerifiedTokens, verified_tokens
from apps.accounts.services.sessions import access_token
from nexora.kernel.middleware import client_address


def test_an_answer_of_the_api_keeps_its_headers_and_sets_no_cookie(client_for, guest):
    answer = client_for(guest).get("/api/v1/customers/")
    assert answer.status_code == 200
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["X-Frame-Options"] == "DENY"
    assert answer.headers["Content-Security-Policy"] == "default-src 'none'; frame-ancestors 'none'"
    assert not answer.cookies


@pytest.mark.parametrize("address", ["/api/v1/docs/", "/api/v1/customers", "/api/v1/nowhere/"])
def test_no_answer_of_the_api_may_be_framed(client_for, guest, address):
    answer = client_for(guest).get(address)
    assert answer.headers["X-Frame-Options"] == "DENY"
    assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]


def test_every_view_of_the_api_takes_tokens_only():
    """It is spared the check against forgery, so it must take no credential that a browser sends by itself."""
    views = []

    def walk(patterns):
        for pattern in patterns:
            if hasattr(pattern, "url_patterns"):
                walk(pattern.url_patterns)
            else:
                views.append(pattern.callback.cls)

    walk(next(p for p in get_resolver().url_patterns if str(p.pattern) == "api/v1/").url_patterns)
    assert views
    for view in views:
        assert set(view.authentication_classes) <= {KeyAuthentication, TenantJWTAuthentication}, view


def test_a_verified_token_is_refused_on_another_host(client, member, globex):
    token = AccessToken(access_token(member, uuid4()))
    headers = {"Authorization": f"Bearer {token}"}
    assert client.get("/api/v1/customers/", headers=headers | {"Host": "acme.localhost"}).status_code == 200
    assert str(token).encode() in verified_tokens._kept
    assert client.get("/api/v1/customers/", headers=headers | {"Host": "globex.localhost"}).status_code == 401


def test_a_verified_token_expires(client, member, monkeypatch):
    token = AccessToken(access_token(member, uuid4()))
    headers = {"Authorization": f"Bearer {token}", "Host": "acme.localhost"}
    assert client.get("/api/v1/customers/", headers=headers).status_code == 200
    with monkeypatch.context() as later:
        later.setattr(time, "time", lambda: token["exp"] + 0.5)
        assert verified_tokens.get(str(token).encode()) is None
    assert str(token).encode() not in verified_tokens._kept


class TestTheClientsAddress:
    def seen(self, settings, proxies, forwarded):
        settings.PROXIES = proxies
        request = RequestFactory().get("/", headers={"X-Forwarded-For": forwarded} if forwarded is not None else {})
        try:
            client_address(lambda request: None)(request)
        except MiddlewareNotUsed:
            assert proxies == 0
        return request.META["REMOTE_ADDR"]

    def test_is_the_connections_where_no_proxy_is_ours(self, settings):
        assert self.seen(settings, 0, "192.0.2.9") == "127.0.0.1"

    @pytest.mark.parametrize(
        ("proxies", "forwarded", "address"),
        [
            (1, "192.0.2.9", "192.0.2.9"),
            (1, "203.0.113.1, 192.0.2.9", "192.0.2.9"),
            (2, "203.0.113.1, 192.0.2.9,10.0.0.1", "192.0.2.9"),
            (1, " 2001:DB8::1", "2001:db8::1"),
        ],
    )
    def test_is_what_the_outermost_of_our_proxies_saw(self, settings, proxies, forwarded, address):
        assert self.seen(settings, proxies, forwarded) == address

    @pytest.mark.parametrize("forwarded", [None, "", "somebody", "192.0.2.9, \x00"])
    def test_is_the_proxys_where_it_says_nothing_sensible(self, settings, forwarded):
        assert self.seen(settings, 1, forwarded) == "127.0.0.1"


@pytest.mark.parametrize("count", [1, 5, 100])
def test_only_so_many_tokens_are_remembered(monkeypatch, count):
    monkeypatch.setattr(VerifiedTokens, "MOST", 5)
    tokens = VerifiedTokens()
    for number in range(count):
        tokens.put(str(number).encode(), ("user", "token"), time.time() + 60)
    assert 1 <= len(tokens._kept) <= 5
    assert tokens.get(str(count - 1).encode()) == ("user", "token")
