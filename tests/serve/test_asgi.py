"""ASGI over real sockets, without and with frameworks."""
import concurrent.futures
import contextlib
import importlib
import json
import os
import resource
import socket
import ssl
import sys

import pytest

from conftest import PATIENCE

APPS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "apps")
LINES = b"".join(b"line %d\n" % i for i in range(5))
JSON = {"Content-Type": "application/json"}


def wait_for_done(server, expected):
    """What the app does behind a response: it is asked until it has."""
    found = b""
    while expected not in found:
        found += server.get("/done").content


@pytest.mark.parametrize("tls", [False, True])
def test_answers_are_not_mixed_up(serve, tls):
    server = serve("asgi_app:app", tls=tls)

    def ask(worker):
        with contextlib.closing(server.connection()) as connection:
            for i in range(100):
                connection.request("GET", f"/token?{worker}-{i}")
                assert connection.getresponse().read() == f"{worker}-{i}".encode()
        return True

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        assert all(pool.map(ask, range(8)))


def test_lifespan_and_stop_in_flight(serve):
    server = serve("asgi_app:app")
    with contextlib.closing(server.socket()) as connection:
        connection.sendall(b"GET /sleep?0.3 HTTP/1.1\r\nHost: a\r\n\r\n")
        assert server.get("/token?x").content == b"x"
        server.stop()
        assert connection.recv(1000).endswith(b"slept")
    assert server.text() == "lifespan.startup\nlifespan.shutdown\n"


def test_stop_drops_what_cannot_be_cancelled(serve):
    server = serve("asgi_app:app", "--stop-timeout", 100)
    with contextlib.closing(server.socket()) as connection:
        connection.sendall(b"GET /stubborn HTTP/1.1\r\nHost: a\r\n\r\n")
        assert server.get("/token?x").content == b"x"
        assert server.stop(1)["open"] == 0
        assert connection.recv(1000) == b""
    assert "request dropped: 'GET' '/stubborn'" in server.text()


def test_app_that_stops_its_loop_is_not_waited_for(serve):
    server = serve("asgi_app:app")
    assert server.get("/stop_loop").content == b"stopped"
    while server.get("/token?x").status != 503:
        pass
    assert "stopped its event loop" in server.text()


def test_slow_reader_costs_bounded_memory(serve):
    server = serve("asgi_app:app")
    server.get("/token?x")
    before = server.memory_kib()
    with contextlib.closing(server.socket()) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.sendall(b"GET /endless HTTP/1.1\r\nHost: a\r\n\r\n")
        for _ in range(200):
            assert server.get("/token?x").content == b"x"
        assert server.memory_kib() - before < 8 << 10


@pytest.fixture
def big_file(tmp_path):
    path = tmp_path / "big"
    path.write_bytes(os.urandom(5 << 20) * 8)
    return path


@pytest.mark.parametrize("tls", [False, True])
def test_file(serve, tls, big_file):
    server = serve("asgi_app:app", tls=tls)
    before = server.memory_kib()
    assert server.get(f"/file?{big_file}").content == big_file.read_bytes()
    assert server.memory_kib() - before < 8 << 10
    assert server.request("HEAD", f"/file?{big_file}").headers["Content-Length"] == str(40 << 20)
    server.stop()
    assert server.text().count("sent\n") == 2


def test_file_without_a_thread_for_it(serve):
    """The app hears of it while it can still answer; the connection, and those behind, live on."""
    server = serve("asgi_app:app", tls=True)
    assert server.get("/file?/nowhere").status == 500  # what an error needs is loaded
    with contextlib.closing(server.connection()) as connection:
        def status(target):
            connection.request("GET", target)
            response = connection.getresponse()
            response.read()
            return response.status
        assert status("/token?x") == 200
        size = server.status_kib("VmSize") + 100 << 10
        resource.prlimit(server.process.pid, resource.RLIMIT_AS, (size, resource.RLIM_INFINITY))
        assert status(f"/file?{__file__}") == 500  # not even a stack
        resource.prlimit(server.process.pid, resource.RLIMIT_AS, (resource.RLIM_INFINITY,) * 2)
        assert status(f"/file?{__file__}") == 200
    server.stop()
    assert "BlockingIOError" in server.text()


def test_file_to_clients_that_do_not_read(serve, big_file):
    """They hold up nobody, whether they leave, the app gives up, or the server stops."""
    server = serve("asgi_app:app", "--stop-timeout", 100, tls=True)
    with contextlib.ExitStack() as stack:
        slow = [stack.enter_context(contextlib.closing(server.socket())) for _ in range(12)]
        for i, connection in enumerate(slow):
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            connection.sendall(f"GET /file?{'0.1:' * (i % 3 == 0)}{big_file} HTTP/1.1\r\nHost: a"
                               "\r\n\r\n".encode())
        for _ in range(50):
            assert server.get("/token?x").content == b"x"
        for connection in slow[1::3]:
            assert connection.recv(100).startswith(b"HTTP/1.1 200 OK")
            connection.close()
        while (server.text().count("TimeoutError\n") < 8 or
               server.text().count("ConnectionResetError\n") < 4):
            assert server.get("/token?x").content == b"x"
        assert server.stop(1)["open"] == 0


def test_file_that_the_kernel_sends(serve, big_file):
    """Without TLS no send() waits for the client, and no thread does."""
    server = serve("asgi_app:app", "--stop-timeout", 100)
    server.get("/token?x")
    threads = len(os.listdir(f"/proc/{server.process.pid}/task"))
    with contextlib.ExitStack() as stack:
        slow = [stack.enter_context(contextlib.closing(server.socket())) for _ in range(12)]
        for connection in slow:
            connection.sendall(f"GET /file?{big_file} HTTP/1.1\r\nHost: a\r\nConnection: close"
                               "\r\n\r\n".encode())
        while server.text().count("sent\n") < 12:
            assert server.get("/token?x").content == b"x"
        assert len(os.listdir(f"/proc/{server.process.pid}/task")) == threads
        answer = b"".join(iter(lambda: slow[0].recv(1 << 20), b""))
        assert answer.endswith(b"\r\n\r\n" + big_file.read_bytes())
        for connection in slow[1:4]:
            connection.close()
        assert server.stop(1)["open"] == 0


def test_loop_of_the_environment(serve, packages):
    assert serve("asgi_app:app").get("/loop").content.startswith(b"asyncio")
    assert serve("asgi_app:app", "--site", packages).get("/loop").content.startswith(b"uvloop")


@pytest.mark.parametrize("tls", [False, True])
def test_starlette(serve, packages, tls):
    server = serve("starlette_app:app", "--site", packages, tls=tls)
    assert server.get("/").content == b"Hello, world!"
    data = {"a": [1, 2, {"b": "\u00e9"}]}
    assert json.loads(server.request("POST", "/echo", json.dumps(data), JSON).content) == data
    body = (b"--x\r\nContent-Disposition: form-data; name=\"field\"\r\n\r\nvalue\r\n--x\r\n"
            b"Content-Disposition: form-data; name=\"file\"; filename=\"f.bin\"\r\n\r\n"
            + b"\0" * 300000 + b"\r\n--x--\r\n")
    upload = server.request("POST", "/upload", body,
                            {"Content-Type": "multipart/form-data; boundary=x"})
    assert json.loads(upload.content) == {"name": "f.bin", "size": 300000, "field": "value"}
    assert server.request("POST", "/size", iter([b"x" * 100000] * 50),
                          encode_chunked=True).content == b"5000000"
    assert server.get("/stream").content == LINES
    with open(os.path.join(APPS, "starlette_app.py"), "rb") as source:
        assert server.get("/file").content == source.read()
    assert server.get("/sync").content == b"from a thread"
    assert server.get("/state").content == b"at startup"
    assert server.get("/boom").status == 500
    assert server.get("/background").content == b"sent"
    wait_for_done(server, b"background")
    assert server.get("/nowhere").status == 404
    server.stop()
    assert "as planned" in server.text() and "shut down" in server.text()


def test_starlette_client_that_leaves(serve, packages):
    server = serve("starlette_app:app", "--site", packages)
    with contextlib.closing(server.socket()) as connection:
        connection.sendall(b"GET /endless HTTP/1.1\r\nHost: a\r\n\r\n")
        assert connection.recv(100).startswith(b"HTTP/1.1 200")
    wait_for_done(server, b"closed")
    server.stop()
    assert "exception" not in server.text()


def test_fastapi(serve, packages):
    server = serve("fastapi_app:app", "--site", packages)
    assert json.loads(server.get("/").content) == {"hello": "world"}
    assert json.loads(server.get("/sync/41").content) == {"number": 42}
    item = {"name": "one", "price": 1.5}
    assert json.loads(server.request("POST", "/items", json.dumps(item), JSON).content) == item
    assert server.request("POST", "/items", b"{}", JSON).status == 422
    assert server.get("/openapi.json").status == 200


def test_quart(serve, packages):
    server = serve("quart_app:app", "--site", packages)
    assert server.get("/").content == b"Hello, world!"
    assert json.loads(server.request("POST", "/echo", b'{"a": 1}', JSON).content) == {"a": 1}
    assert server.get("/stream").content == LINES


@pytest.mark.parametrize("kind", ["wsgi", "asgi"])
def test_django(serve, packages, kind):
    server = serve(f"django_app:{kind}", "--site", packages)
    assert server.get("/").content == b"Hello, world!"
    assert json.loads(server.request("POST", "/echo", b'{"a": 1}', JSON).content) == {"a": 1}
    assert server.get("/stream").content == LINES
    assert server.get("/boom").status == 500
    assert server.get("/nowhere").status == 404


# --- WebSocket ---

@pytest.fixture
def client(packages):
    """The synchronous client of the package websockets, from the tests' own environment."""
    if packages not in sys.path:
        sys.path.append(packages)
    return importlib.import_module("websockets.sync.client")


def connect(client, server, path, **more):
    context = None
    if server.tls:
        context = ssl.create_default_context(cafile=server.cert)
    return client.connect(f"{'wss' if server.tls else 'ws'}://localhost:{server.port}{path}",
                          sock=socket.create_connection(("127.0.0.1", server.port), PATIENCE),
                          ssl=context, compression=None, max_size=None, proxy=None,
                          open_timeout=PATIENCE, **more)


@pytest.mark.parametrize("tls", [False, True])
def test_websocket(serve, packages, client, tls):
    server = serve("starlette_app:app", "--site", packages, tls=tls)
    with connect(client, server, "/ws/echo", subprotocols=["chat", "other"]) as socket_:
        assert socket_.subprotocol == "chat"
        for text in ("Hello", "", "\u00e9\u20ac\U0001f600", "x" * 200, "y" * 100000):
            socket_.send(text)
            assert socket_.recv(PATIENCE) == text
        socket_.send(iter(["in ", "three ", "parts"]))
        assert socket_.recv(PATIENCE) == "in three parts"
        assert socket_.ping().wait(PATIENCE)
    with connect(client, server, "/ws/bytes") as socket_:
        for size in (0, 1, 125, 126, 65535, 65536, 3 << 20):
            data = os.urandom(size)
            socket_.send(data)
            assert socket_.recv(PATIENCE) == data
    assert server.get("/").content == b"Hello, world!"


def test_websocket_ends(serve, packages, client):
    exceptions = importlib.import_module("websockets.exceptions")
    server = serve("starlette_app:app", "--site", packages)
    with connect(client, server, "/ws/close") as socket_:
        with pytest.raises(exceptions.ConnectionClosed) as closed:
            socket_.recv(PATIENCE)
    assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (4001, "as planned")
    with pytest.raises(exceptions.InvalidStatus) as refused:
        connect(client, server, "/ws/refuse")
    assert refused.value.response.status_code == 403
    with pytest.raises(exceptions.InvalidStatus):
        connect(client, server, "/nowhere")
    assert server.get("/").content == b"Hello, world!"


def raw_websocket(server, path):
    connection = server.socket()
    connection.sendall(f"GET {path} HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Upgrade\r\n"
                       "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
                       "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".encode())
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        head += connection.recv(1)
    assert head.startswith(b"HTTP/1.1 101 ")
    assert b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" in head
    return connection


@pytest.mark.parametrize("frame, code", [
    (b"\x81\x05Hello", 1002), (b"\x81\x81\0\0\0\0\xff", 1007),
    (b"\x82\xff\0\0\0\x01\0\0\0\0\0\0\0\0", 1009), (b"\x88\x82\0\0\0\0\x0b\xb8", 3000)])
def test_websocket_broken_frames(serve, packages, frame, code):
    server = serve("starlette_app:app", "--site", packages)
    with contextlib.closing(raw_websocket(server, "/ws/echo")) as connection:
        connection.sendall(frame)
        answer = b""
        while True:
            piece = connection.recv(100)
            if not piece:
                break
            answer += piece
    assert answer == b"\x88\x02" + code.to_bytes(2, "big")
    assert server.get("/").content == b"Hello, world!"
    server.stop()
    assert "Traceback" not in server.text()


def test_websocket_clients_that_vanish(serve, packages):
    server = serve("starlette_app:app", "--site", packages)
    for _ in range(10):
        with contextlib.closing(raw_websocket(server, "/ws/echo")) as connection:
            connection.sendall(b"\x81\x85\0\0\0\0He")
    assert server.get("/").content == b"Hello, world!"
    server.stop()
    assert "Traceback" not in server.text()
