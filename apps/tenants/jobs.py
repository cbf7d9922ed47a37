from nexora.kernel.jobs import platform_task
from nexora.kernel.scope import unscoped

from .services import counts


@platform_task(cron="29 * * * *")
def delete_past_request_counts():
    with unscoped(reason="hourly removal of request counts of minutes long over"):
        counts.delete_past_request_counts()
