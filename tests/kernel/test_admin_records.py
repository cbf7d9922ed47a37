"""Pages of records: lists of any length, forms that write what was edited, refusals as messages."""

from datetime import UTC, datetime

import pytest
from django.contrib.admin import site
from django.db import connection
from django.test.utils import CaptureQueriesContext

from apps.accounts.models import RefreshToken
from apps.analytics.models import AIInsight
from apps.crm.models import Activity, Customer, Deal
from apps.marketplace.models import Plugin, PluginInstallation
from apps.tenants.models import Tenant
from nexora.kernel.admin import RecordAdmin, RecordInline, lists
from nexora.kernel.scope import tenant_scope, unscoped
from tests.admin_pages import change, errors, events, posted, said
from tests.factories import (
    ActivityFactory,
    AIInsightFactory,
    CustomerFactory,
    DealFactory,
    PluginFactory,
    UserFactory,
    WorkflowExecutionFactory,
    WorkflowFactory,
)

CUSTOMERS = "/admin/crm/customer/"


@pytest.fixture
def browser(admin, admin_client_for):
    return admin_client_for(admin)


# -- Guards


@pytest.mark.parametrize("base", [RecordAdmin, RecordInline])
def test_overriding_what_carries_the_reach_is_refused_when_the_class_is_made(base):
    with pytest.raises(TypeError, match=r"CustomerPages overrides get_queryset.*Override narrow_queryset"):
        type("CustomerPages", (base,), {"get_queryset": lambda self, request: None})


@pytest.mark.parametrize(
    ("model", "lookup", "problem"),
    [
        (Customer, "phone", "no index serves prefixes of Customer.phone"),
        (Customer, "name__istartswith", "is no column that Customer leads to"),
        (Customer, "nothing", "is no column that Customer leads to"),
        (Deal, "assigned_to__role", "no index serves prefixes of User.role"),
    ],
)
def test_a_search_that_no_index_serves_is_refused_when_the_class_is_registered(model, lookup, problem):
    pages = type("Pages", (RecordAdmin,), {"search_fields": ["name", lookup] if model is Customer else [lookup]})
    with pytest.raises(TypeError, match=rf"Pages searches by {lookup}, but .*{problem}"):
        pages(model, site)


# -- Lists


def test_a_list_counts_no_further_than_it_pages(browser, acme, monkeypatch):
    monkeypatch.setattr(lists, "MOST_COUNTED", 3)
    CustomerFactory.create_batch(5, tenant=acme)
    with CaptureQueriesContext(connection) as queries:
        page = browser.get(CUSTOMERS)
    assert "3+" in page.content.decode()
    counts = [query["sql"] for query in queries if "COUNT(" in query["sql"]]
    assert counts
    assert all("LIMIT 4" in sql for sql in counts)


def test_what_hangs_on_a_record_is_counted_no_further_either(browser, acme, monkeypatch):
    monkeypatch.setattr(lists, "MOST_COUNTED", 3)
    workflow = WorkflowFactory(tenant=acme)
    WorkflowExecutionFactory.create_batch(5, workflow=workflow)
    with CaptureQueriesContext(connection) as queries:
        assert browser.get(change(workflow)).status_code == 200
    counts = [sql for query in queries if "COUNT(" in (sql := query["sql"]) and "workflow_executions" in sql]
    assert counts
    assert all("LIMIT 4" in sql for sql in counts)


def test_the_newest_come_first_by_the_index(browser, acme):
    CustomerFactory(tenant=acme)
    with CaptureQueriesContext(connection) as queries:
        browser.get(CUSTOMERS)
    (rows,) = [
        q["sql"]
        for q in queries
        if "LIMIT 25" in q["sql"] or ('FROM "customers"' in q["sql"] and "COUNT" not in q["sql"])
    ]
    assert 'ORDER BY "customers"."created_at" DESC NULLS LAST, "customers"."id" DESC' in rows


@pytest.mark.parametrize(
    ("term", "found"),
    [("ada lo", True), ("Lovelace", False), ("ADA@", True), ("%", False), ("ada ada@", True), ("ada zz", False)],
)
def test_a_search_is_a_prefix(browser, acme, term, found):
    CustomerFactory(tenant=acme, name="Ada Lovelace", email="ada@example.com")
    assert ("Ada Lovelace" in browser.get(CUSTOMERS, {"q": term}).content.decode()) is found


def test_the_search_box_says_what_it_looks_at(browser):
    assert 'placeholder="How name, email or company begins"' in browser.get("/admin/crm/customer/").content.decode()
    assert 'placeholder="How title begins"' in browser.get("/admin/crm/deal/").content.decode()


def test_a_search_through_a_relation_names_the_tenant_there_too(in_acme):
    """The policy on the other table says so as well, but the planner then reckons with a tenant of average size."""
    found = lists.find_by_prefix(RefreshToken.objects.all(), "ada", ["user__name", "user__email"])
    assert f'"users"."tenant_id" = {in_acme.pk}' in str(found.query)


def test_a_search_finds_a_record_by_its_id(browser, acme):
    ada = CustomerFactory(tenant=acme, name="Ada Lovelace")
    assert "Ada Lovelace" in browser.get(CUSTOMERS, {"q": str(ada.pk)}).content.decode()


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ({"name__regex": "("}, 400),
        ({"created_by__password__startswith": "a"}, 400),
        ({"tenant__id__exact": "1"}, 400),
        ({"created_by__id__exact": "zz"}, 302),
        ({"p": "99999"}, 200),
        ({"p": "abc", "o": "99.-1.x"}, 200),
        ({"created_at_from_0": "9999-12-31", "created_at_from_1": "23:59"}, 200),
    ],
)
def test_no_address_of_a_list_is_a_fault(browser, acme, query, status):
    CustomerFactory(tenant=acme)
    assert browser.get(CUSTOMERS, query).status_code == status


@pytest.mark.parametrize(
    ("bounds", "found"),
    [
        ({"from_0": "2026-05-01"}, True),
        ({"from_0": "2026-05-01", "to_0": "2026-05-01"}, True),
        ({"to_0": "2026-04-30"}, False),
        ({"from_0": "2026-05-01", "from_1": "08:31"}, False),
        ({"from_0": "soon"}, True),
    ],
)
def test_a_range_of_moments_takes_days_too(browser, acme, bounds, found):
    ActivityFactory(tenant=acme, subject="Call Ada", due_date="2026-05-01T08:30:00Z")
    page = browser.get("/admin/crm/activity/", {f"due_date_{name}": value for name, value in bounds.items()})
    assert ("Call Ada" in page.content.decode()) is found


def test_an_action_on_what_is_no_id_is_no_fault(browser):
    assert browser.post(CUSTOMERS, {"action": "delete_selected", "_selected_action": ["zz"]}).status_code == 302


# -- Forms


def test_creating_a_record_names_its_maker_and_writes_one_event(browser, admin, acme):
    body = {"name": "Ada", "status": "lead", "custom_fields": "{}", "tags": ["vip", "a, b"]}
    body |= {f"{name}-{key}_FORMS": 0 for name in ("deals", "activities") for key in ("TOTAL", "INITIAL")}
    assert browser.post(f"{CUSTOMERS}add/", body).status_code == 302
    with tenant_scope(acme):
        ada = Customer.objects.get(name="Ada")
    assert (ada.created_by_id, ada.tags) == (admin.pk, ["vip", "a, b"])
    (event,) = events()
    assert (event.action, event.actor_id, event.record_id) == ("created", admin.pk, ada.pk)


def test_saving_an_untouched_form_changes_nothing(browser, acme):
    deal = DealFactory(tenant=acme)
    moment = datetime(2026, 5, 1, 8, 30, 15, 123456, tzinfo=UTC)
    activity = ActivityFactory(tenant=acme, deal=deal, customer=deal.customer, due_date=moment, completed=None)
    ada = CustomerFactory(tenant=acme, tags=None, custom_fields=None, phone=None)
    for record in (activity, ada, deal):
        page = browser.get(change(record))
        assert browser.post(change(record), posted(page)).status_code == 302
    assert events() == []
    with tenant_scope(acme):
        activity.refresh_from_db()
        ada.refresh_from_db()
    assert (activity.due_date, activity.description, activity.completed) == (moment, None, None)
    assert (ada.tags, ada.custom_fields) == (None, None)


def test_editing_writes_what_was_edited(browser, acme):
    ada = CustomerFactory(tenant=acme, tags=["one, two"])
    page = browser.get(change(ada))
    browser.post(change(ada), posted(page, phone="+44 20 7946 0000"))
    (event,) = events()
    assert event.changes == {"phone": [None, "+44 20 7946 0000"]}


@pytest.mark.parametrize(
    "text",
    ["{", "[" * 2000, "[" * 100 + "]" * 100, "NaN", "[1e999]", '"\\u0000"', '"\\ud800"', "1" * 5000, '{"a": "\x00"}'],
    ids=["broken", "open", "deep", "nan", "infinite", "nul", "surrogate", "digits", "raw-nul"],
)
def test_json_that_could_not_be_stored_is_refused_beside_its_field(browser, acme, text):
    ada = CustomerFactory(tenant=acme)
    page = browser.get(change(ada))
    answer = browser.post(change(ada), posted(page, custom_fields=text))
    assert answer.status_code == 200
    assert errors(answer)["custom_fields"]
    assert events() == []


def test_whoever_edits_only_what_is_theirs_starts_as_the_one_it_is_assigned_to(member, manager, admin_client_for):
    page = admin_client_for(member).get("/admin/crm/deal/add/")
    assert page.context["adminform"].form["assigned_to"].value() == member.pk
    page = admin_client_for(manager).get("/admin/crm/deal/add/")
    assert page.context["adminform"].form["assigned_to"].value() is None


def test_a_tenants_admin_edits_brand_and_name_and_nothing_that_is_bought(browser, acme):
    page = browser.get(change(acme))
    body = posted(
        page, name="Acme & Co", white_label='{"name": "Acme CRM"}', plan="enterprise", subdomain="x", status="trial"
    )
    assert browser.post(change(acme), body).status_code == 302
    with tenant_scope(acme):
        acme = Tenant.objects.get()
    assert (acme.name, acme.white_label, acme.plan, acme.subdomain) == (
        "Acme & Co",
        {"name": "Acme CRM"},
        "pro",
        "acme",
    )


# -- Refusals


def test_a_constraint_across_tenants_is_an_error_beside_its_field(browser, mallory):
    body = {"name": "M", "email": mallory.email, "role": "user", "status": "active"}
    body |= {"password1": "correct horse battery", "password2": "correct horse battery"}
    answer = browser.post("/admin/accounts/user/add/", body)
    assert answer.status_code == 200
    assert errors(answer) == {"email": ["This address cannot be used."]}


def test_what_a_model_refuses_comes_back_as_the_form(browser, acme):
    deal, elsewhere = DealFactory(tenant=acme), CustomerFactory(tenant=acme)
    body = {"type": "call", "subject": "Call", "customer": elsewhere.pk, "deal": deal.pk}
    answer = browser.post("/admin/crm/activity/add/", body)
    assert errors(answer) == {"deal": ["This deal belongs to another customer."]}


def test_installing_goes_through_the_service(browser, acme):
    plugin = PluginFactory(downloads=7)
    body = {"plugin": plugin.pk, "version": "1.0.0", "enabled": "on", "settings": "{}"}
    assert browser.post("/admin/marketplace/plugininstallation/add/", body).status_code == 302
    with unscoped(reason="look"):
        assert PluginInstallation.objects.filter(tenant=acme, plugin=plugin).exists()
        assert Plugin.objects.get(pk=plugin.pk).downloads == 8
    answer = browser.post("/admin/marketplace/plugininstallation/add/", body)
    assert answer.status_code == 200
    assert "installed already" in str(errors(answer))


def test_a_plugin_of_another_tenants_author_shows_no_author(browser, mallory):
    plugin = PluginFactory(author=mallory)
    assert b"Mallory" not in browser.get(change(plugin)).content


# -- Deletion


def test_a_deletion_shows_what_goes_along_and_takes_it(browser, acme):
    ada = CustomerFactory(tenant=acme, name="Ada")
    deals = DealFactory.create_batch(7, tenant=acme, customer=ada)
    page = browser.get(change(ada, "delete")).content.decode()
    assert "7 deals" in page
    assert browser.post(change(ada, "delete"), {"post": "yes"}).status_code == 302
    with unscoped(reason="look"):
        assert not Deal.objects.filter(pk__in=[deal.pk for deal in deals]).exists()
    assert events()[-1].children == {"deals": 7}


def test_a_record_in_use_stays_and_says_by_what(browser, acme, colleague):
    DealFactory.create_batch(2, tenant=acme, assigned_to=colleague)
    page = browser.get(change(colleague, "delete")).content.decode()
    assert "2 deals" in page
    assert "assigned to" in page
    assert browser.post(change(colleague, "delete"), {"post": "yes"}).status_code == 200
    with unscoped(reason="look"):
        assert type(colleague).objects.filter(pk=colleague.pk).exists()


def test_of_a_selection_each_is_deleted_or_refused_by_itself(browser, acme, colleague):
    DealFactory(tenant=acme, assigned_to=colleague)
    spare = UserFactory(tenant=acme, name="Spare")
    body = {"action": "delete_selected", "_selected_action": [colleague.pk, spare.pk]}
    asked = browser.post("/admin/accounts/user/", body)
    assert "still named" in asked.content.decode()
    answer = browser.post("/admin/accounts/user/", body | {"post": "yes"})
    assert "Cannot delete Colleague" in said(answer)
    assert "Deleted 1 user." in said(answer)
    with unscoped(reason="look"):
        assert type(spare).objects.filter(pk__in=[colleague.pk, spare.pk]).get() == colleague


def test_of_a_selection_what_is_not_ones_own_stays(member, colleague, acme, admin_client_for):
    mine, theirs = CustomerFactory(tenant=acme, created_by=member), CustomerFactory(tenant=acme, created_by=colleague)
    body = {"action": "delete_selected", "_selected_action": [mine.pk, theirs.pk], "post": "yes"}
    answer = admin_client_for(member).post(CUSTOMERS, body)
    assert f"You may not delete {theirs}" in said(answer)
    with tenant_scope(acme):
        assert Customer.objects.get() == theirs


# -- Inlines


def test_a_customer_shows_a_page_of_its_newest_deals(browser, acme):
    ada = CustomerFactory(tenant=acme)
    DealFactory.create_batch(13, tenant=acme, customer=ada)
    inline = browser.get(change(ada)).context["inline_admin_formsets"][0]
    assert len(inline.formset.initial_forms) == 10
    assert inline.formset.paginator.count == 13
    inline = browser.get(f"{change(ada)}?deals-page=2").context["inline_admin_formsets"][0]
    assert len(inline.formset.initial_forms) == 3


def test_a_deal_is_added_inside_its_customer(browser, acme):
    ada = CustomerFactory(tenant=acme)
    page = browser.get(change(ada))
    row = {"deals-0-title": "Renewal", "deals-0-value": "10.50", "deals-0-stage": "proposal", "deals-TOTAL_FORMS": 1}
    assert browser.post(change(ada), posted(page, **row)).status_code == 302
    with tenant_scope(acme):
        assert ada.deals.get().title == "Renewal"


def test_rows_that_are_not_ones_own_are_only_read_inside_a_record(member, colleague, acme, admin_client_for):
    ada = CustomerFactory(tenant=acme, created_by=member)
    deal = DealFactory(tenant=acme, customer=ada, assigned_to=colleague, title="Theirs")
    client = admin_client_for(member)
    page = client.get(change(ada))
    row = {"deals-0-id": deal.pk, "deals-0-title": "Mine", "deals-0-value": "1", "deals-0-stage": "proposal"}
    client.post(change(ada), posted(page, **row, **{"deals-0-DELETE": "on"}))
    with tenant_scope(acme):
        deal.refresh_from_db()
    assert deal.title == "Theirs"


def test_a_workflow_lists_its_runs_to_be_read(browser, acme):
    workflow = WorkflowFactory(tenant=acme)
    WorkflowExecutionFactory.create_batch(12, tenant=acme, workflow=workflow)
    inline = browser.get(change(workflow)).context["inline_admin_formsets"][0]
    assert len(inline.formset.forms) == 10
    assert not (inline.has_add_permission or inline.has_change_permission or inline.has_delete_permission)


# -- History, insights


def test_a_records_history_is_the_trails_whoever_wrote(browser, admin, acme, client_for):
    ada = CustomerFactory(tenant=acme)
    client_for(admin).patch(f"/api/v1/customers/{ada.pk}/", {"phone": "1234"})
    page = browser.get(change(ada, "history")).content.decode()
    assert "1234" in page
    assert "Admin" in page


def test_a_history_is_for_those_who_may_see_the_trail(manager, acme, admin_client_for):
    ada = CustomerFactory(tenant=acme)
    client = admin_client_for(manager)
    assert client.get(change(ada, "history")).status_code == 403
    assert change(ada, "history") not in client.get(change(ada)).content.decode()


def test_insights_are_dismissed_singly_and_together(manager, acme, admin_client_for):
    client = admin_client_for(manager)
    first, second = AIInsightFactory.create_batch(2, tenant=acme)
    page = client.get(change(first))
    assert "Save and dismiss" in page.content.decode()
    client.post(change(first), posted(page, analytics_aiinsight_dismiss="1"))
    client.post("/admin/analytics/aiinsight/", {"action": "dismiss_selected", "_selected_action": [second.pk]})
    with tenant_scope(acme):
        assert [i.dismissed and i.dismissed_at is not None for i in AIInsight.objects.all()] == [True, True]
    assert "Save and dismiss" not in client.get(change(first)).content.decode()


def test_what_is_overdue_is_marked(browser, acme):
    ActivityFactory(tenant=acme, due_date="2020-01-01T00:00:00Z")
    with tenant_scope(acme):
        assert Activity.objects.overdue().count() == 1
    assert "1 Jan 2020, 00:00" in browser.get("/admin/crm/activity/").content.decode()
