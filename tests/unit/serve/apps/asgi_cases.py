"""An ASGI app for asgi_test.c: the path's first part names the function below that answers."""
import asyncio
import contextvars
import gc
import sys

STARTED = []
KEPT = []
VARIABLE = contextvars.ContextVar("variable", default="unset")


async def text(send, value, status=200, headers=()):
    await send({"type": "http.response.start", "status": status,
                "headers": [(b"content-type", b"text/plain"), *headers]})
    await send({"type": "http.response.body", "body": str(value).encode()})


async def hello(scope, receive, send):
    await text(send, "Hello")


async def scope(scope, receive, send):
    names = scope["query_string"].decode().split("&")
    await text(send, "\n".join(repr(scope.get(name)) for name in names))


async def echo(scope, receive, send):
    body, pieces = b"", 0
    while True:
        message = await receive()
        assert message["type"] == "http.request", message
        body += message["body"]
        pieces += 1
        if not message["more_body"]:
            break
    await text(send, body.decode())


async def stream(scope, receive, send):
    await send({"type": "http.response.start", "status": 200})
    for part in (b"one ", b"", bytearray(b"two "), memoryview(b"three")):
        await send({"type": "http.response.body", "body": part, "more_body": True})
    await send({"type": "http.response.body"})


async def trailers(scope, receive, send):
    names = scope["query_string"].split(b"&")
    await send({"type": "http.response.start", "status": 200, "trailers": True})
    await send({"type": "http.response.body", "body": b"body"})
    for i, name in enumerate(names):
        await send({"type": "http.response.trailers", "headers": [(name, b"v")],
                    "more_trailers": i + 1 < len(names)})


async def trailers_out_of_turn(scope, receive, send):
    await send({"type": "http.response.start", "status": 200})
    try:
        await send({"type": "http.response.trailers", "headers": []})
    except RuntimeError as error:
        await send({"type": "http.response.body", "body": str(error).encode()})


async def trailers_forgotten(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "trailers": True})
    await send({"type": "http.response.body", "body": b"body"})


async def fast_stream(scope, receive, send):
    await send({"type": "http.response.start", "status": 200})
    for i in range(3):
        KEPT.append(i)
        await send({"type": "http.response.body", "body": b"x", "more_body": True})
    await send({"type": "http.response.body"})


async def kept(scope, receive, send):
    await text(send, KEPT)
    KEPT.clear()


async def with_length(scope, receive, send):
    await text(send, "12345", headers=[[b"Content-Length", b"5"]])


async def not_modified(scope, receive, send):
    await send({"type": "http.response.start", "status": 304,
                "headers": [(b"content-length", b"77")]})
    await send({"type": "http.response.body", "body": b""})


async def hop_by_hop(scope, receive, send):
    await text(send, "ok", headers=[(b"connection", b"close"), (b"transfer-encoding", b"chunked"),
                                    (b"x-stays", b"1")])


async def disconnect(scope, receive, send):
    """Waits in receive() behind the body for the end of the client."""
    await receive()
    KEPT.append("waiting")
    message = await receive()
    KEPT.append(message["type"])
    try:
        await send({"type": "http.response.start", "status": 200})
        await send({"type": "http.response.body", "body": b"x"})
    except OSError as error:
        KEPT.append(type(error).__name__)
        raise


async def after_response(scope, receive, send):
    await receive()
    waiting = asyncio.ensure_future(receive())
    again = asyncio.create_task(receive())
    await asyncio.sleep(0)
    await text(send, "answered")
    KEPT.append((await waiting)["type"])
    KEPT.append((await again)["type"])
    KEPT.append((await receive())["type"])


async def timeout(scope, receive, send):
    try:
        await asyncio.wait_for(receive(), 0.01)
        await text(send, "came")
    except asyncio.TimeoutError:
        await text(send, "timed out")


async def raises(scope, receive, send):
    raise ValueError("as planned")


async def raises_exit(scope, receive, send):
    sys.exit(1)


async def raises_late(scope, receive, send):
    await send({"type": "http.response.start", "status": 200})
    await send({"type": "http.response.body", "body": b"part", "more_body": True})
    raise ValueError("too late")


async def returns_early(scope, receive, send):
    await send({"type": "http.response.start", "status": 200})


async def start_twice(scope, receive, send):
    await send({"type": "http.response.start", "status": 200})
    await send({"type": "http.response.start", "status": 200})


BAD = {
    "no-type": {}, "not-dict": [], "unknown": {"type": "http.response.push"},
    "body-first": {"type": "http.response.body", "body": b""},
    "no-status": {"type": "http.response.start"},
    "status-text": {"type": "http.response.start", "status": "200"},
    "status-1xx": {"type": "http.response.start", "status": 101},
    "headers-text": {"type": "http.response.start", "status": 200, "headers": [("a", "b")]},
    "headers-split": {"type": "http.response.start", "status": 200, "headers": [(b"a", b"b\r\nc")]},
    "headers-three": {"type": "http.response.start", "status": 200, "headers": [(b"a", b"b", b"c")]},
    "headers-none": {"type": "http.response.start", "status": 200, "headers": 5},
}


async def bad(scope, receive, send):
    try:
        await send(BAD[scope["query_string"].decode()])
    except Exception as error:
        return await text(send, type(error).__name__)
    await text(send, "accepted")


async def too_long(scope, receive, send):
    await text(send, "123456", headers=[(b"content-length", b"5")])


async def file(scope, receive, send):
    """This file, as far as the query says; again is refused."""
    assert scope["extensions"] == {"http.response.pathsend": {}}
    length = scope["query_string"]
    headers = [(b"content-length", length)] if length else []
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    sending = asyncio.ensure_future(send({"type": "http.response.pathsend", "path": __file__}))
    await asyncio.sleep(0)
    try:
        await send({"type": "http.response.body", "body": b"more"})
    except RuntimeError as error:
        KEPT.append(str(error))
    await sending


async def bad_file(scope, receive, send):
    await send({"type": "http.response.start", "status": 200})
    which = scope["query_string"].decode()
    message = {"type": "http.response.pathsend", "path": which}
    try:
        await send(message if which else {"type": "http.response.pathsend"})
    except Exception as error:
        await send({"type": "http.response.body", "body": type(error).__name__.encode()})


async def current_task(scope, receive, send):
    task = asyncio.current_task()
    coro = task.get_coro()
    VARIABLE.set("set")
    await asyncio.sleep(0)
    await text(send, f"{coro.cr_frame is not None} {coro.cr_running} {VARIABLE.get()} "
                     f"{asyncio.iscoroutine(coro)} {asyncio.get_running_loop().is_running()}")


async def context(scope, receive, send):
    await text(send, VARIABLE.get())


async def background(scope, receive, send):
    await text(send, "sent before the rest")
    for _ in range(3):
        await asyncio.sleep(0)
    KEPT.append("done")


EVENT = None


async def wait_for_event(scope, receive, send):
    global EVENT
    EVENT = asyncio.Event()
    await EVENT.wait()
    await text(send, "released")


async def set_event(scope, receive, send):
    while EVENT is None:
        await asyncio.sleep(0)
    EVENT.set()
    await text(send, "set")


async def state(scope, receive, send):
    mine = scope["state"]
    mine["changed"] = True
    await text(send, sorted(mine))


async def objects(scope, receive, send):
    gc.collect()
    await text(send, sys.getallocatedblocks())


async def lifespan(receive, send, state):
    assert (await receive())["type"] == "lifespan.startup"
    state["made"] = "at startup"
    STARTED.append(True)
    await send({"type": "lifespan.startup.complete"})
    assert (await receive())["type"] == "lifespan.shutdown"
    print("shutdown ran", file=sys.stderr)
    await send({"type": "lifespan.shutdown.complete"})


async def application(scope, receive, send):
    if scope["type"] == "lifespan":
        return await lifespan(receive, send, scope["state"])
    await globals()[scope["path"].split("/")[1]](scope, receive, send)


async def without_lifespan(scope, receive, send):
    assert scope["type"] == "http"
    await text(send, "state" in scope)


async def failing_lifespan(scope, receive, send):
    await receive()
    await send({"type": "lifespan.startup.failed", "message": "no database"})
