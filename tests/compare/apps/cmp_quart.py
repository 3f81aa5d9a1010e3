"""Quart: forms, uploads, streams, events, background tasks, WebSocket."""
import asyncio

from quart import Quart, make_response, request, send_file, session, websocket

app = Quart(__name__)
app.secret_key = "for comparing alone"
done = []


@app.before_serving
async def before():
    done.append("before serving")


@app.route("/login", methods=["POST"])
async def enter():
    session["name"] = (await request.form)["name"]
    return "in", 201


@app.get("/inside")
async def inside():
    return {"name": session.get("name"), "done": done}


@app.post("/upload")
async def upload():
    return {name: len(part.read()) for name, part in (await request.files).items()}


@app.get("/file")
async def file():
    return await send_file(__file__, conditional=True)


@app.get("/events")
async def events():
    async def numbers():
        for number in range(3):
            yield f"data: {number}\n\n".encode()
            await asyncio.sleep(0.2)
    response = await make_response(numbers(), {"Content-Type": "text/event-stream"})
    response.timeout = None
    return response


@app.get("/task")
async def task():
    app.add_background_task(asyncio.sleep, 0.1)
    return "begun"


@app.get("/fails")
async def fails():
    return str(1 / 0)


@app.websocket("/socket")
async def socket():
    while True:
        await websocket.send("heard " + await websocket.receive())
