from nexora.kernel import mail
from nexora.kernel.jobs import platform_task, task
from nexora.kernel.scope import unscoped

from .models import User
from .services import answers, attempts, invitations, mails, notifications, passwords, sessions, unconfirmed


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


@platform_task(cron="13 4 * * *")
def remove_unconfirmed_sign_ups():
    with unscoped(reason="nightly removal of sign-ups that nobody confirmed"):
        unconfirmed.remove_unconfirmed()


@platform_task(cron="33 4 * * *")
def delete_old_notifications():
    with unscoped(reason="nightly removal of notifications read long ago or never"):
        notifications.delete_old()


# -- Mail


@task(retry=mail.RETRIES)
def send_verification(user_id):
    mails.send_verification(user_id=user_id)


@task(retry=mail.RETRIES)
def ask_about_change(user_id):
    mails.ask_about_change(user_id=user_id)


@task(retry=mail.RETRIES)
def send_address_in_use(user_id):
    with unscoped(reason="somebody signed up with the address of a person who is to know"):
        user = User.objects.filter(pk=user_id).first()
    if user:
        mails.send_address_in_use(user=user)


@task(retry=mail.RETRIES)
def send_invitation(invitation_id):
    with unscoped(reason="where an invited address has an account, which its owner alone is told"):
        home = invitations.home_of_invited(invitation_id)
    invitations.send_invitation(invitation_id=invitation_id, home=home)


@task(retry=mail.RETRIES)
def send_password_reset(user_id):
    """Of nobody where the address is unknown: the request is the same, and so is the job."""
    passwords.send_password_reset(user_id=user_id)


@task(retry=mail.RETRIES)
def send_password_notice(user_id):
    passwords.send_password_notice(user_id=user_id)
