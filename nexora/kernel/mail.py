"""Mail in the name of the tenant in scope.

    address = link("/verify-email", token=…)
    send(to="ada@example.com", template="verify_email", context={"name": "Ada", "link": address})

renders `templates/mail/verify_email.txt` and `.html`. The first line of the text is the subject: `mail/base.txt` puts
the block `subject` there. Both get the context, `brand` (nexora.kernel.brand) and `home`, the tenant's own address.

Called by jobs only, outside any transaction: a mail server may take seconds, and what it has taken nothing rolls back.
"""

from dataclasses import replace
from datetime import date
from decimal import Decimal
from email.headerregistry import Address
from email.utils import make_msgid
from urllib.parse import urlencode

from django.apps import apps
from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.db import transaction
from django.template import Context
from django.template.loader import get_template, render_to_string

from nexora.kernel import scope
from nexora.kernel.brand import brand_in_scope
from nexora.kernel.mailers import one_line

# For @task(retry=…): while the mail server is away, from 3 seconds to two hours apart, for three hours in all.
RETRIES = 8


def send(*, to, template, context, text=None, key=None):
    """Send one mail to one address, now.

    context   texts, numbers and dates. Each text becomes one line: it is somebody's name, and must neither begin a new
              header nor look like a paragraph of ours
    text      paragraphs of the tenant's own, as `paragraphs` in the template
    key       what the Message-ID is made of: a mail that is sent again under the same key has the same one
    """
    with transaction.atomic(durable=True):
        brand, home = brand_in_scope(), link("/")
    brand = replace(brand, name=one_line(brand.name)[:100])
    context = {name: _plain(name, value) for name, value in context.items()} | {"brand": brand, "home": home}
    if text is not None:
        context["paragraphs"] = _paragraphs(text)
    subject, _, text = _text(f"mail/{template}.txt", context).strip().partition("\n")
    domain = settings.DEFAULT_FROM_EMAIL.rpartition("@")[2]
    message = EmailMultiAlternatives(
        subject=one_line(subject),
        body=text.strip() + "\n",
        from_email=str(Address(brand.name, addr_spec=settings.DEFAULT_FROM_EMAIL)),
        to=[str(Address(addr_spec=to))],
        headers={"Auto-Submitted": "auto-generated", "Message-ID": _message_id(key, domain)},
    )
    message.attach_alternative(render_to_string(f"mail/{template}.html", context), "text/html")
    message.template = template
    message.send()


def link(path, **query):
    """The absolute address of `path` on the host of the tenant in scope."""
    scheme, usual = ("https", 443) if settings.HTTPS else ("http", 80)
    port = "" if settings.PUBLIC_PORT in (None, usual) else f":{settings.PUBLIC_PORT}"
    return f"{scheme}://{_host()}{port}{path}" + (f"?{urlencode(query)}" if query else "")


def _host():
    tenant_id = scope.current_tenant_id()
    if tenant_id == scope.PLATFORM_TENANT_ID:
        return settings.BASE_DOMAIN
    domains = apps.get_model(settings.TENANT_DOMAIN_MODEL).objects.filter(is_primary=True)
    if own := domains.values_list("domain", flat=True).first():
        return own
    tenants = apps.get_model(settings.TENANT_MODEL).objects.filter(pk=tenant_id)
    return f"{tenants.values_list('subdomain', flat=True).get()}.{settings.BASE_DOMAIN}"


def _message_id(key, domain):
    return f"<{key}@{domain}>" if key else make_msgid(domain=domain)


def _paragraphs(text):
    """[[line, …], …]: what an empty line divides, each line without control or direction marks."""
    blocks = text.replace("\r\n", "\n").replace("\r", "\n").split("\n\n")
    found = [[one_line(line) for line in block.split("\n")] for block in blocks]
    return [lines for lines in found if any(lines)]


def _plain(name, value):
    if isinstance(value, str):
        return one_line(value)
    if value is None or isinstance(value, int | Decimal | date):
        return value
    raise TypeError(f"The mail's {name} is a {type(value).__name__}; a mail takes texts, numbers and dates.")


def _text(name, context):
    """Plain text has nothing to escape."""
    return get_template(name).template.render(Context(context, autoescape=False))
