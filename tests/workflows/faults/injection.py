"""What happens to a worker of these tests, and where; nothing of it is in the product.

`faults.json` in the tests' directory orders it: [{"name", "run", "point", "path", "how"}, …], each once. How: `kill` is
kill -9 of the process, `cut` ends the PostgreSQL session of the thread, as an administrator or a crash would.

Points of a step at `path`:

    before     its run's row is locked; the step has not begun
    inside     the step has had its effect, and nothing is noted of it; for one of the database, nothing is committed
    commit     as inside, and COMMIT does not reach PostgreSQL (cut only)
    unsure     COMMIT did, and its answer is lost (cut only)
    begun      it is noted that a call to the outside begins, and it has not
    called     the call has been answered, and nobody has locked the run's row to note that
    after      all is committed, and nothing else has begun
    resuming   inside the transaction that ends its wait

Points of a run: `fetched`, its job has begun; `ending`, inside the transaction that ends it; `over`, after that, before
its job is marked as done. Of no run: `looking`, the job that looks once a minute for what is due has begun.
"""

import json
import os
import signal
import threading
import time

import psycopg
from django.db import OperationalError, connection
from procrastinate.manager import JobManager

from apps.workflows.definition.registry import actions
from apps.workflows.engine import advancing, checkpoints, failures
from apps.workflows.services import upkeep
from nexora.kernel.db.backend.base import DatabaseWrapper

from . import HOME

_here = threading.local()


def reach(point, run, path=None):
    """Do what is ordered for this point."""
    fault = _ordered(point, run, path)
    if fault is None:
        return
    if fault["how"] == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(60)
    cut()


def _ordered(point, run, path):
    """The fault that is ordered for here and has not happened; it is taken for happened now."""
    try:
        faults = json.loads((HOME / "faults.json").read_text())
    except FileNotFoundError:
        return None
    for fault in faults:
        if (fault["point"], fault["run"], fault.get("path")) == (point, str(run), path):
            try:
                os.close(os.open(HOME / f"{fault['name']}.happened", os.O_CREAT | os.O_EXCL))
            except FileExistsError:
                continue
            return fault
    return None


def cut():
    """End this thread's session, from another one of the same login."""
    parameters = {name: value for name, value in connection.get_connection_params().items() if name in LOGIN}
    with psycopg.connect(**parameters, autocommit=True) as other:
        other.execute("SELECT pg_terminate_backend(%s, 2000)", [connection.connection.info.backend_pid])


LOGIN = ("host", "port", "user", "password", "dbname")


# -- Where the points are


def install():
    for kind in actions.values():
        _wrap(kind, "prepare", lambda step: reach("before", step.run.pk, step.path), None)
        if kind.is_outside:
            _wrap(kind, "perform", lambda step, given: reach("begun", step.run.pk, step.path), _called)
    _wrap(checkpoints, "take", _inside, None)
    _wrap(upkeep, "run_due", lambda: reach("looking", None), None)
    _wrap(advancing, "advance", _fetched, lambda execution_id: reach("over", execution_id))
    _wrap(advancing, "_do_next", _begin, _after)
    _wrap(checkpoints, "end_wait", None, lambda run, path, _: reach("resuming", run.pk, path))
    for module in (advancing, checkpoints, failures):
        _wrap(module, "end", None, lambda run, *_: reach("ending", run.pk))
    _wrap_commit()
    _note_workers()


def _wrap(owner, name, before, after):
    inner = getattr(owner, name)

    def outer(*args, **more):
        if before:
            before(*args)
        answer = inner(*args, **more)
        if after:
            after(*args)
        return answer

    setattr(owner, name, staticmethod(outer) if isinstance(owner, type) else outer)


def _fetched(execution_id):
    _begin(execution_id)
    reach("fetched", execution_id)


def _begin(execution_id, *_):
    # Several steps may share a transaction: their paths.
    _here.done, _here.committing = [], []


def _inside(step, *_):
    _here.done.append(step.path)
    _here.committing.append((step.run.pk, step.path))
    reach("inside", step.run.pk, step.path)


def _called(step, given):
    reach("called", step.run.pk, step.path)


def _after(execution_id, *_):
    for path in _here.done:
        reach("after", execution_id, path)


def _wrap_commit():
    """The COMMIT that follows the work of steps is theirs."""
    inner = DatabaseWrapper._commit

    def commit(self):
        steps, _here.committing = vars(_here).get("committing", []), []
        for step in steps:
            reach("commit", *step)
        answer = inner(self)
        # Of all: each that is ordered has happened then.
        if [fault for step in steps if (fault := _ordered("unsure", *step))]:
            cut()
            raise OperationalError("The session ended before COMMIT was answered.")
        return answer

    DatabaseWrapper._commit = commit


def _note_workers():
    """Under which number in procrastinate_workers each process works: the dead are known by theirs."""
    inner = JobManager.register_worker

    async def register_worker(self):
        number = await inner(self)
        (HOME / f"worker-{os.getpid()}-{number}").touch()
        return number

    JobManager.register_worker = register_worker
