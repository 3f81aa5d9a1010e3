"""HTTP/2 over real sockets: WSGI and ASGI, WebSocket (RFC 8441), trailers, with clients that are not
ours and one that can misbehave (h2client.py). Section numbers are RFC 9113's."""
import contextlib
import hashlib
import importlib
import json
import os
import re
import shutil
import subprocess
import sys
import time

import pytest

from conftest import PATIENCE

KINDS = ["wsgi", "asgi"]
CANCEL, NO_ERROR, ENHANCE_YOUR_CALM = 8, 0, 11


@pytest.fixture
def http2(packages):
    if packages not in sys.path:
        sys.path.append(packages)
    return importlib.import_module("h2client")


@pytest.fixture
def start(serve):
    def start_(kind, *options):
        return serve(f"http2_app:{kind}", "--http2", *options, tls=True)
    return start_


def wait_for(server, expected, path="/ended"):
    """What the app does behind a response: it is asked until it has."""
    deadline = time.monotonic() + PATIENCE
    found = b""
    while expected not in found and time.monotonic() < deadline:
        found = server.get(path).content
    assert expected in found


@pytest.mark.parametrize("kind", KINDS)
def test_what_the_app_sees(start, http2, kind):
    server = start(kind)
    with http2.Client(server) as client:
        cookies = [("cookie", "a=1"), ("cookie", "b=2"), ("x-a", "b"), ("cookie", "c=3")]
        answer = client.answer(client.start("GET", "/seen?q", cookies, authority="example.com:444"))
    assert answer.status == 200 and answer.headers["x-upper"] == "Value"
    assert re.fullmatch(r"\w{3}, \d\d \w{3} \d{4} [\d:]{8} GMT", answer.headers["date"])
    assert answer.headers["content-length"] == str(len(answer.body))
    seen = json.loads(answer.body)
    if kind == "wsgi":
        assert seen == {"SERVER_PROTOCOL": "HTTP/2", "HTTP_HOST": "example.com:444",
                        "SERVER_NAME": "example.com", "SERVER_PORT": "444",
                        "HTTP_COOKIE": "a=1; b=2; c=3", "wsgi.url_scheme": "https",
                        "HTTP_X_TRAILER": None, "PATH_INFO": "/seen"}
        return
    assert (seen["type"], seen["http_version"], seen["scheme"]) == ("http", "2", "https")
    assert seen["server"] == ["example.com", 444]
    assert seen["headers"] == [["host", "example.com:444"], ["cookie", "a=1; b=2; c=3"],
                               ["x-a", "b"]]
    assert seen["extensions"] == {"http.response.pathsend": {}, "http.response.trailers": {}}


@pytest.mark.parametrize("kind", KINDS)
def test_httpx(start, http2, kind):
    httpx = importlib.import_module("httpx")
    ssl = importlib.import_module("ssl")
    server = start(kind)
    context = ssl.create_default_context(cafile=server.cert)
    with httpx.Client(http2=True, verify=context, base_url=f"https://localhost:{server.port}",
                      timeout=PATIENCE) as client:
        answer = client.get("/token?x")
        assert (answer.http_version, answer.status_code, answer.text) == ("HTTP/2", 200, "x")
        data = os.urandom(3 << 20)
        found = client.post("/digest", content=data).text
        assert found == f"{len(data)} {hashlib.sha256(data).hexdigest()}"
        found = client.post("/digest", content=iter([b"a", b"", b"bc"])).text
        assert found == f"3 {hashlib.sha256(b'abc').hexdigest()}"
        assert client.get("/big").content == b"b" * 1000000


@pytest.mark.parametrize("kind", KINDS)
def test_many_streams_are_not_mixed_up(start, http2, kind):
    server = start(kind)
    with http2.Client(server) as client:
        for batch in range(10):
            streams = {client.start("GET", f"/token?{batch}-{i}"): f"{batch}-{i}" for i in range(100)}
            for stream, token in streams.items():
                assert client.answer(stream).body == token.encode()
    server.stop()
    assert server.counters["requests"] == 1000 and server.counters["aborted"] == 0


@pytest.mark.parametrize("kind", KINDS)
def test_slow_streams_do_not_hold_up_others(start, http2, kind):
    server = start(kind)
    with http2.Client(server) as client:
        slow = client.start("GET", "/sleep?1")
        for i in range(20):
            assert client.get(f"/token?{i}").body == str(i).encode()
        assert not client.answers[slow].ended
        assert client.answer(slow).body == b"slept"


@pytest.mark.parametrize("kind", KINDS)
def test_bodies_that_are_not_there(start, http2, kind):
    server = start(kind)
    with http2.Client(server) as client:
        head = client.get("/big", method="HEAD")
        assert (head.status, head.headers["content-length"], head.body) == (200, "1000000", b"")
        for status in (204, 304):
            answer = client.get(f"/{status}")
            assert (answer.status, answer.body, answer.headers["etag"]) == (status, b"", '"a"')
            assert answer.headers.get("content-length") is None
        assert client.get("/token?on").body == b"on"


@pytest.mark.parametrize("kind", KINDS)
def test_100_continue_when_the_app_reads(start, http2, kind):
    server = start(kind)
    expect = [("expect", "100-continue"), ("content-length", "3")]
    with http2.Client(server) as client:
        stream = client.start("POST", "/digest", expect, end=False)
        client.until(lambda: client.answers[stream].informational)
        assert client.answers[stream].informational[0][":status"] == "100"
        client.send(stream, b"abc")
        assert client.answer(stream).body == f"3 {hashlib.sha256(b'abc').hexdigest()}".encode()
        unread = client.answer(client.start("POST", "/token?no", expect, end=False))
        assert (unread.body, unread.informational) == (b"no", [])


def test_request_trailers_are_dropped(start, http2):
    server = start("wsgi")
    with http2.Client(server) as client:
        stream = client.start("POST", "/digest", end=False)
        client.send(stream, b"abc", end=False)
        client.h2.send_headers(stream, [("x-trailer", "a")], end_stream=True)
        client.flush()
        assert client.answer(stream).body.startswith(b"3 ")
        stream = client.start("POST", "/seen", end=False)
        client.h2.send_headers(stream, [("x-trailer", "a")], end_stream=True)
        client.flush()
        assert json.loads(client.answer(stream).body)["HTTP_X_TRAILER"] is None


@pytest.mark.parametrize("kind", KINDS)
def test_large_upload_in_bounded_memory(start, tmp_path, kind):
    """curl sends faster than SHA-256 reads: the window holds it back."""
    size = 256 << 20
    server = start(kind)
    server.get("/token?x")
    before = server.memory_kib()
    with open(tmp_path / "zeros", "wb") as file:
        file.truncate(size)
    url = f"https://localhost:{server.port}/digest"
    done = subprocess.run(["curl", "-sS", "--http2", "--cacert", server.cert, "-T", file.name,
                           "--write-out", " %{http_version}", url],
                          capture_output=True, text=True, check=True)
    assert re.fullmatch(rf"{size} [0-9a-f]{{64}} 2", done.stdout)
    assert server.peak_kib() - before < 8 << 10


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [100000, 400000])
def test_uploads_side_by_side(start, http2, kind, size):
    """A hundred bodies in turns of a frame each: those that wait, for a thread or for the rest of
    themselves, do not take the connection's window from the others."""
    server = start(kind)
    piece = bytes(16384)
    with http2.Client(server) as client:
        client.until(lambda: client.h2.remote_settings.initial_window_size > 65535)
        left = {client.start("POST", "/digest", end=False): size for _ in range(100)}
        streams = list(left)
        while left:
            turn = [stream for stream in left if client.h2.local_flow_control_window(stream) > 0]
            for stream in turn:
                count = min(client.h2.local_flow_control_window(stream), len(piece), left[stream])
                if count > 0:
                    left[stream] -= count
                    client.h2.send_data(stream, piece[:count], end_stream=left[stream] == 0)
                    client.flush()
            left = {stream: rest for stream, rest in left.items() if rest > 0}
            if not turn:
                client.pump()
        expected = f"{size} {hashlib.sha256(bytes(size)).hexdigest()}".encode()
        assert all(client.answer(stream).body == expected for stream in streams)


@pytest.mark.parametrize("kind", KINDS)
def test_a_body_that_nobody_reads_is_held_back(start, http2, kind):
    """The app sleeps: the client gets rid of a window's worth, and no more."""
    server = start(kind)
    with http2.Client(server) as client:
        stream = client.start("POST", "/sleep?1", end=False)
        client.until(lambda: client.h2.remote_settings.initial_window_size > 65535)
        sent = 0
        while client.h2.local_flow_control_window(stream) > 0 and sent < 4 << 20:
            piece = min(client.h2.local_flow_control_window(stream), 16384)
            client.h2.send_data(stream, b"x" * piece)
            client.flush()
            sent += piece
        assert sent <= 256 << 10
        client.h2.end_stream(stream)
        client.flush()
        assert client.answer(stream).body == b"slept"


@pytest.mark.parametrize("kind", KINDS)
def test_a_reader_that_opens_no_window_costs_bounded_memory(start, http2, kind):
    server = start(kind)
    server.get("/token?x")
    before = server.memory_kib()
    with http2.Client(server, window=False) as client:
        streams = [client.start("GET", "/endless") for _ in range(4)]
        for _ in range(200):
            assert server.get("/token?x").content == b"x"
        assert server.memory_kib() - before < 8 << 10
        for stream in streams:
            client.h2.reset_stream(stream, CANCEL)
        client.flush()
        wait_for(server, b"closed closed closed closed")
        assert client.get("/token?on").body == b"on"


@pytest.mark.parametrize("kind", KINDS)
def test_resets_amid_requests(start, http2, kind):
    server = start(kind)
    with http2.Client(server) as client:
        for path in ("/digest", "/sleep?0.1", "/endless", "/big") * 8:
            stream = client.start("POST", path, end=False)
            client.send(stream, b"part", end=False)
            client.h2.reset_stream(stream, CANCEL)
            client.flush()
        assert client.get("/token?on").body == b"on"
    server.stop()
    assert server.counters["open"] == 0


@pytest.mark.parametrize("kind", KINDS)
def test_stop_says_goaway_and_finishes(start, http2, kind):
    server = start(kind)
    with http2.Client(server) as client:
        stream = client.start("GET", "/sleep?1")
        client.h2.ping(b"12345678")
        client.flush()
        client.pump()
        assert client.get("/token?x").body == b"x"
        server.process.terminate()
        client.until(lambda: client.terminated is not None)
        assert client.terminated == NO_ERROR
        answer = client.answer(stream)
        assert (answer.status, answer.body) == (200, b"slept")


def test_h2load_and_nghttp(start):
    if shutil.which("h2load") is None:
        pytest.skip("h2load and nghttp are not installed (Debian: nghttp2-client)")
    server = start("wsgi")
    url = f"https://127.0.0.1:{server.port}"
    load = subprocess.run(["h2load", "-n", "5000", "-c", "10", "-m", "50", f"{url}/token?x"],
                          capture_output=True, text=True, check=True)
    assert "5000 succeeded, 0 failed, 0 errored, 0 timeout" in load.stdout
    assert "status codes: 5000 2xx" in load.stdout
    got = subprocess.run(["nghttp", "--no-verify-peer", "-m", "20", "-w", "10", "-W", "10",
                          f"{url}/big"], capture_output=True, check=True)
    assert got.stdout == b"b" * 20000000


# --- trailers ---

def test_trailers(start, http2):
    server = start("asgi")
    with http2.Client(server) as client:
        answer = client.get("/trailers?x-sum=1&X-More=two")
        assert (answer.status, answer.body) == (200, b"body")
        assert answer.trailers == {"x-sum": "1", "x-more": "two"}
        assert answer.headers["content-length"] == "4" and answer.headers["trailer"] == "x-sum"
        head = client.get("/trailers?x-sum=1", method="HEAD")
        assert (head.status, head.body, head.trailers) == (200, b"", {})
        for name in ("content-length", "set-cookie", "content-type"):
            assert client.get(f"/trailers?{name}=1").reset is not None
        assert client.get("/token?on").body == b"on"
    server.stop()
    assert "'set-cookie' cannot be a trailer field" in server.text()


@pytest.mark.parametrize("te, sent", [("trailers", True), ("gzip, Trailers;q=1", False),
                                      ("gzip, trailers", True), (None, False)])
def test_trailers_in_http1(start, te, sent):
    server = start("asgi")
    asked = f"TE: {te}\r\nConnection: TE, close\r\n" if te else "Connection: close\r\n"
    answers = []
    for path in ("/trailers?x-sum=1&x-more=2", "/seen"):
        with contextlib.closing(server.socket()) as connection:
            connection.sendall(f"GET {path} HTTP/1.1\r\nHost: a\r\n{asked}\r\n".encode())
            answers.append(b"".join(iter(lambda: connection.recv(65536), b"")))
    if sent:
        assert answers[0].endswith(b"\r\n2\r\nbo\r\n2\r\ndy\r\n0\r\nx-sum: 1\r\nx-more: 2\r\n\r\n")
        assert b"content-length" not in answers[0].lower()
    else:
        assert answers[0].endswith(b"\r\n\r\nbody") and b"x-more" not in answers[0]
    assert (b"http.response.trailers" in answers[1]) == sent


# --- WebSocket, RFC 8441 ---

TEXT, BINARY, CLOSE, PONG = 1, 2, 8, 10


def test_websocket(start, http2):
    server = start("asgi")
    with http2.Client(server) as client:
        first = http2.WebSocket(client, "/echo", ["chat", "other"])
        assert first.answer.status == 200 and first.answer.headers["x-a"] == "b"
        assert first.answer.headers["sec-websocket-protocol"] == "chat"
        assert not {"content-length", "sec-websocket-accept", "upgrade"} & set(first.answer.headers)
        second = http2.WebSocket(client, "/echo")
        for text in ("Hello", "", "\u00e9\u20ac\U0001f600", "x" * 200, "y" * 100000):
            first.send(text)
            second.send(text.encode())
            assert (first.message(), second.message()) == (text, text.encode())
        for size in (0, 1, 125, 126, 65535, 65536, 3 << 20):
            data = os.urandom(size)
            first.send(data)
            assert first.message() == data
        for i, part in enumerate(("in ", "three ", "parts")):
            first.send(part, fin=i == 2)
        assert first.message() == "in three parts"
        first.ping(b"are you there")
        assert first.frame() == (PONG, b"are you there")
        assert client.get("/token?beside").body == b"beside"
        first.close(4000, "bye")
        assert first.frame() == (CLOSE, (4000, ""))
        client.until(lambda: first.answer.ended)
        first.raw(b"", end=True)
        second.raw(b"", end=True)  # END_STREAM without a close frame: the connection is gone
        wait_for(server, b"/echo 4000 bye")
        wait_for(server, b"/echo 1006 ")
    assert json.loads(server.get("/seen").content)["http_version"] == "1.1"


def test_websocket_scope(start, http2):
    server = start("asgi")
    with http2.Client(server) as client:
        seen = json.loads(http2.WebSocket(client, "/seen?a", ["p", "q"]).message())
    assert (seen["type"], seen["http_version"], seen["scheme"]) == ("websocket", "2", "wss")
    assert (seen["path"], seen["method"], seen["subprotocols"]) == ("/seen", None, ["p", "q"])
    assert seen["extensions"] == {"websocket.http.response": {}}
    assert ["host", "localhost"] in seen["headers"]
    assert not any(name.startswith(":") for name, _ in seen["headers"])


def test_websocket_ends(start, http2):
    server = start("asgi")
    with http2.Client(server) as client:
        closed = http2.WebSocket(client, "/close")
        assert closed.frame() == (CLOSE, (4001, "as planned"))
        assert closed.frame() is None and closed.answer.ended
        for path, status, body in (("/refuse", 403, b"Forbidden\n"), ("/deny", 418, b"denied")):
            refused = http2.WebSocket(client, path)
            assert refused.answer.status == status
            client.answer(refused.stream)
            assert refused.answer.body == body
        assert http2.WebSocket(client, "/echo", version="8").answer.status == 501
        stream = client.start("CONNECT", "/echo", end=False, protocol="smtp")
        assert client.answer(stream).status == 501
        vanished = http2.WebSocket(client, "/vanish")
        vanished.send("Hello")
        assert vanished.message() == "Hello"
        client.h2.reset_stream(vanished.stream, CANCEL)
        client.flush()
        wait_for(server, b"/vanish 1006 ")
        assert client.get("/token?on").body == b"on"
    server.stop()
    assert "Traceback" not in server.text()


@pytest.mark.parametrize("frame, code", [
    (b"\x81\x05Hello", 1002), (b"\x81\x81\0\0\0\0\xff", 1007),
    (b"\x82\xff\0\0\0\x01\0\0\0\0\0\0\0\0", 1009), (b"\x88\x82\0\0\0\0\x0b\xb8", 3000)])
def test_websocket_broken_frames(start, http2, frame, code):
    server = start("asgi")
    with http2.Client(server) as client:
        socket_ = http2.WebSocket(client, "/echo")
        socket_.raw(frame)
        client.answer(socket_.stream)
        assert socket_.answer.body == b"\x88\x02" + code.to_bytes(2, "big")
        assert socket_.answer.ended
        assert client.get("/token?on").body == b"on"


def test_websocket_slow_reader_costs_bounded_memory(start, http2):
    server = start("asgi")
    server.get("/token?x")
    before = server.memory_kib()
    with http2.Client(server, window=False) as client:
        http2.WebSocket(client, "/endless")
        for _ in range(200):
            assert server.get("/token?x").content == b"x"
        assert server.memory_kib() - before < 8 << 10


def test_websocket_to_an_app_that_has_none(start, http2):
    server = start("wsgi")
    with http2.Client(server) as client:
        assert http2.WebSocket(client, "/seen").answer.status == 501
        assert client.get("/token?on").body == b"on"


def test_what_is_not_ended_over_http2_runs_out_of_time(serve, http2):
    server = serve("http2_app:asgi", "--http2", "--body-timeout", 300, tls=True)
    with http2.Client(server) as client:
        socket = http2.WebSocket(client, "/echo")
        socket.send(b"part", fin=False)
        assert socket.frame() == (8, (1008, "a message was not ended in time"))
        assert client.get("/token?on").body == b"on"
