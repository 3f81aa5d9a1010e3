"""Runs Starlette's own tests with its TestClient sent over a socket: GET /run?FOLDER starts pytest on the
unpacked sources in FOLDER, in a thread beside this app's server, and answers with the outcome. Each
request that a test makes leaves the process through a connection to that server, whose scope,
receive and send are what the tested app then gets. For tools/conformance."""
import asyncio
import concurrent.futures
import contextlib
import itertools
import json
import os
import sys
import threading
import xml.etree.ElementTree as ElementTree

CASES = {}
NUMBERS = itertools.count()
HOP_BY_HOP = (b"connection", b"transfer-encoding")
HANDSHAKE = (b"connection", b"upgrade", b"host", b"user-agent")
MARK = b"x-suite-case"
GRACE = 10  # seconds for an app to end whose client has left; not all do


class Case:
    """A tested app on its way through the server."""

    def __init__(self, app, scope):
        self.app, self.scope = app, scope
        self.ended = concurrent.futures.Future()
        self.begun = False
        self.number = str(next(NUMBERS)).encode()

    async def run(self, scope, receive, send):
        """On the server's loop. What a test gives to its client only is passed on beside the socket."""
        self.begun = True
        scope["headers"] = [pair for pair in scope["headers"] if pair[0] != MARK]
        scope.update({name: self.scope[name] for name in ("client", "root_path", "scheme", "state")
                      if name in self.scope})
        try:
            await self.app(scope, receive, send)
        except BaseException as error:
            self.ended.set_result(error)
            raise
        self.ended.set_result(None)

    async def outcome(self):
        """The app's exception, or None; some requests the server refuses by itself."""
        from starlette.websockets import WebSocketDisconnect
        error = await asyncio.wrap_future(self.ended) if self.begun else None
        # Without a socket an app can go on sending to a client that has left.
        left = isinstance(error, WebSocketDisconnect) and error.code == 1006
        return None if left else error

    async def outcome_without_client(self):
        """A test may leave as soon as it has sent what its app fails at: the exception is still on its
        way here then. That the client has left is none."""
        import anyio
        from starlette.websockets import WebSocketDisconnect
        error = None
        with anyio.move_on_after(GRACE, shield=True):
            error = await self.outcome()
        return error if not isinstance(error, WebSocketDisconnect) else None


class OverSocket:
    """The app as the TestClient sees it."""
    port = None

    def __init__(self, app):
        self.app = app

    async def __call__(self, scope, receive, send):
        if scope["type"] == "lifespan":
            return await self.app(scope, receive, send)
        case = Case(self.app, scope)
        CASES[case.number] = case
        try:
            await (exchange if scope["type"] == "http" else converse)(case, scope, receive, send)
            error = await case.outcome()
        except asyncio.CancelledError:
            error = await case.outcome_without_client()
            if error is None:
                raise
        finally:
            del CASES[case.number]
        if error is not None:
            raise error


def target_of(scope):
    path = scope.get("raw_path") or scope["path"].encode()
    return path + (b"?" + scope["query_string"] if scope["query_string"] else b"")


async def exchange(case, scope, receive, send):
    import h11
    reader, writer = await asyncio.open_connection("127.0.0.1", OverSocket.port)
    http = h11.Connection(h11.CLIENT)
    try:
        writer.write(http.send(h11.Request(method=scope["method"], target=target_of(scope),
                                           headers=[*scope["headers"], (MARK, case.number)])))
        more = True
        while more:
            message = await receive()
            more = message.get("more_body", False)
            writer.write(http.send(h11.Data(message.get("body", b""))) or b"")
        writer.write(http.send(h11.EndOfMessage()))
        await read_response(http, reader, send)
    finally:
        writer.close()


async def read_response(http, reader, send):
    import h11
    while True:
        event = http.next_event()
        if event is h11.NEED_DATA:
            http.receive_data(await reader.read(65536))
        elif isinstance(event, h11.Response):
            headers = [(name, value) for name, value in event.headers.raw_items()
                       if name.lower() not in HOP_BY_HOP]
            await send({"type": "http.response.start", "status": event.status_code,
                        "headers": headers})
        elif isinstance(event, h11.Data):
            await send({"type": "http.response.body", "body": bytes(event.data), "more_body": True})
        elif isinstance(event, h11.EndOfMessage):
            return await send({"type": "http.response.body", "body": b""})


async def converse(case, scope, receive, send):
    import anyio
    from websockets.asyncio.client import connect
    from websockets.exceptions import InvalidStatus
    headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]
               if name not in HANDSHAKE and not name.startswith(b"sec-websocket-")]
    host = dict(scope["headers"])[b"host"].decode()
    assert (await receive())["type"] == "websocket.connect"
    try:
        socket = await connect(
            f"ws://{host}" + target_of(scope).decode("latin-1"), host="127.0.0.1",
            port=OverSocket.port, compression=None, max_size=None, proxy=None,
            user_agent_header="testclient", subprotocols=scope["subprotocols"] or None,
            additional_headers=[*headers, (MARK.decode(), case.number.decode())])
    except InvalidStatus as refused:
        return await pass_refusal(refused.response, send)
    sent = [(name.encode(), value.encode("latin-1"))
            for name, value in socket.response.headers.raw_items()
            if name.lower() not in ("connection", "upgrade", "date", "sec-websocket-accept",
                                    "sec-websocket-protocol")]
    await send({"type": "websocket.accept", "subprotocol": socket.subprotocol, "headers": sent})
    outwards = asyncio.ensure_future(pass_outwards(socket, receive))
    try:
        await pass_inwards(socket, send)
    except asyncio.CancelledError:
        with anyio.move_on_after(GRACE, shield=True):
            await outwards  # what the test has sent before it left
        raise
    finally:
        outwards.cancel()
        await socket.close()


async def pass_refusal(response, send):
    if response.body == b"Forbidden\n":  # what the server makes of a websocket.close
        return await send({"type": "websocket.close", "code": 1000, "reason": ""})
    await send({"type": "websocket.http.response.start", "status": response.status_code,
                "headers": [(name.lower().encode(), value.encode("latin-1"))
                            for name, value in response.headers.raw_items()
                            if name.lower().encode() not in HOP_BY_HOP]})
    await send({"type": "websocket.http.response.body", "body": response.body or b""})


async def pass_outwards(socket, receive):
    while True:
        message = await receive()
        if message["type"] == "websocket.disconnect":
            code = message["code"]
            return await socket.close(code, message.get("reason") or "")
        data = message.get("text")
        await socket.send(message["bytes"] if data is None else data)


async def pass_inwards(socket, send):
    from websockets.exceptions import ConnectionClosed
    with contextlib.suppress(ConnectionClosed):
        async for data in socket:
            kind = "text" if isinstance(data, str) else "bytes"
            await send({"type": "websocket.send", kind: data})
    await send({"type": "websocket.close", "code": socket.close_code, "reason": socket.close_reason})


class Plugin:
    """Sends every TestClient over the socket."""

    def pytest_configure(self):
        from starlette.testclient import TestClient
        made = TestClient.__init__

        def make(self, *args, **more):
            made(self, *args, **more)
            self._transport.app = OverSocket(self.app)
        TestClient.__init__ = make


def run_tests(folder):
    import pytest
    os.chdir(folder)
    sys.path.insert(0, folder)
    report = os.path.join(folder, "report.xml")
    with open(os.path.join(folder, "output.txt"), "w", encoding="utf-8") as out, \
            contextlib.redirect_stdout(out):
        pytest.main(["-q", "-p", "no:cacheprovider", "-p", "no:faulthandler", "-k", "not trio",
                     "--ignore=tests/test_testclient.py",  # of the client that is replaced here
                     "--ignore=tests/middleware/test_opentelemetry.py",  # needs more packages
                     f"--junitxml={report}", "tests"], plugins=[Plugin()])
    outcome = {}
    for case in ElementTree.parse(report).getroot().iter("testcase"):
        name = f"{case.get('classname')}.{case.get('name')}"
        kinds = [child.tag for child in case]
        outcome[name] = ("failed" if "failure" in kinds or "error" in kinds
                         else "skipped" if "skipped" in kinds else "passed")
    return outcome


async def run(scope, receive, send):
    OverSocket.port = scope["server"][1]
    result = concurrent.futures.Future()
    folder = scope["query_string"].decode()

    def work():
        try:
            result.set_result(run_tests(folder))
        except BaseException as error:
            result.set_exception(error)
    threading.Thread(target=work, daemon=True).start()
    outcome = await asyncio.wrap_future(result)
    await send({"type": "http.response.start", "status": 200})
    await send({"type": "http.response.body", "body": json.dumps(outcome).encode()})


async def app(scope, receive, send):
    assert scope["type"] != "lifespan", "has none of its own"
    if scope["path"] == "/run":
        return await run(scope, receive, send)
    number = next(value for name, value in scope["headers"] if name == MARK)
    await CASES[number].run(scope, receive, send)
