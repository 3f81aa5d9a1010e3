"""Starlette: streaming, background tasks, lifespan state, uploads, files."""
import contextlib
import os
import sys

from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.responses import (FileResponse, JSONResponse, PlainTextResponse,
                                 StreamingResponse)
from starlette.routing import Route, WebSocketRoute

DONE = []


@contextlib.asynccontextmanager
async def lifespan(app):
    yield {"made": "at startup"}

    print("shut down", file=sys.stderr)


async def hello(request):
    return PlainTextResponse("Hello, world!")


async def echo(request):
    return JSONResponse(await request.json())


async def upload(request):
    form = await request.form()
    data = await form["file"].read()
    return JSONResponse({"name": form["file"].filename, "size": len(data), "field": form["field"]})


async def size(request):
    total = 0
    async for piece in request.stream():
        total += len(piece)
    return PlainTextResponse(str(total))


async def stream(request):
    async def lines():
        for i in range(5):
            yield f"line {i}\n"
    return StreamingResponse(lines(), media_type="text/plain")


async def endless(request):
    async def parts():
        try:
            while True:
                yield b"x" * 65536
        finally:
            DONE.append("closed")
    return StreamingResponse(parts())


async def file(request):
    return FileResponse(os.path.abspath(__file__), media_type="text/x-python")


async def background(request):
    return PlainTextResponse("sent", background=BackgroundTask(DONE.append, "background"))


async def done(request):
    found = " ".join(DONE)
    DONE.clear()
    return PlainTextResponse(found)


async def state(request):
    return PlainTextResponse(request.state.made)


async def boom(request):
    raise RuntimeError("as planned")


def sync(request):
    return PlainTextResponse("from a thread")


async def websocket_echo(websocket):
    await websocket.accept(subprotocol=(websocket.scope["subprotocols"] or [None])[0])
    async for text in websocket.iter_text():
        await websocket.send_text(text)


async def websocket_bytes(websocket):
    await websocket.accept()
    async for data in websocket.iter_bytes():
        await websocket.send_bytes(data)


async def websocket_close(websocket):
    await websocket.accept()
    await websocket.close(4001, "as planned")


async def websocket_refuse(websocket):
    await websocket.close()


app = Starlette(lifespan=lifespan, routes=[
    Route("/", hello), Route("/echo", echo, methods=["POST"]),
    Route("/upload", upload, methods=["POST"]), Route("/size", size, methods=["POST"]),
    Route("/stream", stream), Route("/endless", endless), Route("/file", file),
    Route("/background", background), Route("/done", done), Route("/state", state),
    Route("/boom", boom), Route("/sync", sync),
    WebSocketRoute("/ws/echo", websocket_echo), WebSocketRoute("/ws/bytes", websocket_bytes),
    WebSocketRoute("/ws/close", websocket_close), WebSocketRoute("/ws/refuse", websocket_refuse),
])
