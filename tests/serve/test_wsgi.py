"""WSGI over real sockets: streaming, limits, threads, clients that leave."""
import concurrent.futures
import contextlib
import hashlib
import json
import os
import select
import socket

import pytest


def read_until(connection, end):
    data = b""
    while end not in data:
        piece = connection.recv(65536)
        if not piece:
            break
        data += piece
    return data


@pytest.mark.parametrize("tls", [False, True])
def test_hello(serve, tls):
    server = serve("wsgi_app:app", tls=tls)
    response = server.get("/hello")
    assert (response.status, response.content) == (200, b"Hello")
    assert response.headers["Content-Length"] == "5"
    assert response.headers["Date"]
    head = server.request("HEAD", "/hello")
    assert (head.headers["Content-Length"], head.content) == ("5", b"")


def test_validator(serve):
    server = serve("wsgi_app:app")
    response = server.request("POST", "/validated", b"body", {"Content-Type": "text/plain"})
    assert (response.status, response.content) == (200, b"valid body"), server.text()
    assert server.get("/validated").content == b"valid "


LINES = b"one\ntwo\nthree\nfour\nfive"
READ = [LINES[i:i + 4] for i in range(0, len(LINES), 4)]
SPLIT = [b"one\n", b"tw", [b"o\n"], b"three\n", [b"four\n", b"five"], b"", b"", []]


def environ_of(**more):
    return {"REQUEST_METHOD": "GET", "SCRIPT_NAME": "", "PATH_INFO": "/checked/environ",
            "QUERY_STRING": "", "HTTP_HOST": "a:81", "SERVER_NAME": "a", "SERVER_PORT": "81",
            "SERVER_PROTOCOL": "HTTP/1.1", "wsgi.url_scheme": "http", "CONTENT_LENGTH": None, **more}


@pytest.mark.parametrize("name, status, body", [
    ("list", 200, b"one two"), ("tuple", 200, b"tuple"), ("parts", 200, b"one two"),
    ("late_start", 200, b"late"), ("length", 200, b"abc"), ("empty", 204, b""),
    ("write", 200, b"written twice and returned"), ("exc_info", 503, b"replaced"),
    ("read", 200, b"[]"), ("errors", 200, b"told")])
def test_validator_on_every_kind_of_app(serve, name, status, body):
    """Against the validator of PEP 3333, which checks what the server does and what the app does."""
    server = serve("wsgi_app:app")
    response = server.get(f"/checked/{name}")
    assert (response.status, response.content) == (status, body), server.text()
    assert response.reason == {"tuple": "Fine", "exc_info": "Replaced"}.get(name, response.reason)
    assert ("X-First" in response.headers, "X-Second" in response.headers) == (
        (False, True) if name == "exc_info" else (False, False))
    head = server.request("HEAD", f"/checked/{name}")
    assert (head.status, head.content) == (status, b"")
    closed = 2 if name in ("parts", "length", "write") else 0
    assert server.get("/events").content.split() == [b"closed"] * closed
    server.stop()
    expected = "one \u20ac\ntwo\nthree\n" * 2 if name == "errors" else ""
    assert server.text() == expected


@pytest.mark.parametrize("chunked", [False, True])
def test_validator_on_the_body(serve, chunked):
    server = serve("wsgi_app:app")
    for name, expected in (("read", READ), ("lines", SPLIT)):
        body = iter([LINES[:5], LINES[5:6], LINES[6:]]) if chunked else LINES
        response = server.request("POST", f"/checked/{name}", body, encode_chunked=chunked)
        assert response.content == repr(expected).encode(), server.text()
    assert server.request("POST", "/checked/read", b"").content == b"[]"
    large = b"x" * 300000
    found = server.request("POST", "/checked/read", large).content
    assert found == repr([b"xxxx"] * 75000).encode()
    server.stop()
    assert server.text() == ""


@pytest.mark.parametrize("name, why", [("exc_info_too_late", "behind the head"),
                                       ("raises_in_parts", "in the parts")])
def test_validator_on_failures_behind_the_head(serve, name, why):
    server = serve("wsgi_app:app")
    with contextlib.closing(server.socket()) as connection:
        connection.sendall(f"GET /checked/{name} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
        answer = read_until(connection, b"never")
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n") and answer.endswith(b"4\r\npart\r\n")
    assert server.get("/events").content == (b"closed" if name == "raises_in_parts" else b"")
    server.stop()
    assert f"ValueError: {why}" in server.text() and "AssertionError" not in server.text()


@pytest.mark.parametrize("target, path, query", [
    (b"/checked/environ", "", ""), (b"/checked/environ?a=%20b&c", "", "a=%20b&c"),
    (b"http://other:82/checked/environ?q", "", "q"),
    (b"/checked/environ/a%2Fb%20c%", "/a/b c%", ""),
    (b"/checked/environ/%C3%A9", "/\u00e9".encode().decode("latin-1"), ""),
    (b"/checked/environ/\xc3\xa9", "/\u00e9".encode().decode("latin-1"), "")])
def test_validator_on_targets(serve, target, path, query):
    server = serve("wsgi_app:app")
    expected = environ_of(PATH_INFO="/checked/environ" + path, QUERY_STRING=query)
    if target.startswith(b"http:"):  # RFC 9112 section 3.2.2: instead of the field Host
        expected.update(SERVER_NAME="other", SERVER_PORT="82", HTTP_HOST="other:82")
    with contextlib.closing(server.socket()) as connection:
        connection.sendall(b"GET " + target + b" HTTP/1.1\r\nHost: a:81\r\nConnection: close\r\n\r\n")
        answer = read_until(connection, b"never")
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK\r\n"), answer
    assert body.split(b"\r\n")[1].decode() == repr(expected)  # in one chunk
    server.stop()
    assert server.text() == ""


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("tls", [False, True])
def test_large_upload_costs_no_memory(serve, tls, chunked):
    server = serve("wsgi_app:app", tls=tls)
    server.get("/hello")
    before = server.memory_kib()
    size, block = 64 << 20, os.urandom(1 << 20)
    found = hashlib.sha256()

    def body():
        for _ in range(64):
            found.update(block)
            yield block

    headers = {} if chunked else {"Content-Length": str(size)}
    response = server.request("POST", "/digest", body(), headers, encode_chunked=chunked)
    assert response.content.decode() == f"{size} {found.hexdigest()}"
    assert server.memory_kib() - before < 16 << 10


def test_body_over_the_limit(serve):
    server = serve("wsgi_app:app", "--body-limit", "1M")
    with contextlib.closing(server.socket()) as connection:
        connection.sendall(b"POST /digest HTTP/1.1\r\nHost: a\r\nContent-Length: 1048577\r\n\r\n")
        assert connection.recv(100).startswith(b"HTTP/1.1 413 ")
    with contextlib.closing(server.socket()) as connection:
        connection.sendall(b"POST /digest HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
        chunk = b"10000\r\n" + b"x" * 65536 + b"\r\n"
        with contextlib.suppress(OSError):
            for _ in range(20):
                connection.sendall(chunk)
        assert connection.recv(100).startswith(b"HTTP/1.1 413 ")
    assert server.get("/hello").content == b"Hello"


def test_slow_body_times_out(serve):
    server = serve("wsgi_app:app", "--body-timeout", "200")
    with contextlib.closing(server.socket()) as connection:
        connection.sendall(b"POST /digest HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc")
        assert connection.recv(100).startswith(b"HTTP/1.1 408 ")


def test_expect_continue_comes_when_the_app_reads(serve):
    server = serve("wsgi_app:app")
    head = b"POST /%s HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n"
    with contextlib.closing(server.socket()) as connection:
        connection.sendall(head % b"digest")
        assert read_until(connection, b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(b"abc")
        assert b"3 ba7816bf" in read_until(connection, b"15ad")
    with contextlib.closing(server.socket()) as connection:
        connection.sendall(head % b"ignore_body")
        assert read_until(connection, b"did not read").startswith(b"HTTP/1.1 200 OK\r\n")


def test_stream_arrives_part_by_part(serve):
    server = serve("wsgi_app:app")
    with contextlib.closing(server.socket()) as connection:
        connection.sendall(b"GET /stream HTTP/1.1\r\nHost: a\r\n\r\n")
        assert read_until(connection, b"first\r\n").endswith(b"5\r\nfirst\r\n")
        assert server.get("/unblock").content == b"unblocked"
        assert read_until(connection, b"0\r\n\r\n") == b"6\r\nsecond\r\n0\r\n\r\n"


@pytest.mark.parametrize("tls", [False, True])
def test_big_bodies(serve, tls, tmp_path):
    server = serve("wsgi_app:app", tls=tls)
    for size in (0, 1, 16384, 65536, 65537, 1 << 20, 20 << 20):
        assert server.get(f"/big?{size}").content == b"b" * size
    data = os.urandom(5 << 20)
    (tmp_path / "data").write_bytes(data)
    assert server.get(f"/file?{tmp_path}/data").content == data


def test_pipelined_answers_keep_their_order(serve):
    server = serve("wsgi_app:app")
    with contextlib.closing(server.socket()) as connection:
        connection.sendall(b"".join(b"GET /token?%d HTTP/1.1\r\nHost: a\r\n\r\n" % i
                                    for i in range(50)) + b"GET /token?end HTTP/1.1\r\nHost: a\r\n"
                           b"Connection: close\r\n\r\n")
        answer = read_until(connection, b"never")
    found = [part.split(b"\r\n\r\n")[1] for part in answer.split(b"HTTP/1.1 200 OK")[1:]]
    assert found == [b"%d" % i for i in range(50)] + [b"end"]


def test_exceptions(serve):
    server = serve("wsgi_app:app")
    with contextlib.closing(server.connection()) as connection:
        for _ in range(3):
            connection.request("GET", "/raises?token=4711")
            response = connection.getresponse()
            assert (response.status, response.read()) == (500, b"Internal Server Error\n")
            connection.request("GET", "/hello")
            assert connection.getresponse().read() == b"Hello"
    with contextlib.closing(server.socket()) as connection:
        connection.sendall(b"GET /raises_late HTTP/1.1\r\nHost: a\r\n\r\n")
        assert not read_until(connection, b"0\r\n\r\n").endswith(b"0\r\n\r\n")
    assert "exception in the app: 'GET' '/raises'" in server.text()
    assert "4711" not in server.text()  # the log is read by others than the app
    assert "ValueError: as planned" in server.text()
    assert server.stop()["failed"] == 4


def test_a_websocket_for_wsgi_is_told_apart(serve):
    """An app that looks for a socket, as flask-sock does, fails with a line that says what to do."""
    server = serve("wsgi_app:app")
    handshake = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13",
                 "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ=="}
    response = server.get("/takes_socket", **handshake)
    assert (response.status, response.content) == (501, b"This app does not speak WebSocket.\n")
    line = ("a WebSocket was asked of a WSGI app, which gets none here: make the app an ASGI app "
            "(docs/server.md, WebSocket): 'GET' '/takes_socket'")
    assert server.text().splitlines()[0] == line
    assert server.get("/takes_socket").status == 500  # nobody asked for one
    assert server.get("/hello", **handshake).content == b"Hello"  # an app that can do without
    assert server.text().count(line) == 1


def test_slow_handlers_do_not_hold_up_others(serve):
    server = serve("wsgi_app:app", "--threads", 4)
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        blocked = [pool.submit(server.get, "/block") for _ in range(3)]
        for _ in range(50):
            assert server.get("/hello").content == b"Hello"
        assert not any(answer.done() for answer in blocked)
        assert server.get("/unblock").content == b"unblocked"
        assert [answer.result().content for answer in blocked] == [b"True"] * 3


def test_full_queue_is_503(serve, tmp_path):
    server = serve("wsgi_app:app", "--threads", 1, "--queue", 2)
    gate = tmp_path / "gate"
    with contextlib.ExitStack() as stack:
        waiting = [stack.enter_context(contextlib.closing(server.socket())) for _ in range(8)]
        for connection in waiting:
            connection.sendall(f"GET /wait_for_file?{gate} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
        refused, _, _ = select.select(waiting, [], [])
        while len(refused) < 5:
            refused, _, _ = select.select(waiting, [], [])
        gate.touch()
        heads = [read_until(connection, b"\r\n\r\n") for connection in waiting]
    refused = [head for head in heads if head.startswith(b"HTTP/1.1 503 ")]
    assert len(refused) == 5
    assert all(b"\r\nRetry-After: 1\r\n" in head for head in refused)
    assert server.stop()["refused"] == len(refused)


def test_client_that_leaves_ends_the_stream(serve):
    server = serve("wsgi_app:app")
    for _ in range(3):
        with contextlib.closing(server.socket()) as connection:
            connection.sendall(b"GET /endless HTTP/1.1\r\nHost: a\r\n\r\n")
            assert connection.recv(1000).startswith(b"HTTP/1.1 200 OK")
    found = ""
    while found.count("closed") < 3:
        found += server.get("/events").content.decode()


def test_slow_reader_costs_bounded_memory(serve):
    server = serve("wsgi_app:app")
    server.get("/hello")
    before = server.memory_kib()
    with contextlib.closing(server.socket()) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.sendall(b"GET /endless HTTP/1.1\r\nHost: a\r\n\r\n")
        for _ in range(200):
            assert server.get("/hello").content == b"Hello"
        assert server.memory_kib() - before < 8 << 10


def test_many_clients_killed_amid_requests(serve):
    server = serve("wsgi_app:app", tls=True)
    for _ in range(5):
        with contextlib.ExitStack() as stack:
            for i in range(16):
                connection = stack.enter_context(contextlib.closing(server.socket()))
                connection.sendall((b"POST /digest HTTP/1.1\r\nHost: a\r\nContent-Length: 99\r\n\r\n"
                                    b"part", b"GET /sleep?0.01 HTTP/1.1\r\nHost: a\r\n\r\n",
                                    b"GET /hel", b"GET /endless HTTP/1.1\r\nHost: a\r\n\r\n")[i % 4])
        assert server.get("/hello").content == b"Hello"


def test_answers_are_not_mixed_up(serve):
    server = serve("wsgi_app:app", "--threads", 4, tls=True)

    def ask(worker):
        with contextlib.closing(server.connection()) as connection:
            for i in range(100):
                connection.request("GET", f"/token?{worker}-{i}")
                assert connection.getresponse().read() == f"{worker}-{i}".encode()
        return True

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        assert all(pool.map(ask, range(8)))


def test_stop_finishes_what_is_in_flight(serve):
    server = serve("wsgi_app:app")
    with contextlib.closing(server.socket()) as connection:
        connection.sendall(b"GET /sleep?0.5 HTTP/1.1\r\nHost: a\r\n\r\n")
        while server.get("/hello").content != b"Hello":
            pass
        server.stop()
        assert read_until(connection, b"slept").endswith(b"slept")


def test_stop_leaves_a_stuck_thread_behind(serve):
    server = serve("wsgi_app:app", "--stop-timeout", 100, tls=True)
    with contextlib.closing(server.socket()) as connection:
        connection.sendall(b"GET /block HTTP/1.1\r\nHost: a\r\n\r\n")
        assert server.get("/hello").content == b"Hello"
        server.stop(1)
    assert "aborted" in server.text()


def test_start_needs_no_asyncio(serve):
    modules = serve("wsgi_app:app").get("/modules").content.decode().split()
    assert "asyncio" not in modules and "inspect" not in modules


@pytest.mark.parametrize("tls", [False, True])
def test_flask(serve, tls):
    server = serve("flask_app:app", tls=tls)
    assert server.get("/").content == b"Hello, world!"
    data = {"a": [1, 2, {"b": "\u00e9"}]}
    echo = server.request("POST", "/echo", json.dumps(data), {"Content-Type": "application/json"})
    assert json.loads(echo.content) == data
    body = (b"--x\r\nContent-Disposition: form-data; name=\"field\"\r\n\r\nvalue\r\n--x\r\n"
            b"Content-Disposition: form-data; name=\"file\"; filename=\"f.bin\"\r\n\r\n"
            + b"\0" * 300000 + b"\r\n--x--\r\n")
    upload = server.request("POST", "/upload", body, {"Content-Type": "multipart/form-data; boundary=x"})
    assert json.loads(upload.content) == {"name": "f.bin", "size": 300000, "field": "value"}
    assert server.get("/stream").content == b"".join(b"line %d\n" % i for i in range(5))
    with open(os.path.join(os.path.dirname(__file__), "apps", "flask_app.py"), "rb") as source:
        assert server.get("/file").content == source.read()
    partial = server.get("/file", Range="bytes=3-9")
    assert (partial.status, partial.content) == (206, b"A Flask")
    first = server.get("/count")
    cookie = first.headers["Set-Cookie"].split(";")[0]
    assert server.get("/count", Cookie=cookie).content == b"2"
    assert server.get("/missing").status == 404
    assert server.get("/boom").status == 500
    path = json.loads(server.get("/path/a%2Fb/%C3%A9?q=1&q=%20").content)
    assert (path["rest"], path["query"]) == ("a/b/\u00e9", ["1", " "])
    assert path["url"].startswith("https:" if tls else "http:")
    assert "as planned" in server.text()
