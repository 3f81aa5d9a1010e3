"""Things that python_application may name, for start_test.c."""
import functools


def wsgi(environ, start_response):
    start_response("200 OK", [])
    return [b""]


def wsgi_with_default(environ, start_response, extra=None):
    return wsgi(environ, start_response)


def any_arguments(*args):
    return wsgi(*args)


class WsgiObject:
    def __call__(self, environ, start_response):
        return wsgi(environ, start_response)

    def method(self, environ, start_response):
        return wsgi(environ, start_response)


class WsgiClass:
    def __init__(self, environ, start_response):
        self.start_response = start_response

    def __iter__(self):
        self.start_response("200 OK", [])
        yield b""


async def asgi(scope, receive, send):
    pass


def asgi_wrapped(scope, receive, send):
    return asgi(scope, receive, send)


class AsgiObject:
    async def __call__(self, scope, receive, send):
        pass


class Asgi2:
    def __init__(self, scope):
        pass


def one_argument(scope):
    pass


def factory():
    return wsgi


class Holder:
    inner = WsgiObject()


wsgi_object = WsgiObject()
wsgi_method = wsgi_object.method
wsgi_partial = functools.partial(any_arguments)
asgi_object = AsgiObject()
asgi_partial = functools.partial(asgi)
holder = Holder()
number = 5


def create_app():
    def made(environ, start_response):
        start_response("200 OK", [])
        return [b"made"]
    return made


def create_nothing():
    return None


def create_badly():
    raise ValueError("no settings")
