"""Which names look alike, to PostgreSQL and to Python, and which nobody gets."""

import pytest
from django.db import connection

from apps.tenants.subdomains import RESERVED, Skeleton, is_reserved, skeleton
from tests.factories import TenantFactory


def test_the_platforms_own_people_name_as_they_like(globex):
    assert TenantFactory(subdomain="g1obex").subdomain_skeleton == globex.subdomain_skeleton


@pytest.mark.parametrize("name", [*sorted(RESERVED), "g1o-bex", "rn-vv-cl", "0123456789", "modern", "area-51", "rrnn"])
def test_postgresql_and_python_see_the_same_skeleton(db, name):
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {Skeleton.template % {'expressions': '%s::text'}}", [name])
        assert cursor.fetchone() == (skeleton(name),)


@pytest.mark.parametrize("name", ["acme", "initech", "umbrella", "stark-industries", "cafe24", "mailchimp", "a1"])
def test_ordinary_names_are_free(name):
    assert not is_reserved(name)
