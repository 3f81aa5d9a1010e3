"""What a response head may be: the same over both versions of HTTP, and an answer at once where it
may not be. Each request is alone on its connection: nothing else wakes the server."""
import json
import subprocess

import pytest

from conftest import APPS

VERSIONS = ("--http1.1", "--http2")


def ask(server, version, target, *more):
    """(status, first line, body) as curl sees it; one connection, ten seconds at most."""
    done = subprocess.run(
        ["curl", "-sS", version, "-m", "10", "-D", "-", "--cacert", server.cert, *more,
         f"https://localhost:{server.port}{target}"], capture_output=True, check=False)
    assert done.returncode == 0, (done.stderr, server.text())
    head, _, body = done.stdout.partition(b"\r\n\r\n")
    line = head.split(b"\r\n")[0].decode("latin-1")
    return int(line.split()[1]), line, body


@pytest.mark.parametrize("app", ["heads:wsgi", "heads:asgi"])
@pytest.mark.parametrize("way", ["whole", "parts"])
def test_what_is_taken_and_what_is_refused(serve, app, way):
    server = serve(app, "--http2", tls=True)
    for version in VERSIONS:
        for query, expected in [("status=599", 599), ("status=600", 600), ("status=999", 999),
                                ("value=66000", 200), ("fields=300", 200), ("fields=1000", 200),
                                ("fields=1001", 500), ("value=140000", 500)]:
            status, _, body = ask(server, version, f"/{way}?{query}")
            assert (status, query) == (expected, query)
            assert body == (b"Internal Server Error\n" if expected == 500 else b"answer")
    assert server.text().count("ValueError: 1001 response headers, at most 1000") == len(VERSIONS)
    assert server.text().count("bytes of response headers, at most 131072") == len(VERSIONS)


def test_reasons_pass_as_they_are(serve):
    server = serve("heads:wsgi", "--http2", tls=True)
    for status, reason in [(200, "Ok"), (200, "OK"), (404, "NOT FOUND"), (299, "R" * 300), (200, "Gr\xfc\xdfe")]:
        target = f"/?status={status}&reason=" + "".join(f"%{ord(c):02X}" for c in reason)
        target = target if reason.isascii() else f"/?status=200&reason=Gr%C3%BC%C3%9Fe"
        _, line, _ = ask(server, "--http1.1", target)
        assert line == f"HTTP/1.1 {status} {reason}"


@pytest.mark.parametrize("method", ["QUERY", "PURGE", "FOO", "get", "X"])
def test_every_method_reaches_the_app_over_both(serve, method):
    server = serve("seen_app:wsgi", "--http2", tls=True)
    for version in VERSIONS:
        ask(server, version, f"/{version}", "-X", method)
    seen = [found[:2] for found in json.loads(server.get("/seen").content)]
    assert seen == [[method, f"/{version}"] for version in VERSIONS]


def test_pwd_is_the_apps_folder(serve):
    server = serve("heads:where")
    assert server.get("/").content == f"{APPS} {APPS}".encode()
