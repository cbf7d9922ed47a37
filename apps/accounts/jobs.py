from nexora.kernel.jobs import platform_task
from nexora.kernel.scope import unscoped

from .services import answers, attempts, sessions


@platform_task(cron="23 3 * * *")
def delete_expired_sessions():
    with unscoped(reason="nightly removal of sessions past their end"):
        sessions.delete_expired()


@platform_task(cron="41 3 * * *")
def delete_old_answers():
    with unscoped(reason="nightly removal of answers too old to be given again"):
        answers.AnswerStore().delete_old()


@platform_task(cron="53 3 * * *")
def delete_old_attempts():
    with unscoped(reason="nightly removal of attempts that are forgotten"):
        attempts.delete_old()
