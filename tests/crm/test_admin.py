import re
from datetime import timedelta

from nexora.kernel import clock
from tests.factories import ActivityFactory


def test_the_figure_of_what_is_overdue_leads_to_just_that(admin, acme, admin_client_for):
    browser, now = admin_client_for(admin), clock.now()
    late = ActivityFactory(tenant=acme, due_date=now - timedelta(days=1), subject="Late")
    for values in ({"completed": True}, {"due_date": now + timedelta(days=1)}, {"due_date": None}):
        ActivityFactory(tenant=acme, **{"due_date": late.due_date} | values)
    (address,) = set(re.findall(r'href="([^"]*due_date_to_0[^"]*)"', browser.get("/admin/").content.decode()))
    page = browser.get(address.replace("&amp;", "&"))
    assert [row.subject for row in page.context["cl"].result_list] == ["Late"]
