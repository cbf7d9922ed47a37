from django.apps import apps as global_apps
from django.db import connections
from django.db.models.signals import post_migrate
from django.dispatch import receiver

from nexora.kernel.scope import PLATFORM_TENANT_ID


@receiver(post_migrate)
def make_platform_tenant(sender, using, apps=global_apps, **kwargs):
    """The platform is a tenant with a fixed id. Made after every migrate and flush: no database is without it."""
    if sender.label != "tenants":
        return
    try:
        apps.get_model("tenants", "Tenant")
    except LookupError:  # migrated back to before the table
        return
    with connections[using].cursor() as cursor:
        cursor.execute(
            "INSERT INTO tenants (id, name, subdomain, plan) VALUES (%s, 'NEXORA', 'nexora', 'enterprise') "
            "ON CONFLICT (id) DO NOTHING",
            [PLATFORM_TENANT_ID],
        )
