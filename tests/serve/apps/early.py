"""Answers without reading what is sent, as an app does that wants a login first."""


def wsgi(environ, start_response):
    status, headers, body = {
        "/length": ("200 OK", [("Content-Length", "5")], [b"early"]),
        "/parts": ("200 OK", [], iter([b"ear", b"ly"])),
        "/refused": ("401 Who", [], [b"early"]),
        "/redirect": ("302 Found", [("Location", "/login"), ("Content-Length", "0")], []),
        "/empty": ("204 No Content", [], []),
    }[environ["PATH_INFO"]]
    start_response(status, headers)
    return body


async def asgi(scope, receive, send):
    if scope["type"] != "http":
        raise RuntimeError("no lifespan here")
    await send({"type": "http.response.start", "status": 200,
                "headers": [(b"content-length", b"5")] if scope["path"] == "/length" else []})
    await send({"type": "http.response.body", "body": b"ear", "more_body": True})
    await send({"type": "http.response.body", "body": b"ly"})
