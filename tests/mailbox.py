"""Mail as a person meets it: it comes, its link is opened in a browser, its button is pressed."""

import threading

from django.core import mail
from django.db import connections
from django.test import Client
from procrastinate.contrib.django import app
from procrastinate.contrib.django.models import ProcrastinateJob as Job


def run_jobs():
    """Do what waits, as the worker would; answer the mails."""
    mail.outbox = []
    for job in Job.objects.filter(status="todo").order_by("id"):
        app.tasks[job.task_name].func(**job.args)
    Job.objects.all().delete()
    return mail.outbox


def link_in(message):
    (link,) = [line for line in message.body.splitlines() if "?token=" in line]
    return link


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
