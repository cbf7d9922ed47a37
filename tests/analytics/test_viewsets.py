import pytest

from apps.accounts.models import AuditEvent
from apps.analytics.models import AIInsight, ViewRefresh
from apps.analytics.services import refresh_revenue, revenue_as_of
from nexora.kernel.scope import tenant_scope
from tests.factories import AICreditUsageFactory, AIInsightFactory, AIPredictionFactory


def test_dismissing_an_insight_twice_changes_it_once(client_for, acme, manager):
    insight = AIInsightFactory(tenant=acme)
    client, url = client_for(manager), f"/api/v1/ai-insights/{insight.pk}/dismiss/"
    first = client.post(url)
    assert first.status_code == 200, first.json()
    assert first.json()["dismissed"] is True and first.json()["dismissed_at"]
    assert client.post(url, {}).json() == first.json()
    with tenant_scope(acme):
        assert AIInsight.objects.get().dismissed
        assert AuditEvent.objects.count() == 1


def test_dismissing_needs_the_right_to_update(client_for, acme, globex, member, manager):
    insight, foreign = AIInsightFactory(tenant=acme), AIInsightFactory(tenant=globex)
    assert client_for(member).post(f"/api/v1/ai-insights/{insight.pk}/dismiss/").status_code == 403
    assert client_for(manager).post(f"/api/v1/ai-insights/{foreign.pk}/dismiss/").status_code == 404
    assert client_for(manager).get(f"/api/v1/ai-insights/{insight.pk}/dismiss/").status_code == 405


def test_dismissed_is_set_by_dismissing_only(client_for, acme, manager):
    insight = AIInsightFactory(tenant=acme)
    answer = client_for(manager).patch(f"/api/v1/ai-insights/{insight.pk}/", {"dismissed": True})
    assert answer.json()["errors"].keys() == {"dismissed"}


@pytest.mark.parametrize(
    ("address", "factory"), [("ai-predictions", AIPredictionFactory), ("ai-credit-usage", AICreditUsageFactory)]
)
def test_what_was_measured_is_read_only(client_for, acme, admin, address, factory):
    record = factory(tenant=acme)
    client, url = client_for(admin), f"/api/v1/{address}/"
    assert client.get(f"{url}{record.pk}/").json() == client.get(url).json()["results"][0]
    for answer in (
        client.post(url, {}),
        client.patch(f"{url}{record.pk}/", {}),
        client.put(f"{url}{record.pk}/", {}),
        client.delete(f"{url}{record.pk}/"),
    ):
        assert answer.status_code == 405


@pytest.mark.parametrize("report", ["revenue-by-month", "revenue-by-close-month"])
def test_a_report_says_when_it_was_made(client_for, acme, guest, report):
    client, url = client_for(guest), f"/api/v1/analytics/{report}/"
    with tenant_scope(acme):
        assert refresh_revenue(force=True)
        made = ViewRefresh.objects.get(view="revenue_by_month").refreshed_at
        assert revenue_as_of() == made
    answer = client.get(url)
    assert answer.status_code == 200
    assert answer.json() == {"as_of": made.isoformat().replace("+00:00", "Z"), "results": [], "next": None}
    assert client.get(f"{url}?month__gte=2026-01-01&month__lt=2027-01-01&ordering=total_revenue").status_code == 200
    assert client.get(f"{url}?stage=x").status_code == 400
    assert client.post(url, {}).status_code == 405
