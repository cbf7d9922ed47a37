"""Deleting from the admin: what goes along is counted by the database and shown first, refusals are told singly."""

from django.contrib import messages
from django.contrib.admin import action
from django.contrib.admin.utils import model_ngettext, quote
from django.db import DEFAULT_DB_ALIAS, DatabaseError, models, transaction
from django.template.response import TemplateResponse
from django.urls import NoReverseMatch, reverse
from django.utils.html import format_html
from django.utils.text import capfirst

from nexora.kernel import permissions
from nexora.kernel.admin.refusals import refusal_of
from nexora.kernel.errors import NexoraError

# Names shown of each kind of record that goes along; the rest is a number.
EXAMPLES = 5


def describe(records, request, site):
    """What Django's confirmation pages want: (nested names, {plural: count}, forbidden, protected).

    Django would load every row that goes along; here the database counts them.
    """
    names, counts, forbidden, protected = [], {}, set(), []
    for record in records:
        if not permissions.may(request.user, record, "delete"):
            forbidden.add(f"{record._meta.verbose_name}: {record}")
        forbidden.update(f"{count} {noun} of others" for noun, count in permissions.others_along(request.user, record))
        _add(counts, record._meta, 1)
        along = []
        for relation, count in record._dependents(DEFAULT_DB_ALIAS):
            options = relation.related_model._meta
            if relation.field.remote_field.on_delete is models.DO_NOTHING:
                protected.append(f"{_summary(relation, record, count, request.user)} ({relation.field.verbose_name})")
            elif relation.field.remote_field.on_delete is models.DB_CASCADE:
                _add(counts, options, count)
                along.append(_summary(relation, record, count, request.user))
        names.append(_link(record, site))
        if along:
            names.append(along)
    return names, counts, forbidden, protected


def _add(counts, options, number):
    counts[options.verbose_name_plural] = counts.get(options.verbose_name_plural, 0) + number


def _summary(relation, record, count, user):
    """`3 deals: Renewal, Upgrade, …`, by name as far as the person may see them."""
    options = relation.related_model._meta
    rows = relation.related_model._base_manager.filter(**{relation.field.name: record.pk})
    if relation.related_model.tenant_attname and record.tenant_attname:
        rows = rows.filter(**{relation.related_model.tenant_attname: record.owning_tenant_id})
    shown = [str(row) for row in permissions.narrow(rows, user, "view")[:EXAMPLES]]
    if count > len(shown):
        shown.append("…")
    label = options.verbose_name if count == 1 else options.verbose_name_plural
    return f"{count:,} {label}: {', '.join(shown)}"


def _link(record, site):
    options = record._meta
    kind = capfirst(options.verbose_name)
    try:
        url = reverse(f"{site.name}:{options.app_label}_{options.model_name}_change", args=[quote(record.pk)])
    except NoReverseMatch:
        return f"{kind}: {record}"
    return format_html('{}: <a class="text-link" href="{}">{}</a>', kind, url, record)


@action(permissions=["delete"], description="Delete selected %(verbose_name_plural)s")
def delete_selected(model_admin, request, queryset):
    """Asks first, then deletes one record after the other: each publishes its event, a refused one stays."""
    if request.POST.get("post"):
        _delete_each(model_admin, request, queryset)
        return None
    names, counts, forbidden, protected = model_admin.get_deleted_objects(queryset, request)
    objects_name = model_ngettext(queryset)
    context = {
        **model_admin.admin_site.each_context(request),
        "title": f"Delete selected {objects_name}",
        "subtitle": None,
        "objects_name": str(objects_name),
        "deletable_objects": [names],
        "model_count": counts,
        "queryset": queryset,
        "perms_lacking": forbidden,
        # What is still in use is refused by itself; the others of the selection may go.
        "held": protected,
        "opts": model_admin.opts,
        "action_checkbox_name": "_selected_action",
    }
    request.current_app = model_admin.admin_site.name
    return TemplateResponse(request, "admin/delete_selected_confirmation.html", context)


def _delete_each(model_admin, request, queryset):
    deleted = 0
    for record in queryset:
        label = str(record)
        if not permissions.may(request.user, record, "delete"):
            model_admin.message_user(request, f"You may not delete {label}.", messages.ERROR)
            continue
        try:
            with transaction.atomic():
                permissions.ensure_may_take_along(request.user, record)
                model_admin.log_deletions(request, [record])
                record.delete()
        except (NexoraError, DatabaseError) as error:
            refusal = refusal_of(error, deleting=True)
            if refusal is None:
                raise
            model_admin.message_user(request, refusal.detail, messages.ERROR)
        else:
            deleted += 1
    if deleted:
        noun = model_ngettext(model_admin.opts, deleted)
        model_admin.message_user(request, f"Deleted {deleted} {noun}.", messages.SUCCESS)
