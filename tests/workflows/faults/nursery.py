"""`manage.py worker`, loaded once and forked for each worker: a worker that is killed is replaced at once.

Reads how many jobs at a time a new worker does, a line each, and answers its process id. Its children end with it.
"""

import os
import signal
import sys

import django
from django.core.management import call_command, execute_from_command_line


def main():
    django.setup()
    # What a start of the worker loads, so that its children have it.
    call_command("check", stdout=sys.stderr)
    # Who dies leaves no zombie: a process id that answers is a worker that lives.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    print("ready", flush=True)  # noqa: T201
    for line in iter(sys.stdin.readline, ""):
        child = os.fork()
        if child == 0:
            _work(line.strip())
        print(child, flush=True)  # noqa: T201
    # Its test is over, or was killed.
    os.killpg(0, signal.SIGKILL)


def _work(concurrency):
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    try:
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(2, 1)
        execute_from_command_line(["manage.py", "worker", "--concurrency", concurrency])
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        os._exit(0)


if __name__ == "__main__":
    main()
