"""Large bodies are lent to the server and not copied: the app's object is held until the client has it
or is gone, and is given back without another request to remind of it."""
import contextlib
import time

import pytest

from conftest import PATIENCE

LENT = 32 << 20


def count(server):
    return int(server.get("/lent_count").content)


def wait_for_count(server, expected):
    until = time.monotonic() + PATIENCE
    while (found := count(server)) != expected:
        assert time.monotonic() < until, (found, expected)
        time.sleep(0.005)


@pytest.mark.parametrize("tls", [False, True])
@pytest.mark.parametrize("app", ["wsgi_app:app", "asgi_app:app"])
def test_lent_bodies_come_back(serve, app, tls):
    server = serve(app, tls=tls)
    before = count(server)
    with contextlib.closing(server.connection()) as connection:
        for method in ("GET", "HEAD", "GET"):
            connection.request(method, "/lent")
            response = connection.getresponse()
            assert response.getheader("Content-Length") == str(LENT)
            assert response.read() == bytes(LENT if method == "GET" else 0)
            connection.request("GET", "/lent_count")
            assert int(connection.getresponse().read()) == before
    clients = [server.socket() for _ in range(8)]
    for client in clients:
        client.sendall(b"GET /lent HTTP/1.1\r\nHost: a\r\n\r\n")
        assert client.recv(1000).startswith(b"HTTP/1.1 200 OK\r\n")
    wait_for_count(server, before + len(clients))
    for client in clients:
        client.close()
    wait_for_count(server, before)


def test_a_stop_takes_lent_bodies_back(serve):
    server = serve("wsgi_app:app", "--stop-timeout", 100)
    with contextlib.closing(server.socket()) as client:
        client.sendall(b"GET /lent HTTP/1.1\r\nHost: a\r\n\r\n")
        assert client.recv(1000).startswith(b"HTTP/1.1 200 OK\r\n")
        assert server.stop(expected=1)["served"] == 1
