import pytest
from django.db import OperationalError, connection
from django.test.utils import CaptureQueriesContext
from rest_framework.decorators import action
from rest_framework.permissions import AllowAny

from apps.accounts.models import Attempt
from apps.crm.filters import CustomerFilterSet
from apps.crm.models import Customer, Deal
from apps.crm.serializers import CustomerSerializer, DealSerializer
from nexora.kernel.api.serializers import TenantModelSerializer
from nexora.kernel.api.viewsets import TenantViewSet
from nexora.kernel.scope import tenant_scope
from tests.factories import CustomerFactory

SOUND = {
    "queryset": Customer.objects.all(),
    "serializer_class": CustomerSerializer,
    "filterset_class": CustomerFilterSet,
    "ordering": ("-created_at",),
}


def make(**attributes):
    return type("SampleViewSet", (TenantViewSet,), SOUND | attributes)


def method(*args, **kwargs):
    pass


@action(detail=True, methods=["post"])
def ring(self, request, pk=None):
    pass


@action(detail=True, methods=["post"], permission_classes=[AllowAny])
def open_to_all(self, request, pk=None):
    pass


def test_a_sound_viewset_is_a_table_of_contents():
    viewset = make()
    assert viewset.resource is Customer
    assert viewset.ordering_fields == (
        "name", "email", "phone", "company", "status", "created_at", "updated_at",
    )  # fmt: skip


def test_a_viewset_made_of_another_shows_its_own_rows_on_every_host():
    leads = Customer.objects.filter(status="lead")
    narrower = type("LeadViewSet", (make(),), {"queryset": leads})()
    wider = make(queryset=leads, platform_queryset=Customer.objects.all())()
    for narrower.is_platform in (False, True):
        assert narrower.rows().query.where == leads.query.where
    for wider.is_platform in (False, True):
        assert (wider.rows().query.where == leads.query.where) != wider.is_platform


@pytest.mark.parametrize(
    ("attributes", "sentence"),
    [
        ({"get_queryset": method}, "overrides get_queryset, which carries the tenant. Override narrow_queryset"),
        ({"get_object": method}, "narrow_queryset"),
        ({"check_permissions": method}, "nexora.policy"),
        ({"permission_classes": [AllowAny]}, "nexora.policy"),
        ({"destroy": method}, "Override perform_destroy"),
        ({"create": method}, "Override perform_create"),
        ({"dispatch": method}, "transaction"),
        ({"filterset_class": None}, "needs filterset_class"),
        ({"ordering": ()}, "needs ordering"),
        ({"ordering": "-created_at"}, "needs ordering"),
        ({"ordering": ("-born_at",)}, "no column of Customer"),
        ({"search_fields": ("nonsense",)}, "no column of Customer"),
        ({"serializer_class": None}, "needs serializer_class"),
        ({"serializer_class": DealSerializer}, "is for Deal"),
        ({"platform_serializer_class": DealSerializer}, "is for Deal"),
        ({"platform_queryset": Deal.objects.all()}, "platform_queryset of Deal"),
        ({"rows": method}, "Name a platform_queryset"),
        ({"find": method}, "Override narrow_queryset"),
        ({"locked": method}, "Override narrow_queryset"),
        ({"hosts": ("moon",)}, "hosts"),
        ({"hosts": "tenant"}, "hosts"),
        ({"ring": ring}, 'action_rights = {"ring": "update"}'),
        ({"open_to_all": open_to_all, "action_rights": {"open_to_all": "view"}}, "permissions of its own"),
    ],
)
def test_a_wrong_declaration_is_refused_when_the_class_is_made(attributes, sentence):
    with pytest.raises(TypeError, match="SampleViewSet") as caught:
        make(**attributes)
    assert sentence in str(caught.value)


def test_a_mixin_may_not_smuggle_an_override_in():
    mixin = type("Mixin", (), {"get_queryset": method})
    with pytest.raises(TypeError, match="Mixin overrides get_queryset"):
        type("SampleViewSet", (mixin, TenantViewSet), dict(SOUND))


def test_a_serializer_lists_its_fields_and_never_the_tenant():
    with pytest.raises(TypeError, match="must list its fields"):
        type("S", (TenantModelSerializer,), {"Meta": type("Meta", (), {"model": Deal, "fields": "__all__"})})
    with pytest.raises(TypeError, match="lists tenant, which is the host"):
        type("S", (TenantModelSerializer,), {"Meta": type("Meta", (), {"model": Deal, "fields": ("id", "tenant")})})


def test_a_write_locks_its_row_inside_one_transaction(client_for, acme, admin):
    customer = CustomerFactory(tenant=acme)
    client = client_for(admin)
    with CaptureQueriesContext(connection) as queries:
        client.patch(f"/api/v1/customers/{customer.pk}/", {"name": "New"})
    locks = [q["sql"] for q in queries if "FOR NO KEY UPDATE" in q["sql"]]
    assert len(locks) == 1 and 'OF "customers"' in locks[0]
    with CaptureQueriesContext(connection) as queries:
        client.delete(f"/api/v1/customers/{customer.pk}/")
    assert any("FOR UPDATE" in q["sql"] for q in queries)


def test_what_is_counted_before_the_transaction_stays_though_the_write_is_refused(member, client_for):
    client = client_for(member)
    body = {"password": "correct-horse-9", "current_password": "guess"}
    assert client.patch(f"/api/v1/users/{member.pk}/", body).status_code == 400
    with tenant_scope(member.tenant_id):
        assert Attempt.objects.count() == 2, "one for the account, one for the address"


def test_options_lists_the_methods(client_for, guest):
    answer = client_for(guest).options("/api/v1/customers/")
    assert answer.status_code == 204
    assert answer.headers["Allow"] == "GET, POST, HEAD, OPTIONS"
    assert client_for(guest).head("/api/v1/customers/").status_code == 200


def test_the_load_balancer_is_answered_on_any_host(client, db):
    for path in ("/healthz", "/readyz"):
        assert client.get(path, headers={"Host": "10.0.0.1"}).status_code == 200


def test_readyz_says_when_the_database_is_away(client, db, monkeypatch):
    def fail(*args):
        raise OperationalError

    with monkeypatch.context() as broken:
        broken.setattr(connection, "cursor", fail)
        assert client.get("/readyz").status_code == 503
        assert client.get("/healthz").status_code == 200
