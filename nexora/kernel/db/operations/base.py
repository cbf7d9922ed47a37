"""What every operation here shares."""

from django.conf import settings
from django.db.migrations.operations.base import Operation


class DatabaseOperation(Operation):
    reversible = True
    reduces_to_sql = True

    def state_forwards(self, app_label, state):
        pass


def roles():
    """(owner, runtime, platform) role names, quoted; from the settings, as a cluster may name them otherwise."""
    database = settings.DATABASES["default"]
    owner = (database["OWNER"] or {}).get("USER") or database["USER"]
    return tuple(
        '"{}"'.format(name.replace('"', '""')) for name in (owner, database["USER"], settings.DATABASE_PLATFORM_ROLE)
    )
