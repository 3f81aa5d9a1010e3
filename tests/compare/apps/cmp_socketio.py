"""python-socketio over ASGI: long polling and WebSocket."""
import socketio

server = socketio.AsyncServer(async_mode="asgi", cors_allowed_origins="*")
app = socketio.ASGIApp(server)


@server.event
async def ask(_, data):
    return ["heard", data]
