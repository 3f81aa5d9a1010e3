"""An upload that is answered without being read, over HTTP/2: every client gets the answer. RFC 9113
section 8.1 lets a response end before its request, but curl 7.88 stops reading when it has all of a
response, and waits for ever for room to send."""
import importlib
import subprocess
import sys

import pytest

SIZES = (1, 262144, 262145, 300000, 1000000, 10000000)
LARGEST = 100000000


@pytest.fixture(scope="module")
def body(tmp_path_factory):
    path = tmp_path_factory.mktemp("early") / "body"
    with open(path, "wb") as file:
        file.truncate(LARGEST)
    return path


def upload(server, target, source, *more):
    done = subprocess.run(
        ["curl", "-sS", "--http2", "-m", "60", "-o", "-", "-w", " %{http_code}", "--cacert", server.cert,
         "-X", "POST", *more, f"https://localhost:{server.port}{target}"], stdin=source,
        capture_output=True, check=False)
    return done.returncode, done.stdout.decode(), done.stderr.decode()


@pytest.mark.parametrize("app, target, answer", [
    ("early:wsgi", "/length", "early 200"), ("early:wsgi", "/parts", "early 200"),
    ("early:wsgi", "/refused", "early 401"), ("early:wsgi", "/redirect", " 302"),
    ("early:wsgi", "/empty", " 204"), ("early:asgi", "/length", "early 200"),
    ("early:asgi", "/parts", "early 200")])
def test_curl_gets_every_early_answer(serve, body, tmp_path, app, target, answer):
    server = serve(app, "--http2", tls=True)
    part = tmp_path / "part"
    for size in SIZES + (LARGEST,) * (target == "/length"):
        with open(part, "wb") as file:
            file.truncate(size)
        found = upload(server, target, None, "--data-binary", f"@{part}")
        assert found == (0, answer, ""), (size, server.text())
    with open(part, "rb") as stream:  # of no known length
        found = upload(server, target, stream, "-T", "-")
    assert found == (0, answer, ""), server.text()


def test_nghttp_gets_it_too(serve, body):
    server = serve("early:wsgi", "--http2", tls=True)
    done = subprocess.run(["nghttp", "-t", "60", "-d", str(body), f"https://localhost:{server.port}/length"],
                          capture_output=True, check=False)
    assert (done.returncode, done.stdout) == (0, b"early"), done.stderr


def test_httpx_gets_it_too(serve, packages, tmp_path, body):
    server = serve("early:wsgi", "--http2", tls=True)
    script = tmp_path / "client.py"
    script.write_text(f"""
import httpx, ssl
context = ssl.create_default_context(cafile={server.cert!r})
with httpx.Client(http2=True, verify=context, timeout=60) as client:
    for size in {SIZES!r}:
        answer = client.post("https://localhost:{server.port}/length", content=bytes(size))
        print(size, answer.http_version, answer.status_code, answer.text)
""")
    done = subprocess.run(["/usr/bin/python3", str(script)], env={"PYTHONPATH": packages}, capture_output=True,
                          text=True, check=False)
    assert done.stdout.splitlines() == [f"{size} HTTP/2 200 early" for size in SIZES], done.stderr


def test_who_waits_for_the_answer_gets_it_without_going_on(serve, packages):
    """A client that would end its request only after the answer does not wait for the server's limits."""
    sys.path.append(packages)
    server = serve("early:asgi", "--http2", tls=True)
    with importlib.import_module("h2client").Client(server) as client:
        stream = client.start("POST", "/length", end=False)
        client.send(stream, b"begin", end=False)
        answer = client.answers[stream]
        client.until(lambda: answer.ended or answer.reset is not None)
        assert (answer.status, bytes(answer.body), answer.ended) == (200, b"early", True)
