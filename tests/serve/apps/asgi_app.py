"""What test_asgi.py calls without any framework."""
import asyncio
import sys


async def respond(send, body, status=200):
    await send({"type": "http.response.start", "status": status,
                "headers": [(b"content-type", b"text/plain")]})
    await send({"type": "http.response.body", "body": str(body).encode()})


async def token(scope, receive, send):
    await respond(send, scope["query_string"].decode())


LENT = bytes(32 << 20)  # more than the kernel takes


async def lent(scope, receive, send):
    await send({"type": "http.response.start", "status": 200})
    await send({"type": "http.response.body", "body": LENT})


async def lent_count(scope, receive, send):
    await respond(send, sys.getrefcount(LENT))


async def sleep(scope, receive, send):
    await asyncio.sleep(float(scope["query_string"]))
    await respond(send, "slept")


async def file(scope, receive, send):
    """The file of the query; "N:" before it gives up after so many seconds."""
    seconds, _, path = scope["query_string"].decode().rpartition(":")
    await send({"type": "http.response.start", "status": 200})
    try:
        await asyncio.wait_for(send({"type": "http.response.pathsend", "path": path}),
                               float(seconds) if seconds else None)
        print("sent", file=sys.stderr)
    except (OSError, asyncio.TimeoutError) as error:
        print(type(error).__name__, file=sys.stderr)
        raise


async def stubborn(scope, receive, send):
    """Takes no notice of being cancelled."""
    while True:
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            pass


async def stop_loop(scope, receive, send):
    asyncio.get_running_loop().stop()
    await respond(send, "stopped")


async def loop(scope, receive, send):
    await respond(send, type(asyncio.get_running_loop()).__module__)


async def endless(scope, receive, send):
    await send({"type": "http.response.start", "status": 200})
    while True:
        await send({"type": "http.response.body", "body": b"x" * 65536, "more_body": True})


async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        while True:
            message = await receive()
            print(message["type"], file=sys.stderr)
            await send({"type": message["type"] + ".complete"})
            if message["type"] == "lifespan.shutdown":
                return
    await globals()[scope["path"].strip("/")](scope, receive, send)
