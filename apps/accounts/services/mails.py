"""What the jobs that send mail do. Secrets are made here, on the way out, so that nothing stores them."""

from apps.tenants.models import Tenant
from nexora.kernel import mail
from nexora.kernel.scope import PLATFORM_TENANT_ID, tenant_scope

from ..models import User
from . import attempts
from .links import ADDRESS, SIGN_UP, email_token


def send_verification(*, user_id):
    """Ask a person of the tenant in scope to confirm their address, unless that is done or they are shut out."""
    user = User.objects.filter(pk=user_id, email_verified=False).select_related("tenant").first()
    if user is None:
        return
    if user.status == User.Status.INACTIVE and user.tenant.unconfirmed_since:
        _send_sign_up(user)
    elif user.is_active:
        token = email_token(user=user, purpose=ADDRESS)
        link = mail.link("/verify-email", token=token)
        mail.send(to=user.email, template="verify_email", context={"name": user.name, "link": link})


def ask_about_change(*, user_id):
    """Ask whoever reads the mail of a person's new address, which an admin typed. An admin could type anybody's, again
    and again: too many mails to one wait here, where the job is tried again, as those of invitations do."""
    user = User.objects.filter(pk=user_id, email_verified=False).first()
    if user is not None:
        attempts.begin(attempts.MAIL, account=user.email)
        send_verification(user_id=user_id)


def _send_sign_up(user):
    """In the platform's name: so far the organisation's is whatever a stranger typed."""
    context = {
        "organisation": user.tenant.name,
        "host": mail.link("/"),
        "link": mail.link("/verify-email", token=email_token(user=user, purpose=SIGN_UP)),
    }
    with tenant_scope(PLATFORM_TENANT_ID):
        mail.send(to=user.email, template="sign_up", context=context)


def send_address_in_use(*, user):
    """Tell whose address it is, and nobody else, that somebody has signed up with it; but not who, or as what."""
    with tenant_scope(user.tenant_id):
        is_waiting = bool(Tenant.objects.get(pk=user.tenant_id).unconfirmed_since) and not user.is_active
        context = {"host": mail.link("/"), "sign_in": mail.link("/admin/"), "is_waiting": is_waiting}
    with tenant_scope(PLATFORM_TENANT_ID):
        mail.send(to=user.email, template="address_in_use", context=context | {"sign_up": mail.link("/signup")})
