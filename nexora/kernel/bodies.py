"""Bodies of requests, as the WSGI server hands them over: whole, or not at all.

A body that ends before its announced length is what a broken connection left of it, even if it can be read.
"""


def whole(application):
    """The WSGI application, whose requests' bodies are as long as they were said to be."""

    def wrapped(environ, start_response):
        length = environ.get("CONTENT_LENGTH") or ""
        # Of a body in chunks nobody knows the length, and the server takes a torn one for whole. JSON ends where it
        # ends, so what was torn cannot be read.
        if length.isascii() and length.isdigit() and len(length) < 20 and "HTTP_TRANSFER_ENCODING" not in environ:
            environ["wsgi.input"] = WholeBody(environ["wsgi.input"], int(length))
        return application(environ, start_response)

    return wrapped


class WholeBody:
    """`wsgi.input` of which so many bytes are left. ConnectionError if it ends before."""

    def __init__(self, stream, left):
        self._stream, self._left = stream, left

    def read(self, size=-1):
        wanted = self._left if size is None or size < 0 else min(size, self._left)
        return self._counted(self._stream.read(wanted), wanted)

    def readline(self, size=-1):
        limit = self._left if size is None or size < 0 else min(size, self._left)
        return self._counted(self._stream.readline(limit), min(limit, 1))

    def _counted(self, data, wanted):
        if len(data) < wanted:
            raise ConnectionError("The body ended early.")
        self._left -= len(data)
        return data
