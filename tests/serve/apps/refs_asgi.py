"""What tests/serve/refcounts.py calls, in the manner of ASGI: one function for each kind of request."""
import asyncio
import gc
import sys


async def respond(send, body, headers=()):
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def counts(scope, receive, send):
    gc.collect()
    await respond(send, f"{sys.gettotalrefcount()} {sys.getallocatedblocks()} END".encode())


async def plain(scope, receive, send):
    scope["state"]["mine"] = "changed"
    await respond(send, b"END", [(b"Content-Type", b"text/plain"), [b"content-length", b"3"]])


async def stream(scope, receive, send):
    await send({"type": "http.response.start", "status": 200})
    for part in (b"one ", bytearray(b"two "), memoryview(b"END")):
        await send({"type": "http.response.body", "body": part, "more_body": True})
    await send({"type": "http.response.body"})


async def body(scope, receive, send):
    found = []
    while True:
        message = await receive()
        found.append(message["body"])
        if not message["more_body"]:
            break
    await respond(send, b"".join(found) + b" END")


async def file(scope, receive, send):
    await send({"type": "http.response.start", "status": 200})
    path = __file__.replace("refs_asgi.py", "refs_end.txt")
    await send({"type": "http.response.pathsend", "path": path})


async def no_file(scope, receive, send):
    await send({"type": "http.response.start", "status": 200})
    try:
        await send({"type": "http.response.pathsend", "path": "/nowhere"})
    except OSError:
        await send({"type": "http.response.body", "body": b"END"})


async def error(scope, receive, send):
    raise ValueError("as planned")


async def late(scope, receive, send):
    await send({"type": "http.response.start", "status": 200})
    await send({"type": "http.response.body", "body": b"part", "more_body": True})
    raise ValueError("too late")


async def cancel(scope, receive, send):
    """Cancels a receive() that waits, one that nobody waits for, and itself."""
    await receive()
    dropped = asyncio.ensure_future(receive())
    try:
        await asyncio.wait_for(receive(), 0.001)
    except asyncio.TimeoutError:
        dropped.cancel()
    await respond(send, b"END")
    asyncio.current_task().cancel()
    await asyncio.sleep(1)


async def background(scope, receive, send):
    waiting = asyncio.ensure_future(receive())
    await respond(send, b"END")
    await waiting


async def endless(scope, receive, send):
    await send({"type": "http.response.start", "status": 200})
    while True:
        await send({"type": "http.response.body", "body": b"x" * 50000, "more_body": True})


async def bad_messages(scope, receive, send):
    for message in ({}, [], {"type": "unknown"}, {"type": "http.response.start"},
                    {"type": "http.response.start", "status": 200, "headers": [(b"a", b"b\r\nc")]}):
        try:
            await send(message)
        except (TypeError, ValueError):
            pass
    await respond(send, b"END")


async def echo(scope, receive, send):
    await receive()
    if scope["query_string"]:
        return await deny(send)
    await send({"type": "websocket.accept", "headers": [(b"x-more", b"1")]})
    while True:
        message = await receive()
        if message["type"] == "websocket.disconnect":
            return
        await send({"type": "websocket.send", "text": message.get("text"),
                    "bytes": message.get("bytes")})


async def deny(send):
    await send({"type": "websocket.http.response.start", "status": 418, "headers": []})
    await send({"type": "websocket.http.response.body", "body": b"END"})


async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        while True:
            message = await receive()
            await send({"type": message["type"] + ".complete"})
            if message["type"] == "lifespan.shutdown":
                return
    await globals()[scope["path"].strip("/")](scope, receive, send)
