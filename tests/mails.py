"""What the worker would do of the mails that were asked for, and what is in them."""

import re
from urllib.parse import parse_qs, urlsplit

from django.core import mail
from django.db import connection
from procrastinate.contrib.django import app
from procrastinate.contrib.django.models import ProcrastinateJob as Job


def deliver():
    """Carry out every waiting job, the oldest first; the messages that they sent."""
    before = len(mail.outbox)
    for job in Job.objects.filter(status="todo").order_by("id"):
        app.tasks[job.task_name].func(**job.args)
        with connection.cursor() as cursor:  # the model is read-only
            cursor.execute("UPDATE procrastinate_jobs SET status = 'succeeded' WHERE id = %s", [job.id])
    return mail.outbox[before:]


def links(message):
    """Every address in the text, which are those of the HTML too."""
    found = re.findall(r"https?://\S+", message.body)
    ((html, _),) = message.alternatives
    assert all(address.replace("&", "&amp;") in html for address in found)
    return found


def link_to(message, path):
    """(address, token) of the one link that leads there."""
    (address,) = [address for address in links(message) if urlsplit(address).path == path]
    return address, parse_qs(urlsplit(address).query)["token"][0]
