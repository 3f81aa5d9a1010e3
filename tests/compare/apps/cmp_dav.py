"""WebDAV's methods (RFC 4918, 3253, 3744) and others that are seldom seen, to a WSGI app."""


def app(environ, start):
    body = environ["wsgi.input"].read()
    start("207 Multi-Status", [("Content-Type", "text/plain"), ("DAV", "1, 2")])
    return [" ".join((environ["REQUEST_METHOD"], environ["PATH_INFO"], str(len(body)),
                      environ.get("HTTP_DEPTH", "-"), environ.get("HTTP_DESTINATION", "-"),
                      environ.get("HTTP_IF", "-"))).encode()]
