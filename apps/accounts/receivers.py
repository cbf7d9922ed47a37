from django.contrib.auth.signals import user_logged_in, user_logged_out
from django.dispatch import receiver

from nexora.kernel import clock, events
from nexora.kernel.jobs import enqueue
from nexora.kernel.scope import PLATFORM_TENANT_ID, tenant_scope

from . import jobs
from .models import AuditEvent, User
from .services import browsers

# Django's own would save the user, and every sign-in would stand in the audit trail as a change of the account.
user_logged_in.disconnect(dispatch_uid="update_last_login")


@receiver(user_logged_in)
def note_last_login(sender, user, **kwargs):
    User.objects.filter(pk=user.pk).unpublished("a sign-in is no edit").update(last_login=clock.now())


@receiver(user_logged_in)
def open_session(sender, request, user, **kwargs):
    browsers.open_browser_session(request=request, user=user)


@receiver(user_logged_out)
def close_session(sender, request, user, **kwargs):
    if user is not None:
        # A super_admin may be at work in another tenant; the session is of their own.
        with tenant_scope(user.tenant_id):
            browsers.close_browser_session(request=request)


@events.reader
def write_audit_trail(changes):
    """One row for each change, in its tenant's trail, inside the transaction that made it."""
    AuditEvent.objects.append_unpublished("the trail itself", [_row(change) for change in changes])


@events.reader
def ask_for_confirmation(changes):
    """Whose address has changed is mailed a link to confirm the new one."""
    for change in changes:
        if change.model is User and change.action == events.UPDATED and "email" in change.changes:
            with tenant_scope(change.tenant_id):
                enqueue(jobs.ask_about_change, user_id=change.record_id)


def _row(change):
    resource = change.model._meta.label_lower
    # A deleted tenant takes its own trail along, so its end is recorded by the platform.
    gone = change.action == events.DELETED and resource == "tenants.tenant"
    tenant_id = PLATFORM_TENANT_ID if gone else change.tenant_id
    actor = change.actor
    # A key into users only where it can hold: a person of the same tenant, who has not just been deleted.
    is_local = actor is not None and actor.tenant_id == tenant_id
    is_gone = is_local and change.action == events.DELETED and change.record_id == actor.id
    return {
        "tenant_id": tenant_id,
        "actor_id": actor.id if is_local and not is_gone else None,
        "actor_label": actor.label[:255] if actor else "",
        "action": change.action,
        "resource": resource,
        "record_id": change.record_id,
        "record_label": change.label,
        "changes": change.changes,
        "children": change.children,
        "ip_address": actor.address if actor else None,
        "created_at": change.at,
    }
