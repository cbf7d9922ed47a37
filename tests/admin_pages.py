"""Reading and filling in the admin's pages."""

from django.contrib.messages import get_messages
from django.urls import reverse

from apps.accounts.models import AuditEvent
from nexora.kernel.scope import unscoped


def change(record, kind="change"):
    options = record._meta
    return reverse(f"admin:{options.app_label}_{options.model_name}_{kind}", args=[record.pk])


def posted(page, **values):
    """What a browser would send of this page, with `values` typed in."""
    forms = [page.context["adminform"].form]
    body = {}
    for inline in page.context["inline_admin_formsets"]:
        forms += [
            inline.formset.management_form,
            *(inline.formset.initial_forms if inline.has_change_permission else []),
        ]
    for form in forms:
        for bound in form:
            value = bound.value()
            if hasattr(bound.field.widget, "decompress") and not isinstance(value, list):
                parts = bound.field.widget.decompress(value)
                body |= {f"{bound.html_name}_{i}": "" if part is None else str(part) for i, part in enumerate(parts)}
            elif value is not None and value is not False:
                body[bound.html_name] = value
    return body | values


def said(answer):
    return " ".join(str(message) for message in get_messages(answer.wsgi_request))


def errors(answer):
    return answer.context["adminform"].form.errors


def events():
    with unscoped(reason="look"):
        return list(AuditEvent.objects.order_by("created_at"))
