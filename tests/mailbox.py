"""Mail as a person meets it: it comes, its link is opened in a browser, its button is pressed."""

import re
import threading
from urllib.parse import parse_qs, urlsplit

from django.core import mail
from django.db import connection, connections
from django.test import Client
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


def confirmation_in(message):
    """The address that confirms whose the mail's is."""
    return link_to(message, "/verify-email")[0]


def follow(link, **extra):
    """Open the page of a link, as a browser does, and press its button."""
    host, _, rest = link.removeprefix("http://").partition("/")
    browser = Client(HTTP_HOST=host, enforce_csrf_checks=True)
    page = browser.get(f"/{rest}")
    assert page.status_code == 200
    form = page.context["form"]
    values = {"token": form["token"].value(), "csrfmiddlewaretoken": page.context["csrf_token"]}
    return browser.post("/verify-email", values | extra, follow=True)


def at_once(count, work):
    """Call `work(number)` in as many threads, all at the same time."""
    gate = threading.Barrier(count)

    def run(number):
        try:
            gate.wait()
            work(number)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
