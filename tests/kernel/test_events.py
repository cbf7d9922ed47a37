"""One change event for every write, inside its transaction."""

from datetime import UTC, datetime
from decimal import Decimal
from uuid import uuid4

import pytest
from django.db import transaction
from django.db.models import F

from apps.accounts.models import AuditEvent, RefreshToken, User
from apps.crm.models import Customer, Deal
from nexora.kernel import clock, events
from nexora.kernel.events import Actor, acting_as, batch
from nexora.kernel.scope import PLATFORM_TENANT_ID, tenant_scope, unscoped
from tests.factories import ActivityFactory, CustomerFactory, DealFactory, PluginFactory, UserFactory


@pytest.fixture
def heard(monkeypatch):
    """Lists of changes as one more reader gets them."""
    calls = []
    monkeypatch.setattr(events, "_readers", [*events._readers, calls.append])
    return calls


@pytest.fixture
def ada(in_acme):
    return CustomerFactory(name="Ada")


def only(calls):
    ((change,),) = calls
    return change


def test_a_creation_says_what_was_set(in_acme, heard):
    customer = Customer(name="Ada", status="active")
    customer.save()
    change = only(heard)
    assert (change.action, change.model, change.record_id, change.tenant_id, change.label) == (
        "created", Customer, customer.pk, in_acme.pk, "Ada",
    )  # fmt: skip
    assert change.changes == {"name": [None, "Ada"], "status": [None, "active"], "custom_fields": [None, {}]}
    assert change.record is customer


def test_an_update_says_from_and_to_of_what_changed(ada, heard):
    ada.name, ada.tags = "Ada L.", ["vip", "new"]
    ada.save()
    change = only(heard)
    assert change.action == "updated"
    assert change.changes == {"name": ["Ada", "Ada L."], "tags": [["vip"], ["vip", "new"]]}


def test_an_update_of_nothing_is_no_event(ada, heard):
    ada.save()
    assert heard == []


def test_values_are_told_as_json_holds_them(in_acme, heard):
    deal, person = DealFactory(value=Decimal("100.00")), UserFactory()
    deal.value, deal.assigned_to, deal.stage = deal.value + 1, person, "closed_won"
    with clock.frozen_at(datetime(2026, 1, 2, tzinfo=UTC)):
        deal.save()
    assert only(heard).changes == {
        "value": ["100.00", "101.00"],
        "assigned_to": [None, str(person.pk)],
        "stage": ["qualification", "closed_won"],
        "closed_at": [None, "2026-01-02T00:00:00+00:00"],
    }


def test_an_expression_is_told_by_its_value(in_acme, heard):
    deal = DealFactory(value=Decimal("100.00"))
    deal.value = F("value") + 1
    deal.save()
    assert only(heard).changes == {"value": ["100.00", "101.00"]}


def test_a_deletion_says_the_last_values_and_counts_what_goes_along(ada, heard):
    deal = DealFactory(customer=ada)
    DealFactory(customer=ada)
    ActivityFactory(customer=ada, deal=deal)
    ada.delete()
    change = only(heard)
    assert change.action == "deleted"
    assert change.changes["name"] == ["Ada", None]
    assert change.children == {"deals": 2, "activities": 1}


def test_a_deletion_that_is_refused_is_no_event(in_acme, admin, heard):
    person = UserFactory()
    CustomerFactory(created_by=person)
    with pytest.raises(Exception, match="Cannot delete"):
        person.delete()
    assert heard == []


def test_what_is_secret_is_told_as_changed_and_no_more(in_acme, heard):
    person = UserFactory()
    person.set_password("another-password")
    person.save()
    assert only(heard).changes["password"] == ["[redacted]", "[redacted]"]
    heard.clear()
    User.objects.create_user("new@acme.com", "a-long-password", name="New")
    assert only(heard).changes["password"] == [None, "[redacted]"]
    assert "argon2" not in str(heard) and "md5" not in str(heard)


def test_sessions_publish_nothing(in_acme, member, heard):
    RefreshToken(user=member, token="x", expires_at=clock.now()).save()
    assert heard == []


def test_a_record_of_no_tenant_belongs_to_the_platforms_trail(platform, heard):
    plugin = PluginFactory()
    with unscoped(reason="test"):
        plugin.name = "Other"
        plugin.save()
        assert only(heard).tenant_id == PLATFORM_TENANT_ID
        assert AuditEvent.objects.get(record_id=plugin.pk).tenant_id == PLATFORM_TENANT_ID


def test_an_event_says_who_and_when(ada, heard):
    who = Actor(uuid4(), "Grace")
    moment = datetime(2026, 1, 2, tzinfo=UTC)
    events._readers.pop(0)  # the trail would look for grace among acme's users
    with acting_as(who), clock.frozen_at(moment):
        ada.name = "Ada L."
        ada.save()
    assert (only(heard).actor, only(heard).at) == (who, moment)
    assert events.actor() is None


def test_whoever_authenticates_later_is_the_actor_until_the_request_ends():
    with acting_as(None):
        events.identify(Actor(None, "Grace"))
        assert events.actor().label == "Grace"
    assert events.actor() is None


def test_a_batch_is_told_once_in_order_at_its_end(in_acme, heard):
    with batch():
        for name in ("Ada", "Grace"):
            Customer(name=name).save()
            with batch():
                Customer.objects.get(name=name).delete()
        assert heard == []
    (changes,) = heard
    assert [(c.action, c.label) for c in changes] == [
        ("created", "Ada"), ("deleted", "Ada"), ("created", "Grace"), ("deleted", "Grace"),
    ]  # fmt: skip


def test_a_batch_that_fails_is_not_told(in_acme, heard):
    with pytest.raises(ZeroDivisionError), batch():
        Customer(name="Ada").save()
        1 / 0  # noqa: B018
    assert heard == []
    Customer(name="Grace").save()
    assert only(heard).label == "Grace"


def test_a_long_batch_may_tell_what_it_has_so_far(in_acme, heard):
    with transaction.atomic(), batch():
        for number in range(5):
            Customer(name=f"Customer {number}").save()
            if number % 2:
                events.flush()
    assert [len(changes) for changes in heard] == [2, 2, 1]
    events.flush()
    assert len(heard) == 3, "outside a batch there is nothing to tell"


def test_an_empty_batch_is_not_told(heard):
    with batch():
        pass
    assert heard == []


@pytest.mark.parametrize("write", ["create", "update", "delete"])
def test_a_reader_that_raises_rolls_the_write_back(in_acme, monkeypatch, write):
    ada = CustomerFactory(name="Ada")

    def refuse(changes):
        raise ZeroDivisionError

    monkeypatch.setattr(events, "_readers", [*events._readers, refuse])
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        if write == "create":
            Customer(name="Grace").save()
        elif write == "update":
            ada.name = "Grace"
            ada.save()
        else:
            ada.delete()
    assert [c.name for c in Customer.objects.all()] == ["Ada"]
    assert not AuditEvent.objects.exists()


def test_a_reader_is_registered_once():
    before = list(events._readers)
    for read in before:
        assert events.reader(read) is read
    assert events._readers == before


def test_the_audit_trail_is_a_reader(ada, member):
    with acting_as(Actor(member.pk, "Member", member.tenant_id, "192.0.2.1")):
        ada.status = "active"
        ada.save()
    event = AuditEvent.objects.get()
    assert (event.action, event.resource, event.record_id, event.record_label) == (
        "updated", "crm.customer", ada.pk, "Ada",
    )  # fmt: skip
    assert event.changes == {"status": ["lead", "active"]}
    assert (event.actor, event.actor_label, event.ip_address) == (member, "Member", "192.0.2.1")


def test_what_the_platform_changes_is_in_the_tenants_trail_without_a_key_to_its_actor(acme, root):
    deal = DealFactory(tenant=acme)
    with acting_as(Actor(root.pk, "Root", root.tenant_id)), unscoped(reason="test"):
        deal.title = "Corrected"
        deal.save()
    with tenant_scope(acme):
        event = AuditEvent.objects.get()
        assert (event.actor_id, event.actor_label) == (None, "Root")
        assert Deal.objects.get().title == "Corrected"
