from django.core.management.commands.loaddata import Command as LoadData

from nexora.kernel.management.owner import AsOwner


class Command(AsOwner, LoadData):
    pass
