"""What mse-soak asks for, as WSGI: /KIND/TOKEN/SIZE/OFFSET, the token once more in a header."""
import os
import tempfile
import time

import soak_memory

FILE_SIZE = 2 << 20
FILE = tempfile.NamedTemporaryFile(prefix="mse-soak-", buffering=0)
FILE.write(b"".join(b"%07x\n" % i for i in range(FILE_SIZE // 8)))


def repeated(token, size):
    return (token * (size // len(token) + 1))[:size].encode()


def token(environ, name, size, offset):
    return [name.encode()]


def list_(environ, name, size, offset):
    body = repeated(name, size)
    return [body[:size // 3], body[size // 3:]]


def parts(environ, name, size, offset):
    body = repeated(name, size)
    step = max(1, size // (1 + size % 7))
    for start in range(0, size, step):
        yield body[start:start + step]
        yield b""


class Part:
    """Wrapped twice as often as read in the usual way: both ways of sending a file are used."""

    def __init__(self, size, offset):
        self.left = size
        self.offset = offset

    def read(self, size):
        piece = os.pread(FILE.fileno(), min(size, self.left), self.offset)
        self.left -= len(piece)
        self.offset += len(piece)
        return piece


def file(environ, name, size, offset):
    if size % 3 == 0:
        return environ["wsgi.file_wrapper"](Part(size, offset))
    handle = open(FILE.name, "rb")
    handle.seek(offset)
    return environ["wsgi.file_wrapper"](handle)


def echo(environ, name, size, offset):
    stream = environ["wsgi.input"]
    pieces = list(iter(lambda: stream.read(1 + size // 3), b""))
    assert len(b"".join(pieces)) == size, "the body has another length"
    return pieces


def ignore(environ, name, size, offset):
    return [name.encode()]


def empty(environ, name, size, offset):
    return []


def sleep(environ, name, size, offset):
    time.sleep(size % 5 / 1000)
    return [name.encode()]


def memory(environ, start_response):
    body = soak_memory.report()
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]


KINDS = {"token": token, "list": list_, "parts": parts, "file": file, "echo": echo,
         "ignore": ignore, "empty": empty, "sleep": sleep}


def app(environ, start_response):
    if environ["PATH_INFO"] == "/memory":
        return memory(environ, start_response)
    _, kind, name, size, offset = environ["PATH_INFO"].split("/")
    size, offset = int(size), int(offset)
    assert environ["HTTP_X_TOKEN"] == name, "path and header of two requests"
    headers = [("X-Token", name)]
    if kind == "file":
        headers.append(("Content-Length", str(size)))
    start_response("204 No Content" if kind == "empty" else "200 OK", headers)
    return KINDS[kind](environ, name, size, offset)
