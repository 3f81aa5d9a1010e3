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


def modules(environ, start_response):
    return respond(start_response, " ".join(sorted(sys.modules)))


def app(environ, start_response):
    return globals()[environ["PATH_INFO"].strip("/")](environ, start_response)
