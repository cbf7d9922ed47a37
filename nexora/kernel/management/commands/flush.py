from django.core.management.commands.flush import Command as Flush

from nexora.kernel.management.owner import AsOwner


class Command(AsOwner, Flush):
    pass
