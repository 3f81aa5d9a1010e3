"""Clients of HTTP/2 that mean harm, against the whole process: how much memory they cost, and
whether others are served meanwhile. That each flood is cut off at its limit is shown frame by frame in
tests/unit/http/http2_guard_test.c and http2_test.c. Run with -s to see the figures."""
import contextlib
import socket
import ssl
import struct
import time

import pytest

from conftest import PATIENCE

DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PING, WINDOW_UPDATE, CONTINUATION = 0, 1, 2, 3, 4, 6, 8, 9
END_STREAM, END_HEADERS = 1, 4
CONNECTIONS = 20
FLOOD_BYTES = 4 << 20  # of each connection, unless it is closed before


def frame(kind, flags, stream, payload=b""):
    return struct.pack(">I", len(payload))[1:] + bytes((kind, flags)) + struct.pack(">I", stream) + payload


def literal(index, value):
    """A field with a name of the static table, not to be indexed (RFC 7541 section 6.2.2)."""
    return bytes((index, len(value))) + value.encode()


GET, POST, HTTPS, SLASH = b"\x82", b"\x83", b"\x87", b"\x84"
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"


def request(path, method=GET):
    return method + HTTPS + literal(4, path) + literal(1, "a")


def connect(server, settings=b""):
    context = ssl.create_default_context(cafile=server.cert)
    context.set_alpn_protocols(["h2"])
    plain = socket.create_connection(("127.0.0.1", server.port), 60)
    connection = context.wrap_socket(plain, server_hostname="localhost")
    connection.sendall(PREFACE + frame(SETTINGS, 0, 0, settings))
    return connection


def rapid_reset(stream):
    return (frame(HEADERS, END_STREAM | END_HEADERS, stream, request("/sleep?0.2"))
            + frame(RST_STREAM, 0, stream, b"\0\0\0\x08"))


def made_you_reset(stream):
    return (frame(HEADERS, END_STREAM | END_HEADERS, stream, request("/sleep?0.2"))
            + frame(WINDOW_UPDATE, 0, stream, b"\x7f\xff\xff\xff"))


def continuations(stream):
    first = frame(HEADERS, END_STREAM, 1, request("/token?x")) if stream == 1 else b""
    return first + frame(CONTINUATION, 0, 1, b"\0\x01x\x01y" * 1000)


def header_bomb(stream):
    field = b"\x40\x01x\x7f\xbd\x1d" + b"v" * 3900
    return frame(HEADERS, END_STREAM | END_HEADERS, stream,
                 request("/token?x") + (field if stream == 1 else b"") + b"\xbe" * 10000)


def large_headers(stream):
    """Below the limit where the connection ends: each is answered 431."""
    field = b"\0\x01x\x7f\xbd\x1d" + b"v" * 3900
    return frame(HEADERS, END_STREAM, stream, request("/token?x") + 3 * field) + b"".join(
        frame(CONTINUATION, END_HEADERS if i == 7 else 0, stream, 3 * field) for i in range(8))


FLOODS = {
    "rapid reset (CVE-2023-44487)": rapid_reset,
    "made you reset (CVE-2025-8671)": made_you_reset,
    "CONTINUATION (CVE-2024-27316)": continuations,
    "header bomb": header_bomb,
    "large headers": large_headers,
    "SETTINGS": lambda _: frame(SETTINGS, 0, 0, b"\0\x01\xff\xff\xff\xff" * 30),
    "PING": lambda _: frame(PING, 0, 0, b"12345678"),
    "PRIORITY": lambda stream: frame(PRIORITY, 0, stream, b"\0\0\0\0\xff"),
    "empty DATA": lambda stream: (frame(HEADERS, END_HEADERS, 1, request("/digest", POST))
                                  if stream == 1 else frame(DATA, 0, 1)),
    "unknown frames": lambda _: frame(0xee, 0, 0, b"x" * 10),
}


def flood(connection, make):
    """Sends, and reads nothing, until the server has enough. Returns how much it took."""
    sent, stream = 0, 1
    connection.settimeout(5)
    with contextlib.suppress(OSError):
        while sent < FLOOD_BYTES:
            piece = b"".join(make(stream + 2 * i) for i in range(50))
            stream += 100
            connection.sendall(piece)
            sent += len(piece)
    return sent


@pytest.mark.parametrize("kind", ["wsgi", "asgi"])
@pytest.mark.parametrize("name", FLOODS)
def test_floods(serve, kind, name):
    server = serve(f"http2_app:{kind}", "--http2", tls=True)
    server.get("/token?x")
    before = server.peak_kib()
    sent, slowest = 0, 0
    for _ in range(CONNECTIONS):
        with contextlib.closing(connect(server)) as connection:
            sent += flood(connection, FLOODS[name])
        start = time.monotonic()
        assert server.get("/token?x").content == b"x"
        slowest = max(slowest, time.monotonic() - start)
    grown = server.peak_kib() - before
    print(f"\n{name}, {kind}: {CONNECTIONS} connections sent {sent >> 10} KiB, memory grew by "
          f"{grown} KiB, the slowest answer to others took {slowest * 1000:.0f} ms")
    assert grown < 12 << 10


def open_streams(connection, count, path, method=GET, end=True):
    flags = END_HEADERS | (END_STREAM if end else 0)
    connection.sendall(b"".join(frame(HEADERS, flags, 2 * i + 1, request(path, method))
                                for i in range(count)))


def test_half_open_streams(serve):
    """2,000 requests whose bodies never come, kept company by PINGs."""
    server = serve("http2_app:asgi", "--http2", "--body-timeout", 3000, tls=True)
    server.get("/token?x")
    before = server.peak_kib()
    with contextlib.ExitStack() as stack:
        connections = [stack.enter_context(contextlib.closing(connect(server)))
                       for _ in range(CONNECTIONS)]
        for connection in connections:
            open_streams(connection, 100, "/digest", POST, end=False)
        deadline = time.monotonic() + PATIENCE
        while server.get("/ended").content.count(b"disconnect") < 2000:
            assert time.monotonic() < deadline
            for connection in connections:
                connection.sendall(frame(PING, 0, 0, b"12345678"))
            time.sleep(0.1)
    grown = server.peak_kib() - before
    print(f"\n2,000 half-open streams: memory grew by {grown} KiB")
    assert grown < 48 << 10


def test_readers_that_open_no_window(serve):
    """100 streams of one connection, whose responses have no end."""
    server = serve("http2_app:asgi", "--http2", "--write-timeout", 3000, tls=True)
    server.get("/token?x")
    before = server.peak_kib()
    with contextlib.closing(connect(server, b"\0\x04\0\0\0\0")) as connection:
        open_streams(connection, 100, "/endless")
        deadline = time.monotonic() + PATIENCE
        while server.get("/ended").content.count(b"closed") < 100:
            assert time.monotonic() < deadline
            connection.sendall(frame(PING, 0, 0, b"12345678"))
            time.sleep(0.1)
    grown = server.peak_kib() - before
    print(f"\n100 streams without window: memory grew by {grown} KiB")
    assert grown < 24 << 10


def released(server, connection, count):
    """Opens the windows, and reads until so many streams have ended."""
    connection.sendall(frame(WINDOW_UPDATE, 0, 0, struct.pack(">I", (1 << 31) - 1 - 65535))
                       + frame(SETTINGS, 0, 0, b"\0\x04\x7f\xff\xff\xff"))
    data, ended = b"", 0
    while ended < count:
        while len(data) < 9 or len(data) < 9 + int.from_bytes(data[:3], "big"):
            piece = connection.recv(65536)
            assert piece, f"closed after {ended} streams"
            data += piece
        size, kind, flags = int.from_bytes(data[:3], "big"), data[3], data[4]
        ended += kind == DATA and flags & END_STREAM
        assert kind != RST_STREAM
        data = data[9 + size:]


@pytest.mark.parametrize("streams", [(100,), (8, 92)])
@pytest.mark.parametrize("kind", ["wsgi", "asgi"])
def test_bodies_that_nobody_reads_are_not_made(serve, kind, streams):
    """100 requests for a megabyte each, on one connection that reads none. A WSGI app is called for a
    few of them, whenever they come; an ASGI app for those that come together. The others are
    answered when the client reads."""
    options = ["--threads", 4] if kind == "wsgi" else []
    server = serve(f"http2_app:{kind}", "--http2", *options, tls=True)
    server.get("/token?x")
    before = server.peak_kib()
    with contextlib.closing(connect(server, b"\0\x04\0\0\0\0")) as connection:
        first = 0
        for count in streams:
            connection.sendall(b"".join(
                frame(HEADERS, END_HEADERS | END_STREAM, 2 * i + 1, request("/big"))
                for i in range(first, first + count)))
            first += count
            for _ in range(20):
                assert server.get("/token?x").content == b"x"
        grown = server.peak_kib() - before
        print(f"\n{kind}, {streams}: {grown} KiB")
        if kind == "wsgi" or len(streams) > 1:
            assert grown < 24 << 10
        released(server, connection, 100)


def test_a_stop_lets_go_of_requests_that_were_not_begun(serve):
    for kind in ("wsgi", "asgi"):
        server = serve(f"http2_app:{kind}", "--http2", "--stop-timeout", 300, tls=True)
        with contextlib.closing(connect(server, b"\0\x04\0\0\0\0")) as connection:
            for first in (0, 20):
                connection.sendall(b"".join(
                    frame(HEADERS, END_HEADERS | END_STREAM, 2 * i + 1, request("/big"))
                    for i in range(first, first + 20)))
                for _ in range(20):
                    assert server.get("/token?x").content == b"x"
            assert server.stop(expected=1)["open"] == 0


@pytest.mark.parametrize("kind", ["wsgi", "asgi"])
def test_a_body_that_trickles_runs_out_of_time(serve, kind):
    """A byte always comes before the time-out."""
    server = serve(f"http2_app:{kind}", "--http2", "--body-timeout", 300, tls=True)
    with contextlib.closing(connect(server)) as connection:
        open_streams(connection, 1, "/digest", POST, end=False)
        connection.settimeout(0.02)
        data = b""
        for _ in range(2000):
            connection.sendall(frame(DATA, 0, 1, b"x"))
            with contextlib.suppress(TimeoutError):
                data += connection.recv(1000)
            if b"too slowly" in data:
                return
    pytest.fail("2000 bytes were waited for one by one")


def test_wsgi_threads_come_back_from_readers_that_open_no_window(serve):
    server = serve("http2_app:wsgi", "--http2", "--threads", 2, "--write-timeout", 500, tls=True)
    with contextlib.closing(connect(server, b"\0\x04\0\0\0\0")) as connection:
        open_streams(connection, 4, "/endless")
        assert server.get("/token?x").content == b"x"  # both threads were held
    server.stop()
    assert server.counters["aborted"] == 4
