"""Starlette and bare ASGI: what the scope says, ranges, static files, WebSocket with bytes."""
import os

from starlette.applications import Starlette
from starlette.responses import FileResponse, JSONResponse, PlainTextResponse
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.staticfiles import StaticFiles


def scope(request):
    seen = request.scope
    headers = sorted((name.decode(), value.decode("latin-1")) for name, value in seen["headers"]
                     if name != b"host")
    return JSONResponse([seen["type"], seen["method"], seen["path"], seen["raw_path"].decode(),
                         seen["root_path"], seen["query_string"].decode(), seen["scheme"],
                         seen["http_version"], seen["asgi"]["version"][:1], headers])


async def size(request):
    return PlainTextResponse(str(sum([len(part) async for part in request.stream()])))


async def binary(socket):
    await socket.accept()
    async for data in socket.iter_bytes():
        await socket.send_bytes(data[::-1])


async def refuse(socket):
    await socket.close(code=1008)


routes = [Route("/scope{rest:path}", scope, methods=["GET", "POST", "PURGE", "QUERY"]),
          Route("/size", size, methods=["POST"]),
          Route("/file", lambda _: FileResponse(__file__)),
          WebSocketRoute("/binary", binary), WebSocketRoute("/refuse", refuse),
          Mount("/static", StaticFiles(directory=os.path.dirname(__file__), html=True))]
app = Starlette(routes=routes)
