from django.core.management.commands.migrate import Command as Migrate

from nexora.kernel.management.owner import AsOwner


class Command(AsOwner, Migrate):
    """Django's own, not django-tenants' migrate_schemas: there is one schema."""
