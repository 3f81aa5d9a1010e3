"""Quart: Flask's interface over ASGI."""
from quart import Quart, jsonify, request

app = Quart(__name__)


@app.get("/")
async def hello():
    return "Hello, world!"


@app.post("/echo")
async def echo():
    return jsonify(await request.get_json())


@app.get("/stream")
async def stream():
    async def lines():
        for i in range(5):
            yield f"line {i}\n"
    return lines(), {"Content-Type": "text/plain"}
