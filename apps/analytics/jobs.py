from nexora.kernel.jobs import platform_task

from . import services


@platform_task(cron="* * * * *")
def refresh_revenue():
    """Within a minute of a deal's change, the revenue views know it."""
    services.refresh_revenue()
