# SPDX-License-Identifier: Apache-2.0
"""What [server] in mse.toml sets, and what an owner and an operator see of the server: with the real
programs, over the app's own socket."""
import http.client
import json
import os
import re
import shutil
import socket
import ssl
import subprocess
import threading
import time
from urllib.parse import urlsplit

import pytest

from conftest import Owner

APP = '''
import time
from flask import Flask, request
app = Flask(__name__)

@app.get("/")
def hello():
    return "hello\\n"

@app.post("/")
def upload():
    return str(len(request.get_data()))

@app.get("/hold")
def hold():
    time.sleep(2)
    return "held\\n"

@app.get("/log")
def log():
    from pathlib import Path
    return Path.home().joinpath(".cache/mse/access.log").read_text()

@app.get("/fail")
def fail():
    raise RuntimeError("on purpose")
'''

SERVER = '''[server]
threads = 2
queue = 1
connections = 8
header_bytes = 4096
header_count = 20
target_bytes = 1024
body_bytes = 1000
header_timeout = 1
body_timeout = 1
idle_timeout = 30
'''


class Client:
    """Raw HTTP/1.1 over the app's TLS."""

    def __init__(self, app):
        self.app = app
        self.context = ssl.create_default_context(cafile=app["certificate"])
        self.port = urlsplit(app["url"]).port

    def connect(self):
        plain = socket.create_connection(("127.0.0.1", self.port), 20)
        return self.context.wrap_socket(plain, server_hostname="localhost")

    def raw(self, text):
        """Sends and reads to the end."""
        with self.connect() as tls:
            tls.sendall(text.encode())
            return self.read(tls)

    @staticmethod
    def read(tls):
        received = b""
        while True:
            try:
                piece = tls.recv(65536)
            except (ConnectionResetError, ssl.SSLEOFError):
                break
            if not piece:
                break
            received += piece
        return received.decode("latin-1")

    def request(self, method, path, body=None):
        connection = http.client.HTTPSConnection("localhost", self.port, context=self.context, timeout=30)
        try:
            connection.request(method, path, body)
            answer = connection.getresponse()
            return answer.status, answer.read().decode(), dict(answer.getheaders())
        finally:
            connection.close()


def status_of(answer):
    return int(answer.split(" ", 2)[1])


@pytest.fixture
def limited(owner):
    return Client(owner.deploy(owner.project("limited", {"app.py": APP}, toml=SERVER)))


def test_every_limit_has_its_answer(limited):
    close = "Host: localhost\r\nConnection: close\r\n"
    long_head = "".join(f"X-{i}: {'v' * 400}\r\n" for i in range(15))
    many = "".join(f"X-{i}: v\r\n" for i in range(30))
    cases = [
        ("GET / HTTP/1.1\r\n" + close + "\r\n", 200),
        (f"GET /?{'q' * 1100} HTTP/1.1\r\n" + close + "\r\n", 414),
        ("GET / HTTP/1.1\r\n" + close + long_head + "\r\n", 431),
        ("GET / HTTP/1.1\r\n" + close + many + "\r\n", 431),
        ("POST / HTTP/1.1\r\n" + close + "Content-Length: 1001\r\n\r\n", 413),
        ("POST / HTTP/1.1\r\n" + close + "Transfer-Encoding: chunked\r\n\r\n3e9\r\n" + "b" * 1001, 413),
        ("POST / HTTP/1.1\r\n" + close + "Content-Length: 1000\r\n\r\n" + "b" * 1000, 200),
        ("GET / HTTP/1.1\r\nHost:", 408),
        ("POST / HTTP/1.1\r\n" + close + "Content-Length: 10\r\n\r\nhalf", 408),
    ]
    for text, expected in cases:
        assert status_of(limited.raw(text)) == expected, text[:60]


def test_a_full_queue_is_503_and_others_are_served_again(limited):
    answers = []

    def hold():
        answers.append(limited.request("GET", "/hold"))

    threads = [threading.Thread(target=hold) for _ in range(6)]  # two in the app, one in the queue
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()
    refused = [headers for status, _, headers in answers if status == 503]
    assert {status for status, _, _ in answers} == {200, 503} and len(refused) >= 3
    assert all(headers["Retry-After"] == "1" for headers in refused)
    assert limited.request("GET", "/")[0] == 200


def test_over_the_limit_idle_connections_make_room(limited):
    idle = [limited.connect() for _ in range(8)]
    for tls in idle:
        tls.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert tls.recv(4096).startswith(b"HTTP/1.1 200")
    assert limited.request("GET", "/")[0] == 200
    assert idle[0].recv(4096) == b""  # the longest idle one, and it was told goodbye
    idle[-1].sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert idle[-1].recv(4096).startswith(b"HTTP/1.1 200")
    for tls in idle:
        tls.close()


# --- what is seen ---

def wait_for_counters(owner, app, good):
    deadline = time.monotonic() + 30
    stats = {}
    while time.monotonic() < deadline:
        stats = owner.ok("status", app["id"], "--json").json["stats"]
        if stats["reported"] and good(stats["counters"]):
            return stats["counters"]
        time.sleep(0.2)
    raise AssertionError(stats)


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost", timeout=10)
        self.path = str(path)

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(self.path)


def test_counters_reach_the_owner_and_prometheus(owner, node):
    app = owner.deploy(owner.project("counted", {"app.py": APP}))
    client = Client(app)
    for _ in range(20):
        assert client.request("GET", "/")[0] == 200
    assert client.request("POST", "/", b"x" * 100_000)[0] == 200
    assert client.request("GET", "/nothing")[0] == 404
    assert client.request("GET", "/fail")[0] == 500
    with client.connect() as tls:
        tls.sendall(b"BAD\r\n\r\n")
        assert status_of(client.read(tls)) == 400
    counters = wait_for_counters(owner, app, lambda c: c["responses_4xx"] >= 2)
    assert counters["responses_2xx"] >= 21 and counters["responses_5xx"] == 1
    assert counters["exceptions"] == 0  # Flask makes a 500 of it itself
    assert counters["rejected"] == 1
    assert counters["bytes_in"] > 100_000
    assert counters["handshakes"] >= 24
    assert sum(counters["latency"]) >= 24 and sum(counters["queue"]) >= 23
    assert counters["latency_us"] >= counters["queue_us"] > 0
    assert 0 < counters["latency_p50_us"] <= counters["latency_p99_us"]
    assert counters["memory_bytes"] > 10 << 20
    text = owner.ok("status", app["id"]).out
    assert "  requests     " in text and "  latency      p50 " in text and "  memory       " in text
    connection = UnixConnection(next(iter(node.glob("**/*.sock"))))
    connection.request("GET", "/metrics")
    answer = connection.getresponse()
    assert answer.getheader("Content-Type") == "text/plain; version=0.0.4"
    lines = answer.read().decode().splitlines()
    mine = [line for line in lines if f'id="{app["id"]}"' in line]
    assert any(line.startswith("mse_app_responses_total{") and 'class="5xx"} 1' in line for line in mine)
    assert any(line.startswith("mse_app_request_seconds_bucket{") and 'le="+Inf"' in line for line in mine)
    # A restart begins anew; a stopped app has none.
    owner.ok("restart", app["id"])
    assert client.request("GET", "/")[0] == 200
    wait_for_counters(owner, app, lambda c: 1 <= c["responses_2xx"] < 20)
    owner.ok("stop", app["id"], "--yes")
    assert owner.ok("status", app["id"], "--json").json["stats"] == {"reported": None, "counters": None}


def test_a_sealed_access_log_is_the_apps_alone(owner, node):
    toml = "[server]\naccess_log = 'combined'\nserver_timing = true\n"
    app = owner.deploy(owner.project("logged", {"app.py": APP}, toml=toml))
    client = Client(app)
    _, _, headers = client.request("GET", "/?secret=4711")
    assert re.fullmatch(r"queue;dur=[\d.]+, app;dur=[\d.]+, total;dur=[\d.]+", headers["Server-Timing"])
    forged = "GET /a%0d%0aforged HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    assert status_of(client.raw(forged)) == 404
    lines = []
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline and not any("forged" in line for line in lines):
        lines = client.request("GET", "/log")[1].splitlines()
    form = r'127\.0\.0\.1 - - \[[^\]"]+\] "(\S+ \S+ HTTP/[12.]+|-)" \d+ (\d+|-) "-" "[^"]*"'
    assert all(re.fullmatch(form, line) for line in lines), lines
    assert any('"GET /?secret=4711 HTTP/1.1" 200 6 ' in line for line in lines)
    assert any('"GET /a%0d%0aforged HTTP/1.1" 404 ' in line for line in lines)
    # The operator sees neither: not in the app's log, not in a file of the node (the disk image of
    # the storage, which is encrypted and huge, apart).
    assert "4711" not in owner.ok("logs", app["id"]).out
    found = subprocess.run(["find", str(node), "-type", "f", "-size", "-64M", "-exec", "grep", "-laF",
                            "secret=4711", "{}", "+"], capture_output=True, text=True, check=False)
    assert found.stdout == ""
    # Its owner does, over a verified session, with a signature.
    shown = owner.ok("access-log", app["id"]).out.splitlines()
    assert shown[:len(lines)] == lines
    end = owner.ok("access-log", app["id"], "--last", "300").out
    assert 100 < len(end) <= 300 and all(line.startswith("127.0.0.1 ") for line in end.splitlines())
    before = len(lines)
    owner.ok("restart", app["id"])
    lines = client.request("GET", "/log")[1].splitlines()
    assert len(lines) >= before  # kept over a restart


def test_an_access_log_is_for_its_owner_alone(owner, node, tmp_path):
    """Not for who has the owner's context, but not the key; not for who sends anything else."""
    app = owner.deploy(owner.project("private", {"app.py": APP}, toml="[server]\naccess_log = 'common'\n"))
    stranger = Owner(tmp_path, node)
    shutil.copytree(owner.config / "contexts", stranger.config / "contexts")
    os.chmod(stranger.config, 0o700)
    refused = stranger.run("access-log", app["id"])
    assert refused.status == 3 and "not signed by the owner's key" in refused.err and refused.out == ""
    status, answer, _ = Client(app).request("POST", "/.well-known/mse/access-log", body=b"please!!")
    assert status == 400 and "not an owner's request" in answer
    deadline = time.monotonic() + 20  # lines are written some 50 ms later
    while owner.ok("access-log", app["id"]).out.count('mse/access-log HTTP/1.1" 40') < 2:
        assert time.monotonic() < deadline


def test_without_an_access_log_it_is_said(owner):
    app = owner.deploy(owner.project("silent", {"app.py": APP}))
    result = owner.run("access-log", app["id"])
    assert result.status == 3 and "keeps no access log" in result.err and "mse.toml" in result.err


def test_an_access_log_in_the_apps_log_is_for_the_operator_too(owner):
    toml = "[server]\naccess_log = 'json'\naccess_log_to = 'log'\n"
    app = owner.deploy(owner.project("openlog", {"app.py": APP}, toml=toml))
    assert Client(app).request("GET", "/?q=1")[0] == 200
    lines = []
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline and not lines:
        text = owner.ok("logs", app["id"]).out
        lines = [line.split(" ", 1)[1] for line in text.splitlines() if '"query":"q=1"' in line]
    record = json.loads(lines[0])
    assert record["method"] == "GET" and record["path"] == "/" and record["status"] == 200
    assert record["bytes"] == 6 and record["client"] == "127.0.0.1" and record["aborted"] is False
    assert record["duration_us"] >= record["queue_us"] >= 0
    shown = owner.ok("context", "--export", "openlog").json["manifest"]
    assert json.loads(shown)["server"]["access_log_to"] == "log"  # whoever uses the app can see it


def test_another_format_is_refused_before_anything_is_sent(owner):
    folder = owner.project("badlog", {"app.py": APP}, toml="[server]\naccess_log = '%h %y'\n")
    result = owner.run("deploy", "--path", folder, "--yes")
    assert result.status == 1 and "mse.toml:7: server.access_log: " in result.err, result
    assert "off" in result.err and "combined" in result.err and "json" in result.err
