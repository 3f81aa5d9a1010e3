"""What mse-soak asks for, as ASGI: see soak_wsgi.py."""
import asyncio

import soak_memory

FILE = b"".join(b"%07x\n" % i for i in range((2 << 20) // 8))


def repeated(token, size):
    return (token * (size // len(token) + 1))[:size]


async def answer(send, *pieces):
    for piece in pieces:
        await send({"type": "http.response.body", "body": piece, "more_body": True})
    await send({"type": "http.response.body"})


async def token(send, receive, name, size, offset):
    await send({"type": "http.response.body", "body": name})


async def list_(send, receive, name, size, offset):
    await send({"type": "http.response.body", "body": repeated(name, size)})


async def parts(send, receive, name, size, offset):
    body = repeated(name, size)
    step = max(1, size // (1 + size % 7))
    await answer(send, *(body[start:start + step] for start in range(0, size, step)))


async def file(send, receive, name, size, offset):
    await answer(send, FILE[offset:offset + size])


async def echo(send, receive, name, size, offset):
    pieces, more = [], True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        pieces.append(message.get("body", b""))
        more = message.get("more_body", False)
    assert len(b"".join(pieces)) == size, "the body has another length"
    await answer(send, *pieces)


async def empty(send, receive, name, size, offset):
    await send({"type": "http.response.body"})


async def sleep(send, receive, name, size, offset):
    await asyncio.sleep(size % 5 / 1000)
    await send({"type": "http.response.body", "body": name})


async def memory(send):
    await send({"type": "http.response.start", "status": 200})
    await send({"type": "http.response.body", "body": soak_memory.report()})


KINDS = {"token": token, "list": list_, "parts": parts, "file": file, "echo": echo,
         "ignore": token, "empty": empty, "sleep": sleep}


async def serve(scope, receive, send):
    if scope["path"] == "/memory":
        await memory(send)
        return
    _, kind, name, size, offset = scope["path"].split("/")
    name, size, offset = name.encode(), int(size), int(offset)
    assert dict(scope["headers"])[b"x-token"] == name, "path and header of two requests"
    headers = [(b"x-token", name)]
    if kind == "file":
        headers.append((b"content-length", b"%d" % size))
    await send({"type": "http.response.start", "status": 204 if kind == "empty" else 200,
                "headers": headers})
    await KINDS[kind](send, receive, name, size, offset)


async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        while True:
            message = await receive()
            await send({"type": message["type"] + ".complete"})
            if message["type"] == "lifespan.shutdown":
                return
    try:
        await serve(scope, receive, send)
    except ConnectionResetError:
        pass  # the client has left amid its answer, as planned
