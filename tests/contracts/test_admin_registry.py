"""Every page of the admin, for every role, found by walking the registry: what is registered tomorrow is tested."""

from uuid import uuid4

import pytest
from django.apps import apps
from django.contrib.admin import site
from django.contrib.messages import get_messages
from django.db.models import ForeignKey
from django.forms import CharField
from django.urls import reverse

from nexora.kernel.admin import RecordAdmin, RecordInline
from nexora.kernel.models import TenantModel
from nexora.kernel.permissions import ALL, OWN
from nexora.kernel.scope import unscoped
from nexora.policy import POLICY
from tests.contracts import routes

pytestmark = [pytest.mark.django_db, pytest.mark.once]

REGISTRY = list(site._registry)
# Those whose records are a tenant's and kept in a table: not the shared catalogue, not the revenue views.
OF_TENANTS = [model for model in REGISTRY if issubclass(model, TenantModel) and model._meta.managed]
EDITABLE = [model for model in REGISTRY if POLICY.reach("admin", model._meta.label_lower, "create")]
STAFF = ("user", "manager", "admin", "super_admin")
# No records to look at: when a report was made, answers that only a repetition gets, counts, and hashes.
UNREGISTERED = {
    "accounts.Attempt",
    "accounts.IdempotencyKey",
    "accounts.RecoveryCode",
    "analytics.ViewRefresh",
    "tenants.RequestCount",
}
# To change one is what its buttons do: no form writes what the engine has written.
WITHOUT_FORM = {"workflows.workflowexecution"}
RELATIONS = [
    pytest.param(model, field.name, id=f"{model._meta.label_lower}.{field.name}")
    for model in EDITABLE
    for field in model._meta.concrete_fields
    if isinstance(field, ForeignKey)
    and field.name not in ("tenant", "created_by", *site._registry[model].readonly_fields)
    and getattr(field.remote_field.model, "tenant_field", None) == "tenant"
]
ALL_RELATIONS = [
    pytest.param(model, field, id=f"{model._meta.label_lower}.{field.name}")
    for model in REGISTRY
    for field in model._meta.concrete_fields
    if isinstance(field, ForeignKey) and getattr(field.remote_field.model, "tenant_field", None) == "tenant"
]


def label(model):
    return model._meta.label_lower


def page(model, kind, *args):
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_{kind}", args=args)


def record_pages(model, pk):
    """Addresses of every page about one record, the actions of its class included."""
    own = [action.action_name for action in site._registry[model]._get_base_actions_detail()]
    kinds = ["change", "delete", "history"]
    return [page(model, kind, pk) for kind in kinds] + [reverse(f"admin:{name}", args=[pk]) for name in own]


def someone_elses(model, user, colleague, acme):
    return colleague if model is type(user) else routes.make(model, acme)


def test_every_model_of_the_house_is_registered():
    ours = [
        model for config in apps.get_app_configs() if config.name.startswith("apps.") for model in config.get_models()
    ]
    assert {model._meta.label for model in ours if model not in REGISTRY} == UNREGISTERED


def test_what_is_registered_is_what_the_policy_names():
    assert sorted(map(label, REGISTRY)) == sorted(POLICY.resources)


@pytest.mark.parametrize("model", REGISTRY, ids=label)
def test_every_admin_class_is_made_from_the_base(model):
    model_admin = site._registry[model]
    assert isinstance(model_admin, RecordAdmin)
    assert all(issubclass(inline, RecordInline) for inline in model_admin.inlines)


@pytest.mark.parametrize("role", STAFF)
@pytest.mark.parametrize("model", REGISTRY, ids=label)
def test_pages_open_as_the_policy_says(model, role, cast, colleague, acme, admin_client_for):
    user = cast[role]
    client = admin_client_for(user)
    reach = {action: POLICY.reach(role, label(model), action) for action in ("view", "create", "update", "delete")}
    if label(model) in WITHOUT_FORM:
        reach["update"] = None

    assert client.get(page(model, "changelist")).status_code == (200 if reach["view"] else 403)
    assert client.get(page(model, "add")).status_code == (200 if reach["create"] else 403)

    record = someone_elses(model, user, colleague, acme)
    if record is None:
        return
    change, delete = page(model, "change", record.pk), page(model, "delete", record.pk)
    shown = client.get(change)
    # Who sees only what is their own is led away from the rest, as from what never was.
    assert shown.status_code == {ALL: 200, OWN: 302, None: 403}[reach["view"]]
    if reach["view"] == OWN:
        assert client.get(delete).status_code == client.post(delete, {"post": "yes"}).status_code == 302
        return
    if reach["view"]:
        assert (b'name="_save"' in shown.content) == (reach["update"] == ALL)
    if reach["update"] != ALL:
        assert client.post(change, {}).status_code == 403
    else:
        assert client.post(change, {}).status_code == 200, "the form comes back with its errors"
    assert client.get(delete).status_code == (200 if reach["delete"] == ALL else 403)
    if reach["delete"] != ALL:
        assert client.post(delete, {"post": "yes"}).status_code == 403


@pytest.mark.parametrize("model", [model for model in EDITABLE if model.owner_fields], ids=label)
def test_what_is_ones_own_may_be_edited(model, member, acme, admin_client_for):
    record = member if model is type(member) else routes.make(model, acme)
    if record is not member:
        with unscoped(reason="test data"):
            record = model.objects.get(pk=record.pk)
            for attname in model.owner_fields:
                setattr(record, attname, member.pk)
            record.save()
    shown = admin_client_for(member).get(page(model, "change", record.pk))
    assert (b'name="_save"' in shown.content) == (POLICY.reach("user", label(model), "update") in (ALL, OWN))


@pytest.mark.parametrize("model", REGISTRY, ids=label)
def test_guests_and_strangers_are_sent_to_the_sign_in(model, guest, client, admin_client_for):
    answer = admin_client_for(guest).get(page(model, "changelist"))
    assert answer.status_code == 302
    assert answer.headers["Location"].startswith(reverse("admin:login"))
    answer = client.get(page(model, "changelist"), headers={"host": "acme.localhost"})
    assert answer.status_code == 302
    assert answer.headers["Location"].startswith(reverse("admin:login"))


@pytest.mark.parametrize("model", OF_TENANTS, ids=label)
def test_another_tenants_record_is_answered_like_one_that_never_was(model, admin, globex, acme, admin_client_for):
    theirs = routes.make(model, globex)

    def answer(method, address, pk):
        """(status, where to, what was said) with the id blanked out."""
        got = getattr(admin_client_for(admin), method)(address, {"post": "yes"} if method == "post" else None)
        said = " ".join(str(message) for message in get_messages(got.wsgi_request))
        return got.status_code, got.headers.get("Location"), said.replace(str(pk), "<id>")

    nobody = uuid4()
    for method in ("get", "post"):
        for foreign, unknown in zip(record_pages(model, theirs.pk), record_pages(model, nobody), strict=True):
            ours = answer(method, foreign, theirs.pk)
            assert ours == answer(method, unknown, nobody)
            assert ours[0] != 200
    with unscoped(reason="look"):
        assert model.objects.filter(pk=theirs.pk).exists()


@pytest.mark.parametrize("model", OF_TENANTS, ids=label)
def test_another_tenants_rows_are_in_no_list_and_no_search(model, admin, globex, acme, admin_client_for):
    theirs = routes.make(model, globex)
    client = admin_client_for(admin)
    for address in (page(model, "changelist"), f"{page(model, 'changelist')}?q={theirs.pk}"):
        answer = client.get(address)
        assert answer.status_code == 200
        assert page(model, "change", theirs.pk) not in answer.content.decode()
    assert str(theirs.pk) not in client.get(f"{reverse('admin:search')}?s={theirs.pk}").content.decode()


@pytest.mark.parametrize(("model", "field"), ALL_RELATIONS)
def test_choices_of_a_relation_are_the_tenants_own(model, field, admin, globex, acme, admin_client_for):
    target = field.remote_field.model
    ours, theirs = routes.make(target, acme), routes.make(target, globex)
    where = {"app_label": model._meta.app_label, "model_name": model._meta.model_name, "field_name": field.name}
    client = admin_client_for(admin)
    found = client.get(reverse("admin:autocomplete"), {**where, "term": str(ours)[:3]})
    assert found.status_code == 200
    ids = {row["id"] for row in found.json()["results"]}
    assert str(ours.pk) in ids
    assert str(theirs.pk) not in ids


@pytest.mark.parametrize(("model", "name"), RELATIONS)
def test_a_form_refuses_another_tenants_record(model, name, admin, globex, acme, admin_client_for):
    theirs = routes.make(model._meta.get_field(name).remote_field.model, globex)
    answer = admin_client_for(admin).post(page(model, "add"), {name: str(theirs.pk)})
    assert answer.status_code == 200
    assert "Select a valid choice" in str(answer.context["adminform"].form.errors[name])


@pytest.mark.parametrize(("model", "name"), RELATIONS)
def test_the_platforms_form_refuses_a_record_of_another_tenant_than_the_chosen(
    model, name, root, globex, acme, admin_client_for
):
    theirs = routes.make(model._meta.get_field(name).remote_field.model, globex)
    answer = admin_client_for(root).post(page(model, "add"), {"tenant": str(acme.pk), name: str(theirs.pk)})
    assert answer.status_code == 200
    assert "another tenant" in str(answer.context["adminform"].form.errors[name])


@pytest.mark.parametrize("model", [m for m in REGISTRY if getattr(m, "tenant_field", None) == "tenant"], ids=label)
def test_only_the_platform_shows_the_tenant(model, admin, root, acme, admin_client_for):
    routes.make(model, acme)
    on_platform = admin_client_for(root).get(page(model, "changelist")).context["cl"]
    on_tenant = admin_client_for(admin).get(page(model, "changelist")).context["cl"]
    assert "tenant" in on_platform.list_display
    assert "tenant" in [spec.field_path for spec in on_platform.filter_specs if hasattr(spec, "field_path")]
    assert "tenant" not in on_tenant.list_display
    assert "tenant" not in [spec.field_path for spec in on_tenant.filter_specs if hasattr(spec, "field_path")]


@pytest.mark.parametrize("model", REGISTRY, ids=label)
def test_a_nul_byte_is_no_fault(model, admin, root, admin_client_for):
    client = admin_client_for(admin)
    for query in ("q=%00", "status__exact=a%00", "%00=1", "p=%00"):
        assert client.get(f"{page(model, 'changelist')}?{query}", follow=True).status_code in (200, 400)
    assert client.get(page(model, "change", "a\x00b")).status_code == 302
    person = root if POLICY.reach("super_admin", label(model), "create") else admin
    form = admin_client_for(person).get(page(model, "add"))
    if form.status_code == 200:
        fields = form.context["adminform"].form.fields
        texts = {name: "a\x00b" for name, field in fields.items() if isinstance(field, CharField)}
        answer = admin_client_for(person).post(page(model, "add"), texts)
        assert answer.status_code == 200
        assert set(texts) <= set(answer.context["adminform"].form.errors)


@pytest.mark.parametrize("role", ["admin", "super_admin"])
@pytest.mark.parametrize("model", REGISTRY, ids=label)
def test_every_action_of_a_list_can_be_carried_out(model, role, cast, acme, admin_client_for):
    client = admin_client_for(cast[role])
    offered = site._registry[model].get_actions(client.get(page(model, "changelist")).wsgi_request)
    for name in offered:
        sent = {"action": name, "_selected_action": routes.make(model, acme).pk, "post": "yes"}
        assert client.post(page(model, "changelist"), sent).status_code == 302, name


@pytest.mark.parametrize("model", REGISTRY, ids=label)
def test_a_list_costs_the_same_however_many_rows_it_shows(
    model, admin, acme, admin_client_for, django_assert_max_num_queries
):
    for _ in range(5):
        routes.make(model, acme, admin)
    client = admin_client_for(admin)
    client.get(page(model, "changelist"))
    with django_assert_max_num_queries(7):
        client.get(page(model, "changelist"))
