"""FastAPI: lifespan, forms, uploads, files, streams, events, background tasks, WebSocket, threads."""
import asyncio
import contextlib
import os
import sqlite3
import time

from fastapi import BackgroundTasks, Depends, FastAPI, Form, HTTPException, Request, UploadFile, WebSocket
from fastapi.responses import FileResponse, RedirectResponse, StreamingResponse
from sse_starlette.sse import EventSourceResponse
from starlette.middleware.gzip import GZipMiddleware
from starlette.middleware.sessions import SessionMiddleware


@contextlib.asynccontextmanager
async def lifespan(_):
    yield {"began": "in lifespan"}


app = FastAPI(lifespan=lifespan)
app.add_middleware(SessionMiddleware, secret_key="for comparing alone")
app.add_middleware(GZipMiddleware, minimum_size=2000)
done = []


@app.post("/login")
async def enter(request: Request, name: str = Form()):
    request.session["name"] = name
    return RedirectResponse("/inside", status_code=303)


def user(request: Request):
    if "name" not in request.session:
        raise HTTPException(401, "log in first", {"WWW-Authenticate": "Basic"})
    return request.session["name"]


@app.get("/inside")
def inside(request: Request, name: str = Depends(user)):
    return {"name": name, "state": request.state.began}


@app.post("/upload")
async def upload(one: UploadFile):
    return {"name": one.filename, "bytes": len(await one.read())}


@app.get("/download")
def download():
    return FileResponse(__file__, filename="a file.py")


@app.get("/stream")
async def stream():
    async def pieces():
        for number in range(3):
            yield f"piece {number}\n"
            await asyncio.sleep(0.2)
    return StreamingResponse(pieces(), media_type="text/plain")


@app.get("/events")
async def events():
    async def numbers():
        for number in range(3):
            yield {"id": str(number), "data": f"event {number}"}
    return EventSourceResponse(numbers())


@app.get("/task")
async def task(tasks: BackgroundTasks):
    tasks.add_task(lambda: done.append(time.sleep(0.1) or len(done)))
    return "begun"


@app.get("/done")
async def tasks_done():
    for _ in range(100):
        if done:
            break
        await asyncio.sleep(0.05)
    return done


@app.get("/count")
def count():
    with sqlite3.connect(os.path.join(os.path.expanduser("~"), "fast.db")) as data:
        data.execute("CREATE TABLE IF NOT EXISTS seen (at INTEGER)")
        data.execute("INSERT INTO seen VALUES (1)")
        return data.execute("SELECT count(*) FROM seen").fetchone()[0]


@app.get("/items/{number}")
def item(number: int, wanted: str | None = None):
    return {"number": number, "wanted": wanted}


@app.get("/fails")
async def fails():
    return 1 / 0


@app.websocket("/socket")
async def socket(one: WebSocket):
    await one.accept(subprotocol="chat" if "chat" in one.scope["subprotocols"] else None)
    async for text in one.iter_text():
        if text == "close":
            await one.close(4001, "as asked")
            return
        await one.send_text("heard " + text)


@app.websocket("/closed")
async def closed(one: WebSocket):
    await one.close()
