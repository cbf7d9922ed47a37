import pytest

from apps.accounts.models import AuditEvent
from apps.marketplace.models import Plugin, PluginInstallation
from apps.marketplace.services import install_plugin
from nexora.kernel.errors import Conflict
from nexora.kernel.scope import tenant_scope
from tests.factories import PluginFactory, PluginInstallationFactory

PLUGINS, INSTALLATIONS = "/api/v1/plugins/", "/api/v1/plugin-installations/"


@pytest.fixture
def plugin(db):
    return PluginFactory(published=True, version="1.4.2", downloads=None)


def downloads(plugin):
    return Plugin.objects.get(pk=plugin.pk).downloads


def test_organisations_see_what_is_published_and_write_nothing(client_for, admin, plugin):
    hidden = PluginFactory(published=False)
    client = client_for(admin)
    assert [row["id"] for row in client.get(PLUGINS).json()["results"]] == [str(plugin.pk)]
    assert client.get(f"{PLUGINS}{hidden.pk}/").status_code == 404
    assert client.patch(f"{PLUGINS}{plugin.pk}/", {"price": "0"}).status_code == 403


def test_the_platform_writes_the_catalogue(client_for, root):
    client = client_for(root)
    body = {"name": "Maps", "slug": "maps", "category": "crm", "version": "1.0", "manifest": {"entry": "main"}}
    made = client.post(PLUGINS, body)
    assert made.status_code == 201, made.json()
    assert made.json()["published"] is False and made.json()["price"] == "0.00"
    url = made.headers["Location"]
    assert client.patch(url, {"published": True, "author": str(root.pk)}).json()["author"] == str(root.pk)
    assert client.post(PLUGINS, body).status_code == 409
    assert client.post(PLUGINS, body | {"slug": "Not A Slug"}).json()["errors"].keys() == {"slug"}
    assert client.post(PLUGINS, body | {"slug": "b", "version": "new"}).json()["errors"].keys() == {"version"}
    assert client.patch(url, {"downloads": 10**6}).json()["errors"].keys() == {"downloads"}
    assert client.delete(url).status_code == 204


def test_installing_takes_the_plugins_version_and_counts_the_download(client_for, acme, admin, plugin):
    answer = client_for(admin).post(INSTALLATIONS, {"plugin": plugin.pk, "settings": {"region": "eu"}})
    assert answer.status_code == 201, answer.json()
    assert answer.json()["version"] == "1.4.2" and answer.json()["enabled"] is True and answer.json()["installed_at"]
    assert downloads(plugin) == 1
    with tenant_scope(acme):
        event = AuditEvent.objects.get()
        assert (event.action, event.actor_id) == ("created", admin.pk)


def test_installing_twice_is_a_conflict_and_counts_once(client_for, admin, plugin):
    client = client_for(admin)
    client.post(INSTALLATIONS, {"plugin": plugin.pk})
    answer = client.post(INSTALLATIONS, {"plugin": plugin.pk})
    assert answer.status_code == 409
    assert answer.json()["code"] == "already_installed" and answer.json()["errors"].keys() == {"plugin"}
    assert downloads(plugin) == 1


def test_what_is_not_published_cannot_be_installed(client_for, acme, admin):
    hidden = PluginFactory(published=False)
    answer = client_for(admin).post(INSTALLATIONS, {"plugin": hidden.pk})
    assert answer.json()["errors"] == {"plugin": ["No such record."]}
    with tenant_scope(acme), pytest.raises(Conflict, match="not published"):
        install_plugin(actor=None, plugin=hidden)


def test_an_installation_keeps_its_plugin(client_for, acme, admin, plugin):
    installation = PluginInstallationFactory(tenant=acme, plugin=plugin)
    client, url = client_for(admin), f"{INSTALLATIONS}{installation.pk}/"
    assert client.patch(url, {"enabled": False}).json()["enabled"] is False
    assert client.put(url, client.get(url).json()).status_code == 200
    other = PluginFactory(published=True)
    assert client.patch(url, {"plugin": other.pk}).json()["errors"].keys() == {"plugin"}


def test_uninstalling_is_for_the_admin(client_for, acme, manager, admin, plugin):
    installation = PluginInstallationFactory(tenant=acme, plugin=plugin)
    url = f"{INSTALLATIONS}{installation.pk}/"
    assert client_for(manager).delete(url).status_code == 403
    assert client_for(admin).delete(url).status_code == 204
    with tenant_scope(acme):
        assert not PluginInstallation.objects.exists()
