"""The worker command and the processes around it, for real."""

import os
import signal
import socket
import subprocess
import sys
import time

import psutil
import pytest
from django.conf import settings
from django.core.management import call_command
from django.db import connection, transaction
from procrastinate.contrib.django.models import ProcrastinateJob as Job

from nexora.kernel import scope
from nexora.kernel.jobs import enqueue, task
from nexora.kernel.processes import RunFile, is_port_free, port_holder
from nexora.kernel.scope import tenant_scope

pytestmark = pytest.mark.slow

seen = []


@task
def look_around():
    seen.append(scope.current_tenant_id())
    enqueue(look_on)


@task(retry=1)
def look_on():
    seen.append("looked on")
    with transaction.atomic():
        enqueue(look_away)
        raise ZeroDivisionError


@task
def look_away():
    raise AssertionError("its transaction was rolled back")


@pytest.mark.django_db(transaction=True)
def test_the_worker_does_what_waits_and_what_that_enqueues(acme, monkeypatch):
    seen.clear()
    # The threads of jobs keep their connections, which would hold on to the test database.
    monkeypatch.setitem(connection.settings_dict, "CONN_MAX_AGE", 0)
    with tenant_scope(acme):
        enqueue(look_around)
    call_command("worker", until_empty=True, concurrency=1)
    assert seen == [acme.pk, "looked on"]
    states = dict(Job.objects.filter(task_name__contains="test_worker").values_list("task_name", "status"))
    # Failed once and waiting for its second try; what it enqueued in the failed transaction never was.
    assert states == {look_around.name: "succeeded", look_on.name: "todo"}


PARENT = """
import pathlib, sys, time
from nexora.kernel.processes import Child
child = Child("sleeper", [sys.executable, "-c", "import time; time.sleep(60)"], log=pathlib.Path(sys.argv[1]), cwd="/")
print(child.pid, flush=True)
time.sleep(60)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child that its parent died")
def test_a_child_does_not_outlive_a_killed_parent(tmp_path):
    parent = subprocess.Popen(  # noqa: S603
        [sys.executable, "-c", PARENT, str(tmp_path / "child.log")], cwd=settings.BASE_DIR, stdout=subprocess.PIPE
    )
    child = psutil.Process(int(parent.stdout.readline()))
    os.kill(parent.pid, signal.SIGKILL)
    parent.communicate()
    deadline = time.monotonic() + 5
    while child.is_running() and child.status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_port_in_use_is_noticed_and_its_holder_named():
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        port = server.getsockname()[1]
        assert not is_port_free("127.0.0.1", port)
        assert f"process {os.getpid()} " in port_holder(port)
    assert is_port_free("127.0.0.1", port)


def test_a_re_used_process_id_is_not_taken_for_an_earlier_run(tmp_path):
    file = RunFile(tmp_path / "run" / "up.json")
    assert file.running() == {}
    file.write([])
    assert list(file.running()) == ["up"]
    file.path.write_text(file.path.read_text().replace(f"[{os.getpid()}, ", f"[{os.getpid()}, 1"))
    assert file.running() == {}
