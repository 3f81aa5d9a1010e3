"""What test_wsgi.py calls."""
import hashlib
import os
import sys
import threading
import time
from wsgiref.validate import validator

GATE = threading.Event()
EVENTS = []


def respond(start_response, body, status="200 OK", headers=()):
    body = body if isinstance(body, bytes) else str(body).encode()
    start_response(status, [("Content-Type", "text/plain"), *headers])
    return [body]


def hello(environ, start_response):
    return respond(start_response, "Hello")


def token(environ, start_response):
    return respond(start_response, environ["QUERY_STRING"])


def digest(environ, start_response):
    found, total = hashlib.sha256(), 0
    for piece in iter(lambda: environ["wsgi.input"].read(65536), b""):
        found.update(piece)
        total += len(piece)
    return respond(start_response, f"{total} {found.hexdigest()}")


def reads_late(environ, start_response):
    GATE.wait(20)
    return respond(start_response, len(environ["wsgi.input"].read()))


def ignore_body(environ, start_response):
    return respond(start_response, "did not read")


def block(environ, start_response):
    return respond(start_response, GATE.wait(300))


def unblock(environ, start_response):
    GATE.set()
    return respond(start_response, "unblocked")


def wait_for_file(environ, start_response):
    while not os.path.exists(environ["QUERY_STRING"]):
        time.sleep(0.01)
    return respond(start_response, "there")


def sleep(environ, start_response):
    time.sleep(float(environ["QUERY_STRING"]))
    return respond(start_response, "slept")


def stream(environ, start_response):
    """The second part is made when somebody opens the gate."""
    def parts():
        yield b"first"
        GATE.wait(300)
        yield b"second"
    start_response("200 OK", [])
    return parts()


class Endless:
    def __iter__(self):
        return self

    def __next__(self):
        return b"x" * 65536

    def close(self):
        EVENTS.append("closed")


def endless(environ, start_response):
    start_response("200 OK", [])
    return Endless()


def events(environ, start_response):
    found = " ".join(EVENTS)
    EVENTS.clear()
    return respond(start_response, found)


def big(environ, start_response):
    return respond(start_response, b"b" * int(environ["QUERY_STRING"]))


def parts(environ, start_response):
    """So many bytes, in parts that are each made when the one before is taken."""
    length = int(environ["QUERY_STRING"])
    start_response("200 OK", [("Content-Length", str(length))])
    return (b"p" * min(50000, length - at) for at in range(0, length, 50000))


def takes_socket(environ, start_response):
    """What simple-websocket does, which flask-sock and python-socketio's threads stand on."""
    for name in ("werkzeug.socket", "gunicorn.socket"):
        if name in environ:
            return environ[name]
    raise RuntimeError("Cannot obtain socket from WSGI environment.")


LENT = bytes(32 << 20)  # more than the kernel takes


def lent(environ, start_response):
    return respond(start_response, LENT)


def lent_count(environ, start_response):
    return respond(start_response, str(sys.getrefcount(LENT)).encode())


def file(environ, start_response):
    handle = open(environ["QUERY_STRING"], "rb")
    start_response("200 OK", [("Content-Length", str(os.fstat(handle.fileno()).st_size))])
    return environ["wsgi.file_wrapper"](handle)


def raises(environ, start_response):
    raise ValueError("as planned")


def raises_late(environ, start_response):
    def parts():
        yield b"part"
        raise ValueError("too late")
    start_response("200 OK", [])
    return parts()


@validator
def validated(environ, start_response):
    body = environ["wsgi.input"].read(1000)
    write = start_response("200 OK", [("Content-Type", "text/plain")])
    write(b"valid ")
    return iter([body])


TEXT = [("Content-Type", "text/plain")]


class Parts:
    """An iterable whose close() is noted."""

    def __init__(self, *parts):
        self.parts = iter(parts)

    def __iter__(self):
        return self

    def __next__(self):
        part = next(self.parts)
        if isinstance(part, Exception):
            raise part
        return part

    def close(self):
        EVENTS.append("closed")


def valid_list(environ, start_response):
    start_response("200 OK", TEXT)
    return [b"one ", b"", b"two"]


def valid_tuple(environ, start_response):
    start_response("200 Fine", TEXT)
    return (b"tuple",)


def valid_parts(environ, start_response):
    start_response("200 OK", TEXT)
    return Parts(b"one ", b"", b"two")


def valid_late_start(environ, start_response):
    def parts():
        start_response("200 OK", TEXT)
        yield b"late"
    return parts()


def valid_length(environ, start_response):
    start_response("200 OK", [*TEXT, ("Content-Length", "3")])
    return Parts(b"abc")


def valid_empty(environ, start_response):
    start_response("204 No Content", [])
    return []


def valid_write(environ, start_response):
    write = start_response("200 OK", TEXT)
    write(b"written ")
    write(b"twice ")
    return Parts(b"and returned")


def valid_exc_info(environ, start_response):
    start_response("200 OK", [*TEXT, ("X-First", "1")])
    try:
        raise ValueError("as planned")
    except ValueError:
        start_response("503 Replaced", [*TEXT, ("X-Second", "1")], sys.exc_info())
    return [b"replaced"]


def valid_exc_info_too_late(environ, start_response):
    start_response("200 OK", TEXT)(b"part")
    try:
        raise ValueError("behind the head")
    except ValueError:
        start_response("500 Too late", TEXT, sys.exc_info())
    return []


def valid_raises_in_parts(environ, start_response):
    start_response("200 OK", TEXT)
    return Parts(b"part", ValueError("in the parts"))


def valid_read(environ, start_response):
    stream, found = environ["wsgi.input"], []
    for piece in iter(lambda: stream.read(4), b""):
        found.append(piece)
    start_response("200 OK", TEXT)
    return [repr(found).encode()]


def valid_lines(environ, start_response):
    stream = environ["wsgi.input"]
    found = [stream.readline(), stream.readline(2), stream.readlines(1), next(iter(stream)),
             stream.readlines(), stream.read(9), stream.readline(), list(stream)]
    start_response("200 OK", TEXT)
    return [repr(found).encode()]


def valid_errors(environ, start_response):
    errors = environ["wsgi.errors"]
    errors.write("one \u20ac\n")
    errors.writelines(["two\n", "three\n"])
    errors.flush()
    start_response("200 OK", TEXT)
    return [b"told"]


def valid_environ(environ, start_response):
    start_response("200 OK", TEXT)
    names = ("REQUEST_METHOD", "SCRIPT_NAME", "PATH_INFO", "QUERY_STRING", "HTTP_HOST",
             "SERVER_NAME", "SERVER_PORT", "SERVER_PROTOCOL", "wsgi.url_scheme", "CONTENT_LENGTH")
    return [repr({name: environ.get(name) for name in names}).encode()]


def checked(environ, start_response):
    """/checked/NAME...: the function of that name behind the validator, which sees both sides."""
    name = environ["PATH_INFO"].split("/")[2]
    return validator(globals()["valid_" + name])(environ, start_response)


def modules(environ, start_response):
    return respond(start_response, " ".join(sorted(sys.modules)))


def app(environ, start_response):
    return globals()[environ["PATH_INFO"].split("/")[1]](environ, start_response)
