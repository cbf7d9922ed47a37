"""The admin as a place: its brand, its sign-in, its first page and what surrounds it."""

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from nexora.kernel import brand
from nexora.kernel.admin import dashboard
from nexora.kernel.brand import READABLE, contrast, make_brand
from nexora.kernel.scope import unscoped
from tests.factories import (
    PASSWORD,
    ActivityFactory,
    CustomerFactory,
    DealFactory,
    TenantFactory,
    UserFactory,
)

INDEX, LOGIN = "/admin/", "/admin/login/"


def browser(host="acme.localhost"):
    return Client(HTTP_HOST=host)


def sign_in(client, email, password=PASSWORD):
    return client.post(LOGIN, {"username": email, "password": password})


# -- Brand


@pytest.mark.parametrize(
    "white_label", [None, [], "red", 7, {}, {"name": 5, "primary_color": [], "logo_url": {}}, {"name": "  "}]
)
def test_a_brand_that_is_none_leaves_the_tenants_name_and_our_colour(white_label):
    made = make_brand("Acme", white_label)
    assert (made.name, made.color, made.logo_url) == ("Acme", brand.DEFAULT_COLOR, None)


@pytest.mark.parametrize(
    ("given", "used"),
    [
        ("#0F766E", "#0f766e"),
        (" #abc ", "#aabbcc"),
        ("#12345", brand.DEFAULT_COLOR),
        ("red;}body{display:none", brand.DEFAULT_COLOR),
        ("#0f766e\n", "#0f766e"),
    ],
)
def test_a_brands_colour_is_a_hex_colour_or_ours(given, used):
    assert make_brand("Acme", {"primary_color": given}).color == used


@pytest.mark.parametrize(
    ("given", "used"),
    [
        ("https://cdn.example/logo.svg", "https://cdn.example/logo.svg"),
        ("/static/logo.svg", "/static/logo.svg"),
        ("//evil.example/logo.svg", None),
        ("/\\evil.example", None),
        ("javascript:alert(1)", None),
        ("data:image/svg+xml;base64,AAAA", None),
        ("https://[", None),
        ("https:", None),
        ("logo.svg", None),
        ("https://a.example/\x00", None),
        (5, None),
    ],
)
def test_a_brands_logo_is_an_address_that_a_page_may_load(given, used):
    assert make_brand("Acme", {"logo_url": given}).logo_url == used


@pytest.mark.parametrize("color", ["#ffff00", "#000000", "#ffffff", "#0f766e", "#ff69b4", "#808080"])
def test_any_colour_becomes_a_readable_palette(color):
    shades = {weight: brand._rgb(shade) for weight, shade in brand.palette(color).items()}
    assert contrast(shades["600"], brand.WHITE) >= READABLE
    assert contrast(shades["500"], brand.DARK_PAGE) >= READABLE
    lightness = [brand._luminance(shades[weight]) for weight in ("50", "100", "200", "300", "400")]
    assert lightness == sorted(lightness, reverse=True)


def test_the_sign_in_page_wears_the_tenants_brand(db):
    TenantFactory(subdomain="acme", name="Acme", white_label={"name": "<b>Acme</b> CRM", "logo_url": "/logo.svg"})
    page = browser().get(LOGIN).content.decode()
    assert "&lt;b&gt;Acme&lt;/b&gt; CRM" in page
    assert "<b>Acme</b>" not in page
    assert 'src="/logo.svg"' in page
    assert "Email" in page
    assert "Username" not in page


# -- Sign-in


@pytest.mark.parametrize("person", ["member", "manager", "admin"])
def test_staff_sign_in_by_email(person, request):
    user = request.getfixturevalue(person)
    client = browser()
    assert sign_in(client, f" {user.email.upper()} ").headers["Location"] == INDEX
    assert client.get(INDEX).status_code == 200


def test_a_guest_is_told_where_to_go(guest):
    client = browser()
    assert "Guests read through the API" in sign_in(client, guest.email).content.decode()
    assert client.get(INDEX).status_code == 302


@pytest.mark.parametrize("password", ["wrong", "x" * 5000, "nul\x00"])
def test_a_wrong_password_says_no_more_than_that(admin, password):
    page = sign_in(browser(), admin.email, password)
    assert page.status_code == 200
    assert "_auth_user_id" not in page.wsgi_request.session


def test_another_organisations_people_are_unknown_here(admin, mallory):
    page = sign_in(browser(), mallory.email).content.decode()
    assert "No active account of this organisation" in page


def test_whoever_stands_on_the_platform_cannot_sign_in_as_a_tenants_admin_there(root, admin, admin_client_for):
    client = admin_client_for(root)
    assert "No active account of this organisation" in sign_in(client, admin.email).content.decode()


def test_a_session_of_one_organisation_is_nobodys_on_anothers_host(admin, globex, admin_client_for):
    client = admin_client_for(admin)
    assert client.get(INDEX).status_code == 200
    assert client.get(INDEX, headers={"host": "globex.localhost"}).status_code == 302


def test_signing_in_stands_in_the_trail_and_is_no_edit(admin):
    from apps.accounts.models import AuditEvent

    sign_in(browser(), admin.email)
    with unscoped(reason="look"):
        assert list(AuditEvent.objects.values_list("action", flat=True)) == ["signed_in"]
        admin.refresh_from_db()
    assert admin.last_login is not None


# -- Around it


def test_scripts_may_evaluate_in_the_admin_and_nowhere_else(admin, admin_client_for):
    client = admin_client_for(admin)
    for address in (INDEX, LOGIN, "/admin/crm/customer/", "/admin/password_change/"):
        policy = client.get(address, follow=False).headers["Content-Security-Policy"]
        assert "script-src 'self' 'unsafe-eval'" in policy
        assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in browser("localhost").get("/").headers["Content-Security-Policy"]


def test_the_front_page_is_the_platforms(acme):
    page = browser("localhost").get("/").content.decode()
    assert "/api/v1/docs/" in page
    assert "http://acme.localhost/admin/" in page
    assert browser().get("/").headers["Location"] == INDEX


@pytest.mark.parametrize(("status", "host", "said"), [("suspended", "acme", 403), ("active", "nobody", 404)])
def test_a_host_that_does_not_serve_says_so_in_a_page(db, status, host, said):
    TenantFactory(subdomain="acme", status=status)
    answer = browser(f"{host}.localhost").get("/", headers={"accept": "text/html"})
    assert answer.status_code == said
    assert answer.content.startswith(b"<!DOCTYPE html>")
    assert b"<script" not in answer.content


def test_the_navigation_shows_what_a_role_may_see(member, admin, admin_client_for):
    def titles(user):
        groups = admin_client_for(user).get(INDEX).context["sidebar_navigation"]
        return [item["title"] for group in groups for item in group["items"]]

    assert {"Customers", "Deals", "Workflows", "Sessions"} <= set(titles(member))
    assert not {"Invitations", "Audit events"} & set(titles(member))
    assert {"Invitations", "Audit events"} <= set(titles(admin))


def test_the_search_box_finds_records_by_prefix(admin, acme, globex, admin_client_for):
    CustomerFactory(tenant=acme, name="Ada Lovelace")
    CustomerFactory(tenant=globex, name="Ada Foreign")
    page = admin_client_for(admin).get("/admin/search/", {"s": "ada l"}).content.decode()
    assert "Ada Lovelace" in page
    assert "Foreign" not in page


# -- First page


@pytest.mark.parametrize("person", ["member", "manager", "admin", "root"])
def test_the_first_page_stands_on_an_empty_database(person, request, admin_client_for):
    page = admin_client_for(request.getfixturevalue(person)).get(INDEX)
    assert page.status_code == 200
    said = "Nothing has changed yet." if person == "root" else "Nothing is overdue."
    assert said in page.content.decode()


def test_the_first_page_costs_the_same_however_many_rows_there_are(admin, acme, admin_client_for):
    client = admin_client_for(admin)
    client.get(INDEX)

    def cost():
        with CaptureQueriesContext(connection) as queries:
            client.get(INDEX)
        return len(queries)

    before = cost()
    deals = [DealFactory(tenant=acme) for _ in range(3)]
    for deal in deals:
        ActivityFactory(tenant=acme, deal=deal, customer=deal.customer, due_date="2020-01-01T00:00:00Z")
    assert cost() == before
    assert before < 30


def test_a_count_stops_at_the_window(in_acme, monkeypatch):
    from apps.crm.models import Customer

    CustomerFactory.create_batch(4)
    assert dashboard.count_up_to_window(Customer.objects.all()) == "4"
    monkeypatch.setattr(dashboard, "WINDOW", 3)
    with CaptureQueriesContext(connection) as queries:
        assert dashboard.count_up_to_window(Customer.objects.all()) == "3+"
    assert "LIMIT 4" in queries[0]["sql"]


def test_the_platforms_first_page_is_about_all_tenants(root, acme, globex, admin_client_for):
    DealFactory(tenant=acme)
    DealFactory(tenant=globex)
    page = admin_client_for(root).get(INDEX)
    figures = {
        figure.label: figure.value for panel in page.context["panels"] for figure in getattr(panel, "figures", [])
    }
    assert figures == {"Active": "3", "Trial": "0", "Suspended": "0", "Cancelled": "0"}
    assert "Newest tenants" in page.content.decode()


# -- One's own password


def test_people_change_their_own_password(member, admin_client_for):
    client = admin_client_for(member)
    new = "correct horse battery"
    body = {"old_password": PASSWORD, "new_password1": new, "new_password2": new}
    assert client.post(reverse("admin:password_change"), body).status_code == 302
    assert client.get(INDEX).status_code == 200, "the session of whoever changes it lives on"
    assert sign_in(browser(), member.email, new).status_code == 302


def test_a_person_made_inactive_is_signed_out(member, admin_client_for):
    client = admin_client_for(member)
    with unscoped(reason="test"):
        member.status = "inactive"
        member.save()
    assert client.get(INDEX).status_code == 302


def test_nobody_of_the_platform_but_a_super_admin_leaves_its_scope(platform, acme, admin_client_for):
    CustomerFactory(tenant=acme, name="Ada")
    clerk = UserFactory(tenant=platform, role="admin", email="clerk@nexora.example")
    page = admin_client_for(clerk).get("/admin/crm/customer/")
    assert page.status_code == 200
    assert "Ada" not in page.content.decode()
