"""Litestar: typed handlers, uploads, streams, WebSocket."""
from typing import Annotated

from litestar import Litestar, WebSocket, get, post, websocket
from litestar.datastructures import UploadFile
from litestar.enums import RequestEncodingType
from litestar.params import Body
from litestar.response import File, Stream


@get("/items/{number:int}")
async def item(number: int, wanted: str | None = None) -> dict:
    return {"number": number, "wanted": wanted}


@post("/upload")
async def upload(data: Annotated[dict[str, UploadFile], Body(media_type=RequestEncodingType.MULTI_PART)]) -> dict:
    return {name: len(await part.read()) for name, part in data.items()}


@get("/file")
async def file() -> File:
    return File(path=__file__, filename="file.py")


@get("/stream")
async def stream() -> Stream:
    async def pieces():
        for number in range(3):
            yield f"piece {number}\n"
    return Stream(pieces())


@get("/fails")
async def fails() -> None:
    raise RuntimeError("in a handler")


@websocket("/socket")
async def socket(socket: WebSocket) -> None:
    await socket.accept()
    await socket.send_text("heard " + await socket.receive_text())
    await socket.close()


app = Litestar([item, upload, file, stream, fails, socket])
