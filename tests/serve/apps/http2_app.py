"""What test_http2.py calls, as WSGI and as ASGI, and WebSocket as ASGI without a framework."""
import asyncio
import hashlib
import json
import time

ENDED = []
STATUSES = {"/204": "204 No Content", "/304": "304 Not Modified"}


def wsgi(environ, start_response):
    path, query = environ["PATH_INFO"], environ["QUERY_STRING"]
    if path in STATUSES:
        start_response(STATUSES[path], [("ETag", '"a"')])
        return []
    start_response("200 OK", [("X-Upper", "Value")])
    if path == "/digest":
        found, total = hashlib.sha256(), 0
        for piece in iter(lambda: environ["wsgi.input"].read(65536), b""):
            found.update(piece)
            total += len(piece)
        return [f"{total} {found.hexdigest()}".encode()]
    if path == "/endless":
        return Endless()
    if path == "/sleep":
        time.sleep(float(query))
    body = {"/ended": " ".join(ENDED), "/token": query, "/sleep": "slept", "/big": "b" * 1000000,
            "/seen": json.dumps({name: environ.get(name) for name in (
                "SERVER_PROTOCOL", "HTTP_HOST", "SERVER_NAME", "SERVER_PORT", "HTTP_COOKIE",
                "wsgi.url_scheme", "HTTP_X_TRAILER", "PATH_INFO")})}
    return [body[path].encode()]


class Endless:
    def __iter__(self):
        return self

    def __next__(self):
        return b"x" * 65536

    def close(self):
        ENDED.append("closed")


async def respond(send, body, status=200, headers=((b"x-upper", b"Value"),)):
    await send({"type": "http.response.start", "status": status, "headers": list(headers)})
    await send({"type": "http.response.body", "body": body})


async def digest(receive):
    found, total, more = hashlib.sha256(), 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            ENDED.append("disconnect")
            return b""
        found.update(message["body"])
        total += len(message["body"])
        more = message["more_body"]
    return f"{total} {found.hexdigest()}".encode()


async def endless(send):
    await send({"type": "http.response.start", "status": 200})
    try:
        while True:
            await send({"type": "http.response.body", "body": b"x" * 65536, "more_body": True})
    except OSError:
        ENDED.append("closed")
        raise


async def trailers(scope, send):
    """The query says what to send: name=value pairs, each in a message of its own."""
    pairs = [pair.encode().split(b"=") for pair in scope["query_string"].decode().split("&") if pair]
    await send({"type": "http.response.start", "status": 200, "trailers": True,
                "headers": [(b"content-length", b"4"), (b"trailer", b"x-sum")]})
    await send({"type": "http.response.body", "body": b"bo", "more_body": True})
    await send({"type": "http.response.body", "body": b"dy"})
    for i, pair in enumerate(pairs):
        await send({"type": "http.response.trailers", "headers": [pair],
                    "more_trailers": i + 1 < len(pairs)})


def seen(scope):
    names = ("type", "http_version", "scheme", "method", "path", "server", "extensions",
             "subprotocols")
    found = {name: scope.get(name) for name in names}
    found["headers"] = [[name.decode(), value.decode()] for name, value in scope["headers"]]
    return json.dumps(found)


async def websocket(scope, receive, send):
    path = scope["path"]
    assert (await receive())["type"] == "websocket.connect"
    if path == "/refuse":
        await send({"type": "websocket.close"})
        return
    if path == "/deny":
        await send({"type": "websocket.http.response.start", "status": 418, "headers": []})
        await send({"type": "websocket.http.response.body", "body": b"denied"})
        return
    chosen = (scope["subprotocols"] or [None])[0]
    await send({"type": "websocket.accept", "subprotocol": chosen, "headers": [(b"x-a", b"b")]})
    if path == "/seen":
        await send({"type": "websocket.send", "text": seen(scope)})
    if path == "/close":
        await send({"type": "websocket.close", "code": 4001, "reason": "as planned"})
        return
    while path == "/endless":
        await send({"type": "websocket.send", "bytes": b"x" * 65536})
    while True:
        message = await receive()
        if message["type"] == "websocket.disconnect":
            ENDED.append(f"{path} {message['code']} {message['reason']}")
            return
        await send({**message, "type": "websocket.send"})


async def asgi(scope, receive, send):
    if scope["type"] == "lifespan":
        return
    if scope["type"] == "websocket":
        await websocket(scope, receive, send)
        return
    path, query = scope["path"], scope["query_string"]
    if path in STATUSES:
        await respond(send, b"", int(path[1:]), [(b"etag", b'"a"')])
    elif path == "/endless":
        await endless(send)
    elif path == "/trailers":
        await trailers(scope, send)
    elif path == "/digest":
        await respond(send, await digest(receive))
    else:
        if path == "/sleep":
            await asyncio.sleep(float(query))
        body = {"/ended": " ".join(ENDED).encode(), "/token": query, "/sleep": b"slept",
                "/big": b"b" * 1000000, "/seen": seen(scope).encode()}
        await respond(send, body[path])
