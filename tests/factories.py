"""Rows for tests, one factory for each table.

    acme = TenantFactory(subdomain="acme")
    deal = DealFactory(customer=ada)          # in ada's tenant
    with tenant_scope(acme):
        DealFactory()                         # in acme, with a customer of its own

The tenant of a row is the one given, else that of a given parent, else the one in scope, else a new one; parents that
are not given are made in the same tenant. Rows are made as the platform, because a tenant may not write to every table,
and publish no event: what a test finds in the audit trail is what it did itself.
"""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import cache
from uuid import uuid4

import factory
from django.contrib.auth.hashers import make_password
from factory.declarations import LazyFunction, SelfAttribute, Sequence, SubFactory

from apps.accounts.models import (
    APIKey,
    Attempt,
    AuditEvent,
    IdempotencyKey,
    Invitation,
    Notification,
    RecoveryCode,
    RefreshToken,
    SecondFactor,
    User,
)
from apps.accounts.services import sealing
from apps.analytics.models import AICreditUsage, AIInsight, AIPrediction
from apps.crm.models import Activity, Customer, Deal
from apps.marketplace.models import Plugin, PluginInstallation
from apps.tenants.models import Domain, RequestCount, Subscription, Tenant
from apps.workflows.models import Workflow, WorkflowExecution, WorkflowStep, WorkflowVersion
from nexora.kernel import clock, scope
from nexora.kernel.models import TenantModel

PASSWORD = "nexora-demo"
TOTP_SECRET = "NEXORATESTNEXORATESTNEXORATEST22"


@cache
def password_hash(password):
    return make_password(password)


def same_tenant(factory_class, **values):
    """A parent in the row's own tenant."""
    return SubFactory(factory_class, tenant=SelfAttribute("..tenant"), **values)


class RecordFactory(factory.Factory):
    class Meta:
        abstract = True

    @classmethod
    def _create(cls, model_class, *args, **kwargs):
        record = model_class(*args, **kwargs)
        record.publishes = False
        with scope.unscoped(reason="test data"):
            record.save(force_insert=True)
        del record.publishes
        return record


class TenantFactory(RecordFactory):
    class Meta:
        model = Tenant

    name = Sequence("Tenant {}".format)
    subdomain = Sequence("tenant-{}".format)
    plan = "pro"


class TenantOwnedFactory(RecordFactory):
    class Meta:
        abstract = True

    tenant = SubFactory(TenantFactory)

    @classmethod
    def _generate(cls, strategy, params):
        if "tenant" not in params:
            tenant = next((_tenant_of(value) for value in params.values() if isinstance(value, TenantModel)), None)
            tenant = tenant or _tenant_in_scope()
            if tenant:
                params = {**params, "tenant": tenant}
        return super()._generate(strategy, params)


def _tenant_of(record):
    if isinstance(record, Tenant):
        return record
    with scope.unscoped(reason="test data"):
        return record.tenant


def _tenant_in_scope():
    current = scope.current()
    if current is None or current.tenant_id is None:
        return None
    with scope.unscoped(reason="test data"):
        return Tenant.objects.get(pk=current.tenant_id)


class SubscriptionFactory(TenantOwnedFactory):
    class Meta:
        model = Subscription

    plan = "pro"
    ai_credits = 1000
    users_limit = 25
    storage_limit = 50 * 1024**3
    features = LazyFunction(lambda: ["crm", "analytics"])
    amount = Decimal("99.00")
    next_billing_date = date(2027, 1, 1)


class DomainFactory(TenantOwnedFactory):
    class Meta:
        model = Domain

    domain = Sequence("crm{}.example.com".format)


class RequestCountFactory(TenantOwnedFactory):
    class Meta:
        model = RequestCount

    starts_at = datetime(2026, 11, 26, 8, tzinfo=UTC)
    count = 1


class UserFactory(TenantOwnedFactory):
    class Meta:
        model = User

    class Params:
        raw_password = PASSWORD

    name = Sequence("Person {}".format)
    email = Sequence("person{}@example.com".format)
    role = "user"
    password = factory.LazyAttribute(lambda made: password_hash(made.raw_password))
    email_verified = True


class RefreshTokenFactory(TenantOwnedFactory):
    class Meta:
        model = RefreshToken

    user = same_tenant(UserFactory)
    token = LazyFunction(lambda: RefreshToken.digest(str(uuid4())))
    expires_at = LazyFunction(lambda: datetime.now(UTC) + timedelta(days=14))
    user_agent = "curl/8"
    ip_address = "192.0.2.1"


class APIKeyFactory(TenantOwnedFactory):
    """`made.text` is the key itself."""

    class Meta:
        model = APIKey

    user = same_tenant(UserFactory)
    name = Sequence("Program {}".format)
    scopes = LazyFunction(lambda: ["crm.customer:read"])

    @classmethod
    def _create(cls, model_class, *args, **kwargs):
        key = model_class(*args, **kwargs)
        text = key.make_text()
        made = super()._create(model_class, **kwargs, prefix=key.prefix, token=key.token)
        made.text = text
        return made


class SecondFactorFactory(TenantOwnedFactory):
    class Meta:
        model = SecondFactor

    class Params:
        raw_secret = TOTP_SECRET

    user = same_tenant(UserFactory)
    secret = factory.LazyAttribute(lambda made: sealing.seal(made.raw_secret))
    confirmed_at = LazyFunction(lambda: datetime.now(UTC))


class RecoveryCodeFactory(TenantOwnedFactory):
    class Meta:
        model = RecoveryCode

    user = same_tenant(UserFactory)
    code = LazyFunction(lambda: uuid4().hex * 2)


class IdempotencyKeyFactory(TenantOwnedFactory):
    class Meta:
        model = IdempotencyKey

    user = same_tenant(UserFactory)
    route = "crm:customer-list"
    key = LazyFunction(lambda: uuid4().hex * 2)
    body = LazyFunction(lambda: uuid4().hex * 2)
    status = 201
    answer = "{}"


class AttemptFactory(TenantOwnedFactory):
    class Meta:
        model = Attempt

    purpose = "sign_in"
    subject = LazyFunction(lambda: uuid4().hex * 2)
    count = 1
    last_at = LazyFunction(lambda: datetime.now(UTC))


class InvitationFactory(TenantOwnedFactory):
    class Meta:
        model = Invitation

    email = Sequence("invited{}@example.com".format)
    expires_at = LazyFunction(lambda: datetime.now(UTC) + timedelta(hours=72))


class NotificationFactory(TenantOwnedFactory):
    class Meta:
        model = Notification

    user = same_tenant(UserFactory)
    text = Sequence("Notification {}".format)


class AuditEventFactory(TenantOwnedFactory):
    class Meta:
        model = AuditEvent

    actor = same_tenant(UserFactory)
    actor_label = SelfAttribute("actor.name")
    action = "updated"
    resource = "crm.customer"
    record_id = LazyFunction(uuid4)
    record_label = "Ada Lovelace"
    changes = LazyFunction(lambda: {"status": ["lead", "active"]})


class CustomerFactory(TenantOwnedFactory):
    class Meta:
        model = Customer

    name = Sequence("Customer {}".format)
    email = Sequence("customer{}@example.com".format)
    company = "Analytical Engines"
    tags = LazyFunction(lambda: ["vip"])
    custom_fields = LazyFunction(lambda: {"source": "fair"})


class DealFactory(TenantOwnedFactory):
    class Meta:
        model = Deal

    customer = same_tenant(CustomerFactory)
    title = Sequence("Deal {}".format)
    value = Decimal("1500.00")
    probability = 40


class ActivityFactory(TenantOwnedFactory):
    class Meta:
        model = Activity

    customer = same_tenant(CustomerFactory)
    type = "call"
    subject = Sequence("Call {}".format)


class AIPredictionFactory(TenantOwnedFactory):
    class Meta:
        model = AIPrediction

    type = "revenue"
    input = LazyFunction(lambda: {"months": 24})
    output = LazyFunction(lambda: {"next_month": "12000.00"})
    confidence = Decimal("0.8000")
    model_version = "1"


class AIInsightFactory(TenantOwnedFactory):
    class Meta:
        model = AIInsight

    type = "opportunity"
    title = Sequence("Insight {}".format)


class AICreditUsageFactory(TenantOwnedFactory):
    class Meta:
        model = AICreditUsage

    user = same_tenant(UserFactory)
    feature = "forecast"
    credits_used = 3


class WorkflowFactory(TenantOwnedFactory):
    class Meta:
        model = Workflow

    name = Sequence("Workflow {}".format)
    created_by = same_tenant(UserFactory)
    trigger = LazyFunction(lambda: {"type": "manual"})
    actions = LazyFunction(
        lambda: [{"key": "note", "type": "activity.create", "with": {"type": "note", "subject": "Hello"}}]
    )


class WorkflowVersionFactory(TenantOwnedFactory):
    class Meta:
        model = WorkflowVersion

    workflow = same_tenant(WorkflowFactory)
    number = Sequence(lambda number: number + 2)
    trigger = SelfAttribute("workflow.trigger")
    actions = SelfAttribute("workflow.actions")


class WorkflowExecutionFactory(TenantOwnedFactory):
    class Meta:
        model = WorkflowExecution

    owner = same_tenant(UserFactory)
    workflow = same_tenant(WorkflowFactory, created_by=SelfAttribute("..owner"))
    status = "completed"
    input = LazyFunction(lambda: {"deal": "1"})


class WorkflowStepFactory(TenantOwnedFactory):
    class Meta:
        model = WorkflowStep

    execution = same_tenant(WorkflowExecutionFactory)
    path = Sequence(str)
    key = "note"
    type = "activity.create"
    status = "completed"
    started_at = LazyFunction(clock.now)


class PluginFactory(RecordFactory):
    """The catalogue is everybody's: a plugin has no tenant."""

    class Meta:
        model = Plugin

    name = Sequence("Plugin {}".format)
    slug = Sequence("plugin-{}".format)
    category = "crm"
    price = Decimal("9.00")
    version = "1.0.0"
    manifest = LazyFunction(lambda: {"entry": "main"})
    published = True


class PluginInstallationFactory(TenantOwnedFactory):
    class Meta:
        model = PluginInstallation

    plugin = SubFactory(PluginFactory)
    version = SelfAttribute("plugin.version")


def _leaves(base):
    for made in base.__subclasses__():
        if not made._meta.abstract:
            yield made
        yield from _leaves(made)


# Every table's factory, by model: what "rows in every table" means.
FACTORIES = {made._meta.model: made for made in _leaves(RecordFactory)}
