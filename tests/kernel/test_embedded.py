"""The server from the wheel: started by whoever comes first, stopped when the last one leaves."""

import os
import signal
import subprocess
import sys
import tempfile
import time

import psycopg
import pytest
from django.conf import settings

from nexora.kernel.db import embedded

# Its own server, whichever the other tests run on.
pytestmark = [pytest.mark.slow, pytest.mark.once]

HOLD = """
import os, sys
os.environ["DJANGO_SETTINGS_MODULE"] = "nexora.settings"
from nexora.kernel.db.embedded import ensure_running
ensure_running(sys.argv[1])
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def directory():
    # Not tmp_path: pytest keeps that (40 MB) for three runs, and closes it to the server's user whenever a run begins.
    with tempfile.TemporaryDirectory(prefix="nexora-") as parent:
        path = f"{parent}/postgres"
        yield path
        embedded.leave(path)


@pytest.fixture
def another_process(directory):
    """`another_process()`: a second user of the server, as a process; killed at the end."""
    started = []

    def start():
        process = subprocess.Popen(  # noqa: S603
            [sys.executable, "-c", HOLD, directory],
            cwd=settings.BASE_DIR,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        started.append(process)
        assert process.stdout.readline() == b"held\n"
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def answers(directory):
    with psycopg.connect(host=embedded.ensure_running(directory), user="nexora_app", dbname="nexora") as connection:
        return connection.execute("SELECT session_user").fetchone() == ("nexora_app",)


def pid_of(directory):
    return embedded.Server(directory).running_pid()


def wait_until(condition, seconds=10):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_an_empty_directory_becomes_a_server_and_the_last_to_leave_stops_it(directory):
    assert answers(directory)
    assert embedded.leave(directory) is True
    assert pid_of(directory) is None
    assert answers(directory)


def test_the_server_stays_while_another_process_uses_it(directory, another_process):
    other = another_process()
    assert answers(directory)
    assert embedded.leave(directory) is False
    other.kill()
    wait_until(lambda: pid_of(directory) is None)


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_a_server_that_died_is_started_again(directory, how):
    assert answers(directory)
    died = pid_of(directory)
    os.kill(died, how)
    wait_until(lambda: pid_of(directory) is None)
    assert answers(directory)
    assert pid_of(directory) != died


def test_a_strangers_process_id_in_the_pid_file_is_not_believed(directory):
    assert answers(directory)
    embedded.leave(directory)
    with open(f"{directory}/postmaster.pid", "w") as file:
        file.write(f"{os.getpid()}\n{directory}\n1\n5432\n{directory}\n\n1 1\nready\n")
    assert pid_of(directory) is None
    assert answers(directory)


def test_a_path_too_long_for_a_socket_gets_a_private_directory_elsewhere(directory):
    directory = directory.replace("/postgres", f"/{'x' * 120}/postgres")
    try:
        assert answers(directory)
        host = embedded.ensure_running(directory)
        assert len(host) < embedded.SOCKET_PATH_LIMIT
        assert os.stat(host).st_mode & 0o777 == 0o700
    finally:
        embedded.leave(directory)
    wait_until(lambda: not os.path.exists(host))


def test_an_interrupted_first_start_is_forgotten(directory):
    draft = f"{directory}.new"
    os.makedirs(draft)
    with open(f"{draft}/PG_VERSION", "w") as file:
        file.write("18\n")
    assert answers(directory)


def test_data_of_another_version_is_refused_with_the_way_out(directory):
    os.makedirs(directory)
    with open(f"{directory}/PG_VERSION", "w") as file:
        file.write("16\n")
    with pytest.raises(embedded.EmbeddedError, match=r"PostgreSQL 16 and this is 18\. Move it away"):
        embedded.ensure_running(directory)
