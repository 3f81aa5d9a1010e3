"""What WebSocket messages cost the server, over real sockets: the largest ones, a client that does
not read, floods of what needs an answer. Framing itself is held against Autobahn's suite
(tools/conformance) and in tests/unit/serve."""
import contextlib
import select
import time

import pytest

from conftest import PATIENCE

MIB = 1 << 20
LARGEST = 16 * MIB
HANDSHAKE = (b"GET /echo HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
             b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
FINAL, CONTINUATION, TEXT, BINARY, PING, PONG = 0x80, 0, 1, 2, 9, 10
CLOSED_TOO_BIG = b"\x88\x02\x03\xf1"


def frame(first, payload):
    """Masked with zeros, so that the payload stays as it is."""
    size = len(payload)
    if size < 126:
        length = bytes([0x80 | size])
    elif size < 65536:
        length = b"\xfe" + size.to_bytes(2, "big")
    else:
        length = b"\xff" + size.to_bytes(8, "big")
    return bytes([first]) + length + b"\0\0\0\0" + payload


def read_exactly(connection, size):
    data = bytearray(size)
    view, at = memoryview(data), 0
    while at < size:
        got = connection.recv_into(view[at:])
        assert got > 0, f"closed after {at} of {size} bytes"
        at += got
    return data


def read_frame(connection):
    first, size = read_exactly(connection, 2)
    if size >= 126:
        size = int.from_bytes(read_exactly(connection, 2 if size == 126 else 8), "big")
    return first, read_exactly(connection, size)


def read_to_end(connection):
    data = b""
    while piece := connection.recv(65536):
        data += piece
    return data


@contextlib.contextmanager
def opened(server):
    with contextlib.closing(server.socket()) as connection:
        connection.sendall(HANDSHAKE)
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += connection.recv(1)
        assert head.startswith(b"HTTP/1.1 101 ")
        yield connection


def send_while_taken(connection, data):
    """Sends until the server has taken nothing for a while; what is left."""
    view = memoryview(data)
    connection.setblocking(False)
    while view and select.select([], [connection], [], 1)[1]:
        view = view[connection.send(view[:MIB]):]
    connection.settimeout(None)
    return view


@pytest.fixture(params=[False, True], ids=["plain", "tls"])
def server(request, serve):
    started = serve("http2_app:asgi", tls=request.param)
    with opened(started) as connection:
        connection.sendall(frame(FINAL | TEXT, b"warm"))
        assert read_frame(connection) == (FINAL | TEXT, b"warm")
    return started


@pytest.mark.parametrize("opcode", [TEXT, BINARY])
def test_largest_messages_are_forgotten(server, opcode):
    """What stays is what the allocator keeps for the process, not something for each connection."""
    before = server.memory_kib()
    message = b"0123456789abcdef" * (LARGEST // 16)
    with contextlib.ExitStack() as stack:
        for _ in range(6):
            connection = stack.enter_context(opened(server))
            connection.sendall(frame(FINAL | opcode, message))
            assert read_frame(connection) == (FINAL | opcode, message)
            connection.sendall(frame(opcode, message[:MIB]))
            for at in range(MIB, LARGEST, MIB):
                connection.sendall(frame(CONTINUATION, message[at:at + MIB]))
            connection.sendall(frame(FINAL | CONTINUATION, b""))
            assert read_frame(connection) == (FINAL | opcode, message)
            connection.sendall(frame(FINAL | opcode, b"the app itself holds the last"))
            assert read_frame(connection)[1] == b"the app itself holds the last"
        assert server.get("/token?on").content == b"on"
        assert server.memory_kib() - before < 3 * LARGEST >> 10
    assert server.peak_kib() - before < 6 * LARGEST >> 10


def test_one_byte_more_is_refused(server):
    with opened(server) as connection:
        connection.sendall(frame(FINAL | BINARY, bytes(LARGEST + 1))[:14])
        assert read_to_end(connection) == CLOSED_TOO_BIG
    with opened(server) as connection:
        connection.sendall(frame(BINARY, bytes(LARGEST)))
        connection.sendall(frame(FINAL | CONTINUATION, b"x")[:6])
        assert read_to_end(connection) == CLOSED_TOO_BIG


def test_the_limit_of_bodies_holds_for_messages(serve):
    server = serve("http2_app:asgi", "--body-limit", "1000")
    with opened(server) as connection:
        connection.sendall(frame(FINAL | TEXT, bytes(1000)))
        assert read_frame(connection) == (FINAL | TEXT, bytes(1000))
        connection.sendall(frame(TEXT, bytes(999)) + frame(FINAL | CONTINUATION, b"xy")[:6])
        assert read_to_end(connection) == CLOSED_TOO_BIG


def test_a_client_that_does_not_read_is_not_read_from(server):
    before = server.memory_kib()
    count = 12
    message = bytes(LARGEST)
    with opened(server) as connection:
        left = send_while_taken(connection, frame(FINAL | BINARY, message) * count)
        assert len(left) > (count - 4) * LARGEST
        assert server.peak_kib() - before < 6 * LARGEST >> 10
        assert server.get("/token?on").content == b"on"


def test_a_flood_of_pings_is_answered_with_the_last(server):
    """RFC 6455 section 5.5.3 allows to answer the latest only."""
    before = server.memory_kib()
    pings = b"".join(frame(FINAL | PING, number.to_bytes(120, "big")) for number in range(400_000))
    with opened(server) as connection:
        assert not send_while_taken(connection, pings)
        assert server.peak_kib() - before < 8 << 10
        last = -1
        while last < 399_999:
            first, payload = read_frame(connection)
            assert first == FINAL | PONG
            assert int.from_bytes(payload, "big") > last
            last = int.from_bytes(payload, "big")
        connection.sendall(frame(FINAL | TEXT, b"still here"))
        assert read_frame(connection) == (FINAL | TEXT, b"still here")


def test_unfinished_messages_of_many_connections(serve):
    """Each may be as long as any; all together have a limit, and short ones go on."""
    server = serve("http2_app:asgi")
    begun = bytes([FINAL | BINARY, 0xff]) + (LARGEST - 1).to_bytes(8, "big") + bytes(4)
    with contextlib.ExitStack() as stack:
        short = stack.enter_context(opened(server))
        connections = [stack.enter_context(opened(server)) for _ in range(12)]
        closed = 0
        for connection in connections:
            with contextlib.suppress(ConnectionError):
                connection.sendall(begun + bytes(12 * MIB))
            connection.settimeout(0.5)
            with contextlib.suppress(TimeoutError, ConnectionError):
                closed += read_exactly(connection, 4) == CLOSED_TOO_BIG
        assert closed >= 6
        assert server.peak_kib() < 200 * 1024
        short.sendall(frame(FINAL | TEXT, b"hello"))
        assert read_frame(short) == (FINAL | TEXT, b"hello")


UNFINISHED = {
    "a byte": b"\x81",
    "a part of a length": b"\x82\xfe\x03",
    "a part of a frame": frame(FINAL | BINARY, bytes(1000))[:-1],
    "a fragment": frame(TEXT, b"to be continued"),
    "no fragment behind the second": frame(TEXT, b"a") + frame(CONTINUATION, b"b"),
    "a part of a ping": frame(FINAL | PING, b"ping")[:-1],
    "less than a message behind one": frame(FINAL | TEXT, b"whole") + frame(TEXT, b"part"),
}
LATE = b"\x03\xf0a message was not ended in time"


@pytest.mark.parametrize("pings", [False, True])
@pytest.mark.parametrize("part", UNFINISHED)
def test_what_is_not_ended_runs_out_of_time(serve, part, pings):
    server = serve("http2_app:asgi", "--body-timeout", 300)
    with opened(server) as connection:
        connection.sendall(UNFINISHED[part])
        if part.startswith("less"):
            assert read_frame(connection) == (FINAL | TEXT, b"whole")
        amid_frame = not part.startswith(("a fragment", "no fragment", "less"))
        connection.settimeout(0.02)
        for _ in range(2000):
            if pings and not amid_frame:
                connection.sendall(frame(FINAL | PING, b""))
            with contextlib.suppress(TimeoutError):
                first, payload = read_frame(connection)
                if first == FINAL | PONG:
                    time.sleep(0.02)  # 300 bytes a second
                    continue
                assert (first, payload) == (FINAL | 8, LATE)
                break
        else:
            pytest.fail("the rest was waited for all the time")
        connection.settimeout(PATIENCE)
        assert read_to_end(connection) == b""
    while b"/echo 1008 a message was not ended in time" not in server.get("/ended").content:
        time.sleep(0.01)


def test_time_runs_only_while_something_is_owed(serve):
    """Quiet connections, short messages in a slow row, and a long one that comes fast enough."""
    server = serve("http2_app:asgi", "--body-timeout", 2000)
    with opened(server) as quiet, opened(server) as slow, opened(server) as steady:
        steady.sendall(frame(FINAL | BINARY, bytes(6000))[:8])
        for at in range(60):
            slow.sendall(frame(FINAL | TEXT, b"%d" % at)[:-1])
            steady.sendall(bytes(100))
            time.sleep(0.04)
            slow.sendall(b"%d" % (at % 10))
            assert read_frame(slow) == (FINAL | TEXT, b"%d" % at)
        assert read_frame(steady) == (FINAL | BINARY, bytes(6000))
        quiet.sendall(frame(FINAL | TEXT, b"still here"))
        assert read_frame(quiet) == (FINAL | TEXT, b"still here")
