"""Keeps what reached the app, for test_http1.py: as WSGI and as ASGI."""
import json

SEEN = []


def note(method, target, body):
    SEEN.append([method, target, body.decode("latin-1")])


def told():
    text = json.dumps(SEEN).encode()
    SEEN.clear()
    return text


def wsgi(environ, start_response):
    start_response("200 OK", [])
    if environ["PATH_INFO"] == "/seen":
        return [told()]
    body = b"not read"
    if environ["PATH_INFO"] != "/ignore-body":
        body = environ["wsgi.input"].read()
    note(environ["REQUEST_METHOD"], environ["REQUEST_URI"], body)
    return [b"noted"]


async def read(receive):
    body, more = b"", True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        body += message.get("body", b"")
        more = message.get("more_body", False)
    return body


async def asgi(scope, receive, send):
    if scope["type"] == "lifespan":
        return
    body, answer = b"not read", b"noted"
    if scope["path"] == "/seen":
        answer = told()
    else:
        if scope["path"] != "/ignore-body":
            body = await read(receive)
        if body is None:
            return
        note(scope["method"], scope["raw_path"].decode("latin-1"), body)
    await send({"type": "http.response.start", "status": 200})
    await send({"type": "http.response.body", "body": answer})
