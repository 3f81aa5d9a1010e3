"""Apps that answer wrongly now and then: the load must notice each of them."""
import itertools
import time

import soak_wsgi

COUNT = itertools.count(1)


def now_and_then(environ):
    return environ["PATH_INFO"] != "/memory" and next(COUNT) % 200 == 0


def mixed(environ, start_response):
    """The body of another request."""
    if not now_and_then(environ):
        return soak_wsgi.app(environ, start_response)
    _, kind, name, size, offset = environ["PATH_INFO"].split("/")
    other = "/".join(("", kind, name[::-1], size, str(int(offset) + 1)))
    body = b"".join(soak_wsgi.app(dict(environ, PATH_INFO=other, HTTP_X_TOKEN=name[::-1]),
                                  lambda status, headers: None))
    start_response("204 No Content" if kind == "empty" else "200 OK", [("X-Token", name)])
    return [body[:int(size)] if kind == "file" else body, b""]


def head(environ, start_response):
    """The token of another request in the head."""
    def start(status, headers):
        start_response(status, [(name, value[::-1] if name == "X-Token" else value)
                                for name, value in headers])
    return soak_wsgi.app(environ, start if now_and_then(environ) else start_response)


def short(environ, start_response):
    """One byte of the body is missing."""
    body = soak_wsgi.app(environ, start_response)
    if not now_and_then(environ) or not isinstance(body, list):
        return body
    return [b"".join(body)[:-1]]


def late(environ, start_response):
    """No answer while the client waits."""
    if now_and_then(environ):
        time.sleep(1)
    return soak_wsgi.app(environ, start_response)
