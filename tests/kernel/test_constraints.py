"""The composite foreign key: as a declaration, as SQL, as validation."""

from uuid import uuid4

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, connection, transaction
from django.db.migrations.writer import MigrationWriter

from apps.accounts.models import AuditEvent, User
from apps.crm.models import Activity, Customer, Deal
from nexora.kernel.db.constraints import CompositeForeignKey
from nexora.kernel.fields import TenantForeignKey
from nexora.kernel.scope import owner_scope, tenant_scope, unscoped
from tests.factories import AuditEventFactory, CustomerFactory, DealFactory, TenantFactory, UserFactory


@pytest.fixture
def key():
    return CompositeForeignKey(
        field="customer", to="crm.Customer", on_delete="CASCADE", name="deals_tenant_id_customer_id_fkey"
    )


# -- As a declaration


def test_every_tenant_foreign_key_brings_its_constraint():
    for model in (Deal, Activity, Customer, AuditEvent):
        declared = {c.field: c for c in model._meta.constraints if isinstance(c, CompositeForeignKey)}
        fields = {f.name: f for f in model._meta.local_fields if isinstance(f, TenantForeignKey)}
        assert declared.keys() == fields.keys()
        for name, field in fields.items():
            assert declared[name].name == f"{model._meta.db_table}_tenant_id_{field.column}_fkey"
            assert not field.db_constraint, "Django's own one-column key would ask no tenant"


def test_it_equals_what_it_is_rebuilt_from(key):
    path, args, kwargs = key.deconstruct()
    assert path == "nexora.kernel.db.constraints.CompositeForeignKey"
    again = CompositeForeignKey(*args, **kwargs)
    assert again == key
    assert hash(again) == hash(key)
    assert again in Deal._meta.constraints
    assert key != CompositeForeignKey(**kwargs | {"on_delete": "NO ACTION"})
    assert key != "deals_tenant_id_customer_id_fkey"
    assert repr(key) == (
        "<CompositeForeignKey deals_tenant_id_customer_id_fkey: customer -> crm.customer ON DELETE CASCADE>"
    )


def test_a_migration_can_hold_it(key):
    text, imports = MigrationWriter.serialize(key)
    assert text.startswith("nexora.kernel.db.constraints.CompositeForeignKey(")
    assert imports == {"import nexora.kernel.db.constraints"}


def test_the_field_survives_a_migration():
    field = Deal._meta.get_field("customer")
    _, path, args, kwargs = field.deconstruct()
    assert path == "nexora.kernel.fields.TenantForeignKey"
    assert "db_constraint" not in kwargs and "db_index" not in kwargs
    again = TenantForeignKey(*args, **kwargs)
    assert (again.db_constraint, again.db_index) == (False, False)


# -- As SQL


@pytest.mark.parametrize(
    ("model", "field", "rule"),
    [
        (Deal, "customer", "ON DELETE CASCADE"),
        (Deal, "assigned_to", "ON DELETE NO ACTION"),
        (AuditEvent, "actor", 'ON DELETE SET NULL ("actor_id")'),
    ],
)
def test_its_sql_names_both_columns_and_the_rule(db, model, field, rule):
    (constraint,) = [c for c in model._meta.constraints if getattr(c, "field", None) == field]
    with connection.schema_editor(collect_sql=True) as editor:
        statement = str(constraint.create_sql(model, editor))
        removal = str(constraint.remove_sql(model, editor))
    column = model._meta.get_field(field).column
    assert f'FOREIGN KEY (tenant_id, "{column}") REFERENCES' in statement
    assert statement.endswith(f"(tenant_id, id) {rule}")
    assert removal.endswith(f'DROP CONSTRAINT "{constraint.name}"')


def test_it_is_added_and_removed(owner_connection, key):
    with owner_scope():
        acme, globex = TenantFactory(), TenantFactory()
        deal, bob = DealFactory(tenant=acme), CustomerFactory(tenant=globex)
        with owner_connection.schema_editor(atomic=False) as editor:
            editor.remove_constraint(Deal, key)
        with owner_connection.cursor() as cursor:
            cursor.execute("UPDATE deals SET customer_id = %s WHERE id = %s", [bob.pk, deal.pk])
        refused = pytest.raises(IntegrityError, match=key.name)
        with refused, transaction.atomic(), owner_connection.schema_editor(atomic=False) as editor:
            editor.add_constraint(Deal, key)
        with owner_connection.cursor() as cursor:
            cursor.execute("UPDATE deals SET customer_id = %s WHERE id = %s", [deal.customer_id, deal.pk])
        with owner_connection.schema_editor(atomic=False) as editor:
            editor.add_constraint(Deal, key)


def test_set_null_nulls_the_reference_and_never_the_tenant(acme, admin):
    person = UserFactory(tenant=acme)
    event = AuditEventFactory(actor=person)
    with tenant_scope(acme):
        person.delete()
        event = AuditEvent.objects.get(pk=event.pk)
    assert (event.actor_id, event.tenant_id) == (None, acme.pk)


def test_a_refusal_is_an_error_of_its_statement(acme):
    """Not of the commit, as with Django's deferred keys."""
    deal = DealFactory(tenant=acme)
    with unscoped(reason="test"), pytest.raises(IntegrityError), transaction.atomic():
        Deal.objects.filter(pk=deal.pk).unpublished("test").update(customer_id=uuid4())


# -- As validation


def test_a_record_of_the_same_tenant_is_valid(in_acme):
    Deal(customer=CustomerFactory(), assigned_to=UserFactory(), title="x", value=1).full_clean()


def test_an_empty_reference_is_valid(in_acme, key):
    key.validate(Deal, Deal(title="x", value=1))


def test_a_field_that_is_left_out_is_not_looked_at(in_acme, key):
    key.validate(Deal, Deal(customer_id=uuid4(), title="x", value=1), exclude={"customer"})


def test_references_that_do_not_hold_are_errors_of_their_fields(in_acme, mallory):
    bob = CustomerFactory(tenant=mallory.tenant)
    with pytest.raises(ValidationError) as refused:
        Deal(customer_id=bob.pk, assigned_to_id=mallory.pk, title="x", value=1).full_clean()
    assert refused.value.message_dict.keys() == {"customer", "assigned_to"}


def test_unscoped_the_records_own_tenant_counts(acme, mallory):
    """A form of the platform shows every tenant's people; a record takes its own tenant's only."""
    customer = CustomerFactory(tenant=acme)
    with unscoped(reason="test"):
        Deal(tenant=acme, customer=customer, title="x", value=1).full_clean()
        with pytest.raises(ValidationError) as refused:
            Deal(tenant=acme, customer=customer, assigned_to=mallory, title="x", value=1).full_clean()
        assert refused.value.message_dict == {"assigned_to": ["No such record."]}
        assert User.objects.filter(pk=mallory.pk).exists()
