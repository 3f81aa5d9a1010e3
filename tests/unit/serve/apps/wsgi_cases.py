"""WSGI apps for wsgi_test.c: the path's first part names the function below that answers."""
import gc
import io
import os
import sys
import tempfile
import threading
import time
from wsgiref.validate import validator

CLOSED = []
KEPT = []


def text(start_response, value, *headers):
    start_response("200 OK", [("Content-Type", "text/plain"), *headers])
    return [str(value).encode("latin-1")]


def hello(environ, start_response):
    return text(start_response, "Hello")


def environ(environ, start_response):
    """Each variable that is asked for in the query, one a line."""
    names = environ["QUERY_STRING"].split("&")
    return text(start_response, "\n".join(repr(environ.get(name)) for name in names))


def whole_environ(environ, start_response):
    return text(start_response, "\n".join(sorted(environ)))


def echo(environ, start_response):
    start_response("200 OK", [("Content-Type", "application/octet-stream")])
    return [environ["wsgi.input"].read()]


def read_pieces(environ, start_response):
    source = environ["wsgi.input"]
    found = [source.read(3), source.readline(), source.readline(2), source.read(0),
             source.readlines(1), list(source), source.read(), source.readline(), source.read(5)]
    return text(start_response, repr(found))


def readinto(environ, start_response):
    reader = io.BufferedReader(environ["wsgi.input"], 16)
    return text(start_response, repr([reader.read(4), reader.readline(), reader.read()]))


class Closing:
    def __init__(self, parts, fail_close=False):
        self.parts = iter(parts)
        self.fail_close = fail_close

    def __iter__(self):
        return self

    def __next__(self):
        return next(self.parts)

    def close(self):
        CLOSED.append(True)
        if self.fail_close:
            raise RuntimeError("close failed")


def generator(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return Closing([b"one ", b"", b"two ", b"three"])


def late_start(environ, start_response):
    def parts():
        start_response("201 Created", [("X-Late", "yes")])
        yield b"late"
    return parts()


def with_length(environ, start_response):
    start_response("200 OK", [("Content-Length", "5")])
    return Closing([b"12345"])


def too_long(environ, start_response):
    start_response("200 OK", [("Content-Length", "5")])
    return Closing([b"123", b"4567", b"89"])


def too_short(environ, start_response):
    start_response("200 OK", [("Content-Length", "5")])
    return Closing([b"12"])


def many(environ, start_response):
    start_response("200 OK", [])
    return [b"a", b"b", b"", b"c"]


def many_big(environ, start_response):
    start_response("200 OK", [])
    return (b"x" * 100000, b"y" * 100000)


def empty(environ, start_response):
    start_response("200 OK", [])
    return []


def no_content(environ, start_response):
    start_response("204 No Content", [])
    return [b""]


def not_modified(environ, start_response):
    start_response("304 Not Modified", [("Content-Length", "77")])
    return iter(())


def own_reason(environ, start_response):
    start_response("200 Fine by me", [])
    return [b"body"]


def flask_reason(environ, start_response):
    start_response("404 NOT FOUND", [])
    return [b"body"]


def write(environ, start_response):
    out = start_response("200 OK", [])
    out(b"written ")
    out(b"twice ")
    return [b"and returned"]


def raises(environ, start_response):
    raise ValueError("as planned")


def raises_exit(environ, start_response):
    sys.exit(3)


def raises_late(environ, start_response):
    def parts():
        yield b"some"
        raise ValueError("too late")
    start_response("200 OK", [])
    return parts()


def raises_in_close(environ, start_response):
    start_response("200 OK", [])
    return Closing([b"fine"], fail_close=True)


def closes_after_error(environ, start_response):
    def parts():
        raise ValueError("in iteration")
        yield b""
    start_response("200 OK", [])
    return Closing(parts())


def exc_info_replaces(environ, start_response):
    start_response("200 OK", [("X-First", "1")])
    try:
        raise ValueError
    except ValueError:
        start_response("500 Oops", [("X-Second", "2")], sys.exc_info())
    return [b"replaced"]


def exc_info_too_late(environ, start_response):
    out = start_response("200 OK", [])
    out(b"out")
    try:
        raise ValueError("goes up again")
    except ValueError:
        start_response("500 Oops", [], sys.exc_info())
    return [b"never"]


def twice(environ, start_response):
    start_response("200 OK", [])
    start_response("200 OK", [])
    return [b""]


def never_started(environ, start_response):
    return [b"body"]


def returns_text(environ, start_response):
    start_response("200 OK", [])
    return ["text"]


def returns_none(environ, start_response):
    start_response("200 OK", [])


BAD_HEADERS = {
    "control": [("X-A", "a\r\nSet-Cookie: b")],
    "nul": [("X-A", "a\0b")],
    "name": [("X A", "b")],
    "empty": [("", "b")],
    "hop": [("Connection", "close")],
    "hop2": [("Transfer-Encoding", "chunked")],
    "length": [("Content-Length", "five")],
    "negative": [("Content-Length", "-5")],
    "two-lengths": [("Content-Length", "5"), ("Content-Length", "6")],
    "bytes": [(b"X-A", b"b")],
    "unicode": [("X-A", "\u20ac")],
    "list": [["X-A", "b"]],
    "three": [("X-A", "b", "c")],
    "tuple": (("X-A", "b"),),
}
BAD_STATUS = {"status-int": 200, "status-text": "OK", "status-1xx": "101 Switching Protocols",
              "status-split": "200 OK\r\nX: y", "status-short": "20", "status-glued": "200OK"}


def bad_head(environ, start_response):
    which = environ["QUERY_STRING"]
    try:
        start_response(BAD_STATUS.get(which, "200 OK"), BAD_HEADERS.get(which, []))
    except (ValueError, TypeError) as error:
        return text(start_response, type(error).__name__)
    return text(start_response, "accepted")


def many_headers(environ, start_response):
    return text(start_response, "ok", *[(f"X-{i}", str(i)) for i in range(100)])


def file(environ, start_response):
    handle = open(__file__, "rb")
    handle.seek(4)
    start_response("200 OK", [])
    KEPT[:] = [handle]
    return environ["wsgi.file_wrapper"](handle)


def file_closed(environ, start_response):
    return text(start_response, KEPT[0].closed)


def file_part(environ, start_response):
    start_response("200 OK", [("Content-Length", "10")])
    return environ["wsgi.file_wrapper"](open(__file__, "rb"), 4096)


def file_in_memory(environ, start_response):
    start_response("200 OK", [])
    return environ["wsgi.file_wrapper"](io.BytesIO(b"m" * 10000), 4096)


def file_gzip(environ, start_response):
    """A descriptor whose bytes are not those that read() gives."""
    import gzip
    handle = tempfile.TemporaryFile()
    with gzip.GzipFile(fileobj=handle, mode="wb") as out:
        out.write(b"plain text")
    handle.seek(0)
    start_response("200 OK", [])
    return environ["wsgi.file_wrapper"](gzip.GzipFile(fileobj=handle))


def keep_input(environ, start_response):
    KEPT[:] = [environ["wsgi.input"], start_response]
    return text(start_response, "kept")


def use_kept(environ, start_response):
    found = []
    for use in (lambda: KEPT[0].read(), lambda: KEPT[1]("200 OK", [])):
        try:
            use()
            found.append("worked")
        except Exception as error:
            found.append(type(error).__name__)
    return text(start_response, " ".join(found))


def read_error(environ, start_response):
    environ["wsgi.input"].read()
    return text(start_response, "not reached")


def closed_count(environ, start_response):
    count = len(CLOSED)
    CLOSED.clear()
    return text(start_response, count)


SLOW = threading.Event()


def slow(environ, start_response):
    released = SLOW.wait(10)
    return text(start_response, released)


def release_slow(environ, start_response):
    SLOW.set()
    return text(start_response, "released")


def objects(environ, start_response):
    """Live objects after a collection: the same number again and again, or something leaks."""
    gc.collect()
    sizes = sys.getallocatedblocks()
    return text(start_response, sizes)


@validator
def validated(environ, start_response):
    body = environ["wsgi.input"].read(100)
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"valid ", body]


def stdout(environ, start_response):
    print("a line on standard output")
    environ["wsgi.errors"].write("a line on wsgi.errors\n")
    environ["wsgi.errors"].flush()
    return text(start_response, "printed")


def places(environ, start_response):
    return text(start_response, "\n".join([
        os.getcwd(), sys.path[0], repr(sys.argv), sys.executable, str(sys.flags.utf8_mode),
        str(sys.flags.no_user_site), __name__, str(threading.current_thread() is not None)]))


def application(environ, start_response):
    name = environ["PATH_INFO"].split("/")[1]
    return globals()[name](environ, start_response)
