"""What tests/serve/refcounts.py calls, in the manner of WSGI: one function for each kind of request."""
import gc
import sys


def counts(environ, start_response):
    gc.collect()
    start_response("200 OK", [])
    return [f"{sys.gettotalrefcount()} {sys.getallocatedblocks()} END".encode()]


def list_(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "5")])
    return [b"a ", b"END"]


def generator(environ, start_response):
    start_response("200 OK", [("X-Text", "\u00e9" * 50)])
    for part in (b"one ", b"two ", b"END"):
        yield part


def file(environ, start_response):
    start_response("200 OK", [])
    return environ["wsgi.file_wrapper"](open(__file__.replace("refs_wsgi.py", "refs_end.txt"), "rb"))


def write(environ, start_response):
    out = start_response("200 OK", [("Content-Type", "text/plain")])
    out(b"one ")
    out(bytearray(b"two "))
    return (b"END",)


def body(environ, start_response):
    stream = environ["wsgi.input"]
    found = [stream.read(3), stream.readline(), stream.readlines(4), list(stream)]
    start_response("200 OK", [])
    return [repr(found).encode(), b" END"]


def error(environ, start_response):
    raise ValueError("as planned")


def late(environ, start_response):
    start_response("200 OK", [])
    yield b"part"
    raise ValueError("too late")


def replaced(environ, start_response):
    start_response("200 OK", [("A", "b")])
    try:
        raise ValueError("as planned")
    except ValueError:
        start_response("500 Replaced", [("C", "d")], sys.exc_info())
    return [b"END"]


def endless(environ, start_response):
    start_response("200 OK", [])
    while True:
        yield b"x" * 50000


def bad_head(environ, start_response):
    start_response("200 OK", [("A", "b\r\nc")])


def app(environ, start_response):
    return globals()[environ["PATH_INFO"].strip("/")](environ, start_response)
