"""Falcon, WSGI (`app`) and ASGI (`asgi`)."""
import falcon
import falcon.asgi


class Thing:
    def on_get(self, request, response, name):
        response.media = {"name": name, "query": request.params}

    def on_put(self, request, response, name):
        response.media = {"name": name, "body": request.media}
        response.status = falcon.HTTP_201


class Asynchronous:
    async def on_get(self, request, response, name):
        response.media = {"name": name, "query": request.params}

    async def on_put(self, request, response, name):
        response.media = {"name": name, "body": await request.get_media()}
        response.status = falcon.HTTP_201

    async def on_websocket(self, request, socket, name):
        await socket.accept()
        while True:
            try:
                await socket.send_text(name + await socket.receive_text())
            except falcon.WebSocketDisconnected:
                return


app = falcon.App()
app.add_route("/things/{name}", Thing())
asgi = falcon.asgi.App()
asgi.add_route("/things/{name}", Asynchronous())
