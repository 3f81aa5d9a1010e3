"""Clients that mean no good: many at once, at every stage, slowly or leaving. Others are served
meanwhile, the memory is bounded, and nothing is left busy."""
import concurrent.futures
import contextlib
import os
import resource
import socket
import ssl
import subprocess
import time

import pytest

from conftest import BUILD, PATIENCE

FLOOD = os.path.join(BUILD, "tests", "soak", "mse-flood")
CONNECTIONS = int(os.environ.get("MSE_FLOOD_CONNECTIONS", "3000"))
HELLO = {"wsgi": ("wsgi_app:app", "/hello", b"Hello"), "asgi": ("asgi_app:app", "/token?x", b"x")}


@contextlib.contextmanager
def flood(server, stage, connections, path="/"):
    """The connections are held within the block, and end all at once behind it."""
    command = [FLOOD, "--port", str(server.port), "--stage", stage, "--connections",
               str(connections), "--path", path, *(["--tls"] if server.tls else [])]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as held:
        try:
            assert held.stdout.readline() == "ready\n"
            yield
        finally:
            held.stdin.close()


def cpu_ticks(server):
    with open(f"/proc/{server.process.pid}/stat", encoding="ascii") as stat:
        fields = stat.read().rsplit(")", 1)[1].split()
    return int(fields[11]) + int(fields[12])


def assert_idle(server):
    """Within a second there is a fifth of one in which next to nothing is computed."""
    for _ in range(50):
        before = cpu_ticks(server)
        time.sleep(0.2)
        if cpu_ticks(server) - before <= 2:
            return
    pytest.fail("the server is busy without anything to do")


@pytest.fixture
def descriptors():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < CONNECTIONS + 500:
        pytest.skip(f"{CONNECTIONS} connections need more than the {hard} descriptors allowed")
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.parametrize("kind", ["wsgi", "asgi"])
def test_64_tls_clients_killed_again_and_again(serve, kind):
    app, path, answer = HELLO[kind]
    server = serve(app, tls=True)
    for stage in ("head", "body", "reader", "handshake", "hello", "idle") * 3:
        with flood(server, stage, 64, path):
            pass
        assert server.get(path).content == answer
    assert_idle(server)
    assert server.get(path).content == answer


# What OpenSSL keeps of a connection: 3.5 and later more than before.
TLS_BYTES = (24 if ssl.OPENSSL_VERSION_INFO < (3, 5) else 32) * 1024


# What a connection may cost at most; what it costs is in docs/server.md.
@pytest.mark.parametrize("stage, tls, bytes_each", [
    ("silent", False, 2048), ("idle", False, 2048), ("head", False, 4096), ("silent", True, 2048),
    ("idle", True, TLS_BYTES), ("head", True, TLS_BYTES)])
def test_many_idle_connections(serve, descriptors, stage, tls, bytes_each):
    server = serve("wsgi_app:app", "--header-timeout", "60000", tls=tls)
    assert server.get("/hello").content == b"Hello"
    before = server.memory_kib()
    with flood(server, stage, CONNECTIONS, "/hello"):
        assert server.get("/hello").content == b"Hello"
        grown = (server.memory_kib() - before) * 1024
        assert_idle(server)
    print(f"{stage}, {'TLS' if tls else 'plain'}: {grown // CONNECTIONS} bytes a connection")
    assert grown < CONNECTIONS * bytes_each + (2 << 20)
    assert server.get("/hello").content == b"Hello"


@pytest.mark.parametrize("stage", ["hello", "handshake"])
def test_handshakes_that_do_not_go_on(serve, descriptors, stage):
    server = serve("wsgi_app:app", "--header-timeout", "60000", tls=True)
    assert server.get("/hello").content == b"Hello"
    before = server.memory_kib()
    with flood(server, stage, CONNECTIONS):
        assert server.get("/hello").content == b"Hello"
        grown = server.memory_kib() - before
    print(f"{stage}: {grown} KiB")
    assert grown < 160 << 10  # of 2048 at once, however many come
    assert server.stop()["evicted"] == max(0, CONNECTIONS + 1 - 2048)


@pytest.mark.parametrize("tls", [False, True])
@pytest.mark.parametrize("kind", ["wsgi", "asgi"])
def test_slow_bodies_do_not_hold_up_others(serve, kind, tls):
    """More of them than there are threads; all are answered in the end."""
    server = serve(f"seen_app:{kind}", *(["--threads", 2] if kind == "wsgi" else []), tls=tls)
    with contextlib.ExitStack() as stack:
        slow = [stack.enter_context(contextlib.closing(server.socket())) for _ in range(16)]
        for connection in slow:
            connection.sendall(b"POST /p HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhel")
        for _ in range(20):
            assert server.get("/q").content == b"noted"
        for connection in slow:
            connection.sendall(b"lo")
        for connection in slow:
            assert connection.recv(1000).startswith(b"HTTP/1.1 200 ")
    assert b"hello" in server.get("/seen").content


def test_a_client_that_leaves_amid_a_held_body(serve):
    server = serve("wsgi_app:app", "--threads", 2, "--queue", 4)
    for _ in range(10):
        with contextlib.ExitStack() as stack:
            for _ in range(3):
                connection = stack.enter_context(contextlib.closing(server.socket()))
                connection.sendall(b"POST /digest HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nab")
        assert server.get("/hello").content == b"Hello"
    assert server.stop()["served"] == 10  # the app never heard of the others


def test_more_held_bodies_than_threads_and_queue_are_refused(serve):
    server = serve("wsgi_app:app", "--threads", 1, "--queue", 3)
    with contextlib.ExitStack() as stack:
        slow = [stack.enter_context(contextlib.closing(server.socket())) for _ in range(5)]
        for connection in slow:
            connection.sendall(b"POST /digest HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nab")
        assert slow[4].recv(1000).startswith(b"HTTP/1.1 503 ")
        assert server.get("/hello").content == b"Hello"


def ask_again_and_again(server, path, answer):
    """The next request comes as soon as the answer to the one before is there."""
    with contextlib.closing(server.connection()) as connection:
        for _ in range(2000):
            connection.request("GET", path)
            response = connection.getresponse()
            assert (response.status, response.read()) == (200, answer)


@pytest.mark.parametrize("kind, clients", [("wsgi", 3), ("asgi", 1)])
def test_who_finds_room_is_not_refused(serve, kind, clients):
    """As many as there are threads and places in the queue; an ASGI app has places alone."""
    app, path, answer = HELLO[kind]
    server = serve(app, "--threads", 2, "--queue", 1)
    with concurrent.futures.ThreadPoolExecutor(clients) as pool:
        asked = [pool.submit(ask_again_and_again, server, path, answer) for _ in range(clients)]
        for one in asked:
            one.result()
    assert server.stop()["refused"] == 0


def slow_reader(server, target):
    """A client that has asked and reads nothing. Its kernel takes little for it, and with small
    segments ours does not either."""
    plain = socket.socket()
    plain.settimeout(PATIENCE)
    plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, 536)
    plain.connect(("127.0.0.1", server.port))
    if server.tls:
        context = ssl.create_default_context(cafile=server.cert)
        plain = context.wrap_socket(plain, server_hostname="localhost")
    plain.sendall(b"GET %s HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n" % target.encode())
    return plain


@pytest.mark.parametrize("tls", [False, True])
@pytest.mark.parametrize("size", [200_000, 1_000_000, 2_000_000])
def test_clients_that_do_not_read_hold_no_threads(serve, size, tls):
    """More of them than there are threads; the app has made each body in parts, to its end."""
    server = serve("wsgi_app:app", "--threads", 2, tls=tls)
    with contextlib.ExitStack() as stack:
        slow = [stack.enter_context(contextlib.closing(slow_reader(server, f"/parts?{size}")))
                for _ in range(4)]
        for _ in range(20):
            assert server.get("/hello").content == b"Hello"
        for client in slow:
            answer = b"".join(iter(lambda: client.recv(65536), b""))
            assert answer.endswith(b"\r\n\r\n" + b"p" * size)


def test_files_for_clients_that_do_not_read_hold_no_threads(serve, tmp_path):
    """However large they are: the kernel sends them, without TLS. Nothing of them is in memory."""
    server = serve("wsgi_app:app", "--threads", 2)
    data = os.urandom(4 << 20) * 10
    (tmp_path / "data").write_bytes(data)
    assert server.get("/hello").content == b"Hello"
    before = server.memory_kib()
    with contextlib.ExitStack() as stack:
        slow = [stack.enter_context(contextlib.closing(slow_reader(server, f"/file?{tmp_path}/data")))
                for _ in range(16)]
        for _ in range(20):
            assert server.get("/hello").content == b"Hello"
        assert server.get(f"/file?{tmp_path}/data").content == data
        assert_idle(server)
        assert server.peak_kib() - before < 4096


def test_what_waits_in_memory_for_slow_clients_is_bounded(serve):
    """Bodies without an end: each takes its connection's share, all together take theirs, and then
    their threads wait."""
    server = serve("wsgi_app:app", "--threads", 40)
    assert server.get("/hello").content == b"Hello"
    before = server.memory_kib()
    with contextlib.ExitStack() as stack:
        for _ in range(32):
            stack.enter_context(contextlib.closing(slow_reader(server, "/endless")))
        for _ in range(20):
            assert server.get("/hello").content == b"Hello"
        assert_idle(server)
        grown = server.peak_kib() - before
    print(f"{grown} KiB")
    assert grown < 2 * (32 + 32 * 0.5) * 1024  # buffers grow by doubling


@pytest.mark.parametrize("kind", ["wsgi", "asgi"])
def test_a_body_that_trickles_runs_out_of_time(serve, kind):
    """A byte always comes before the time-out; all the same it is not waited for 100,000 of them."""
    server = serve(f"seen_app:{kind}", "--body-timeout", 300)
    with contextlib.closing(server.socket()) as connection:
        connection.sendall(b"POST /p HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n")
        connection.settimeout(0.02)
        for _ in range(2000):
            connection.sendall(b"x")
            with contextlib.suppress(TimeoutError):
                assert connection.recv(1000).startswith(b"HTTP/1.1 408 ")
                return
    pytest.fail("2000 bytes were waited for one by one")


def test_a_client_is_not_late_while_the_app_does_not_read(serve):
    server = serve("wsgi_app:app", "--body-timeout", 300)
    size, first = 600 << 10, 256 << 10  # so much is taken in advance
    with contextlib.closing(server.socket()) as connection:
        connection.sendall(b"POST /reads_late HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % size
                           + b"x" * first)
        time.sleep(0.6)  # the app does not read, for longer than the time-out
        assert server.get("/unblock").content == b"unblocked"
        time.sleep(0.1)  # now it does, and the client takes a moment
        connection.sendall(b"x" * (size - first))
        assert connection.recv(1000).endswith(b"\r\n\r\n%d" % size)
