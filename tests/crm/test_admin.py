import re
from datetime import timedelta

from nexora.kernel import clock
from nexora.kernel.permissions import OWN, Policy
from nexora.policy import POLICY
from tests.factories import ActivityFactory, DealFactory


def test_the_figure_of_what_is_overdue_leads_to_just_that(admin, acme, admin_client_for):
    browser, now = admin_client_for(admin), clock.now()
    late = ActivityFactory(tenant=acme, due_date=now - timedelta(days=1), subject="Late")
    for values in ({"completed": True}, {"due_date": now + timedelta(days=1)}, {"due_date": None}):
        ActivityFactory(tenant=acme, **{"due_date": late.due_date} | values)
    (address,) = set(re.findall(r'href="([^"]*due_date_to_0[^"]*)"', browser.get("/admin/").content.decode()))
    page = browser.get(address.replace("&amp;", "&"))
    assert [row.subject for row in page.context["cl"].result_list] == ["Late"]


def test_the_first_page_counts_and_sums_what_one_sees(member, colleague, acme, admin_client_for, monkeypatch):
    for person, title, value in ((member, "Mine", 7), (colleague, "Theirs", 1000)):
        DealFactory(tenant=acme, assigned_to=person, value=value, customer__created_by=person)
        due = clock.now() - timedelta(days=1)
        ActivityFactory(tenant=acme, assigned_to=person, created_by=person, subject=title, due_date=due)
    table = Policy({})
    table.cells = POLICY.cells | {("user", f"crm.{name}"): {"view": OWN} for name in ("customer", "deal", "activity")}
    monkeypatch.setattr("nexora.kernel.permissions.policy", lambda: table)
    shown = admin_client_for(member).get("/admin/").context["panels"]
    figures = next(panel for panel in shown if hasattr(panel, "figures"))
    assert [figure.value for figure in figures.figures] == ["1", "1", "1", "1"]
    assert figures.figures[1].hint == "worth 7"
    (pipeline,) = (panel for panel in shown if getattr(panel, "title", "") == "Pipeline")
    assert [(bar.value, bar.hint) for bar in pipeline.bars] == [("7", "1 deals")]
    (overdue,) = (panel for panel in shown if getattr(panel, "title", "") == "Overdue activities")
    assert [entry.title for entry in overdue.entries] == ["Mine"]
