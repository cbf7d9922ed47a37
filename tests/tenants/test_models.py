import pytest

from apps.tenants.models import Domain
from nexora.kernel.scope import unscoped
from tests.factories import DomainFactory

pytestmark = pytest.mark.django_db


def test_a_new_primary_host_takes_the_place_of_the_old_one(acme, globex):
    old = DomainFactory(tenant=acme, is_primary=True)
    elsewhere = DomainFactory(tenant=globex, is_primary=True)
    with unscoped(reason="test"):
        Domain(tenant=acme, domain="crm.acme.test", is_primary=True).save()
        primary = set(Domain.objects.filter(is_primary=True).values_list("domain", flat=True))
    assert primary == {"crm.acme.test", elsewhere.domain}
    assert old.domain not in primary
