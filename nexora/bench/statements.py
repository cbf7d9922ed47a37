"""How many SQL statements a request sends: the application is called in this process, below any server, and psycopg's
cursors are counted. Telling the session its scope, and the statements that open and close a transaction, are left out.

    python -m nexora.bench.statements <module>:<application>      a job on stdin, {operation: count} on stdout
"""

import importlib
import io
import json
import sys
import time
from wsgiref.util import setup_testing_defaults

import psycopg

WARM = 3  # connections, caches and compiled queries are made by the first ones
_LEFT_OUT = ("SELECT SET_CONFIG", "SAVEPOINT", "RELEASE", "BEGIN", "COMMIT", "ROLLBACK")


class Counter:
    def __init__(self):
        self.count = 0

    def watch(self, cls, name):
        original = getattr(cls, name)

        def counted(cursor, query, *args, **kwargs):
            text = (query.decode() if isinstance(query, bytes) else str(query)).lstrip().upper()
            if not text.startswith(_LEFT_OUT) or ";" in text:
                self.count += 1
            return original(cursor, query, *args, **kwargs)

        setattr(cls, name, counted)


def call(application, headers, method, path, body):
    path, _, query = path.partition("?")
    data = (body or "").replace("#", str(time.time_ns())).encode()
    environ = {f"HTTP_{name.upper().replace('-', '_')}": value for name, value in headers.items()}
    environ |= {"REQUEST_METHOD": method, "PATH_INFO": path, "QUERY_STRING": query, "wsgi.input": io.BytesIO(data)}
    environ |= {"CONTENT_LENGTH": str(len(data)), "CONTENT_TYPE": "application/json", "REMOTE_ADDR": "127.0.0.1"}
    setup_testing_defaults(environ)
    statuses = []
    answer = application(environ, lambda status, headers, exc_info=None: statuses.append(status))
    b"".join(answer)
    if hasattr(answer, "close"):
        answer.close()
    return statuses[-1]


def main():
    job = json.load(sys.stdin)
    counter = Counter()
    for name in ("execute", "executemany", "stream"):
        counter.watch(psycopg.Cursor, name)
    module, _, name = sys.argv[1].partition(":")
    application = getattr(importlib.import_module(module), name)
    counts = {}
    for operation, requests in job["operations"].items():
        for turn in range(WARM + 1):
            counter.count = 0
            call(application, job["headers"], *requests[turn % len(requests)])
        counts[operation] = counter.count
    json.dump(counts, sys.stdout)


if __name__ == "__main__":
    main()
