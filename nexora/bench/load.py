"""The load generator, a process of its own so that its CPU is nobody's: one keep-alive connection, one request at a
time.

Reads a job a line, `{"port", "seconds", "most", "headers", "requests": [[method, path, body], …]}`, and answers each
with a line, `{"seconds", "latencies", "failure"}`. It stops by itself after `seconds`, `most` requests or the first
failure.
"""

import contextlib
import http.client
import itertools
import json
import sys
import time

_number = itertools.count(time.time_ns() // 1000)


def run(port, seconds, most, headers, requests):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    latencies, failure = [], None
    started = time.perf_counter()
    for method, path, body in itertools.islice(itertools.cycle(requests), most):
        # A write differs from the one before, so that it has something to write.
        data = body and body.replace("#", str(next(_number))).encode()
        sent = time.perf_counter()
        connection.request(method, path, data, headers)
        response = connection.getresponse()
        answer = response.read()
        now = time.perf_counter()
        latencies.append(now - sent)
        if response.status >= 300:
            failure = f"{method} {path} answered {response.status}: {answer[:300].decode(errors='replace')}"
        if failure or now - started > seconds:
            break
    connection.close()
    return {"seconds": time.perf_counter() - started, "latencies": latencies, "failure": failure}


if __name__ == "__main__":
    # Ctrl-C reaches every process of the terminal; the bench itself says goodbye.
    with contextlib.suppress(KeyboardInterrupt):
        for line in sys.stdin:
            sys.stdout.write(json.dumps(run(**json.loads(line))) + "\n")
            sys.stdout.flush()
