from nexora.kernel.jobs import platform_task
from nexora.kernel.scope import unscoped

from . import services


@platform_task(cron="29 * * * *")
def delete_past_request_counts():
    with unscoped(reason="hourly removal of request counts of minutes long over"):
        services.delete_past_request_counts()
