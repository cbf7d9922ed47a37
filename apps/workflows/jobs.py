from nexora.kernel.jobs import platform_task, task

from .engine import advancing
from .services import upkeep


@task(retry=3)
def advance_execution(execution_id):
    advancing.advance(execution_id)


@platform_task(cron="* * * * *")
def run_due():
    upkeep.run_due()
