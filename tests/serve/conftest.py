"""Starts mse-serve-dev for a test and looks at it afterwards: it must have ended in order, with
every exchange released. Needs nothing that Debian does not carry; what tests frameworks from the
package index asks for `packages`, and is skipped, aloud, where they cannot be had."""
import contextlib
import http.client
import json
import os
import re
import signal
import socket
import ssl
import subprocess
import sys

import pytest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.path.abspath(os.environ.get("MSE_BUILD", os.path.join(ROOT, "build")))
PROGRAM = os.path.join(BUILD, "tests", "bench", "mse-serve-dev")
APPS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "apps")
SOAK = os.path.join(BUILD, "tests", "soak", "mse-soak")
SOAK_WAYS = ("tls", "http2", "plain")
PATIENCE = 300  # seconds: what takes longer hangs, however loaded the machine is
WANTED = ["starlette", "fastapi", "quart", "django", "uvloop", "websockets", "python-multipart",
          "h2", "wsproto", "httpx[http2]"]


class Server:
    def __init__(self, folder, app, *options, tls=False):
        self.log = open(os.path.join(folder, "server.log"), "w+b")
        self.cert = os.path.join(folder, "cert.pem")
        command = [PROGRAM, "--path", APPS, *map(str, options), app]
        if tls:
            command[1:1] = ["--tls", "--cert-file", self.cert]
        self.tls = tls
        self.http2 = "--http2" in options
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=self.log)
        line = self.process.stdout.readline().decode()
        if not line.startswith("listening on "):
            self.process.wait()
            raise RuntimeError(f"mse-serve-dev did not start: {self.text()}")
        self.port = int(line.split()[-1])
        self.counters = None

    def text(self):
        self.log.flush()
        with open(self.log.name, encoding="utf-8", errors="replace") as log:
            return log.read()

    def socket(self, timeout=PATIENCE):
        plain = socket.create_connection(("127.0.0.1", self.port), timeout)
        if not self.tls:
            return plain
        context = ssl.create_default_context(cafile=self.cert)
        return context.wrap_socket(plain, server_hostname="localhost")

    def connection(self):
        if not self.tls:
            return http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        context = ssl.create_default_context(cafile=self.cert)
        return http.client.HTTPSConnection("localhost", self.port, timeout=PATIENCE, context=context)

    def request(self, method, target, body=None, headers=None, **more):
        with contextlib.closing(self.connection()) as connection:
            connection.request(method, target, body, headers or {}, **more)
            response = connection.getresponse()
            response.content = response.read()
            return response

    def get(self, target, **headers):
        return self.request("GET", target, headers=headers)

    def held(self):
        """What the soak apps say of their memory (soak_memory.py)."""
        return json.loads(self.get("/memory").content)

    def status_kib(self, field):
        with open(f"/proc/{self.process.pid}/status", encoding="ascii") as status:
            return int(re.search(rf"{field}:\s+(\d+)", status.read()).group(1))

    def memory_kib(self):
        return self.status_kib("VmRSS")

    def peak_kib(self):
        return self.status_kib("VmHWM")

    def stop(self, expected=0):
        if self.counters is None:
            self.process.send_signal(signal.SIGTERM)
            out, _ = self.process.communicate(timeout=PATIENCE)
            assert self.process.returncode == expected, (self.process.returncode, self.text())
            pairs = re.findall(r"(\w+) (\d+)", out.decode())
            self.counters = {name: int(value) for name, value in pairs}
        return self.counters

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.log.close()


def soak_server(start, app, way, *options):
    """What `start` makes of an app that mse-soak is to load in one of SOAK_WAYS."""
    return start(app, *options, *(["--http2"] if way == "http2" else []), tls=way != "plain")


def soak_command(server, *options):
    command = [SOAK, "--port", str(server.port), *map(str, options)]
    return command + ["--tls"] * server.tls + ["--http2"] * server.http2


@pytest.fixture
def serve(tmp_path):
    """serve(app, *options, tls=False) starts a server; it must stop in order at the end."""
    started = []

    def start(app, *options, tls=False):
        folder = tmp_path / str(len(started))
        folder.mkdir()
        started.append(Server(str(folder), app, *options, tls=tls))
        return started[-1]

    yield start
    try:
        for server in started:
            server.stop()
    finally:
        for server in started:
            server.close()


@pytest.fixture(scope="session")
def packages():
    """The site-packages with the frameworks, made once in the build folder."""
    venv = os.path.join(BUILD, "serve-venv")
    python = os.path.join(venv, "bin", "python")
    done = os.path.join(venv, "installed")
    wanted = "\n".join(WANTED)
    if not os.path.exists(done) or open(done, encoding="utf-8").read() != wanted:
        made = subprocess.run(["/usr/bin/python3", "-m", "venv", "--clear", "--without-pip", venv], check=False,
                              capture_output=True)
        if made.returncode == 0:
            made = subprocess.run(["/usr/bin/python3", "-m", "pip", "--python", python, "install",
                                   "--quiet", "--no-compile", *WANTED],
                                  check=False, capture_output=True)
        if made.returncode != 0:
            pytest.skip("the frameworks cannot be installed from the package index")
        with open(done, "w", encoding="utf-8") as mark:
            mark.write(wanted)
    version = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    return os.path.join(venv, "lib", version, "site-packages")
