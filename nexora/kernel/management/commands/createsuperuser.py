from django.contrib.auth.management.commands.createsuperuser import Command as CreateSuperuser

from nexora.kernel.management.owner import AsOwner


class Command(AsOwner, CreateSuperuser):
    pass
