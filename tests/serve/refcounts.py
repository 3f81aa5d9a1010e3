#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Loads mse-serve-dev with every kind of request and looks at Python's own books: the count of all
references and of all blocks must be where it was. Needs a build with -Dpython=python-3.Nd-embed,
the only Python that counts its references.

usage: tests/serve/refcounts.py [--requests N] BUILD
"""
import argparse
import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile

APPS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "apps")
BATCH = 50          # requests that are sent before their answers are read
PATIENCE = 60       # seconds without a byte of an answer
WARM_UP = 1000      # fills caches and free lists
ATTEMPTS = 3
COSTLY = 10         # what needs a connection of its own is done so many times less often
GET = b"GET /%s HTTP/1.1\r\nHost: a\r\n\r\n"
UPGRADE = (b"GET /%s HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
           b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
POST = (b"POST /body HTTP/1.1\r\nHost: a\r\nContent-Length: 12\r\n\r\nabcd\nef\ngh\ni"
        b"POST /body HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n")


def read_marks(connection, mark, count):
    """Reads until `mark` has come `count` times."""
    tail, found = b"", 0
    while found < count:
        try:
            piece = connection.recv(65536)
        except OSError as error:
            sys.exit(f"refcounts: {error} after {found} of {count} times {mark!r}")
        if not piece:
            sys.exit(f"refcounts: the server has closed the connection after {found} of {count}"
                     f" times {mark!r}, and {tail!r}")
        data = tail + piece
        found += data.count(mark)
        tail = data[data.rfind(mark) + len(mark):] if mark in data else data
        tail = tail[-len(mark) + 1:] if len(mark) > 1 else b""


def pipelined(request, mark=b"END", each=1):
    """Request after request on one connection; each brings `mark` so many times."""
    def load(connect, count):
        with connect() as connection:
            for _ in range(0, count, BATCH * each):
                connection.sendall(request * BATCH)
                read_marks(connection, mark, BATCH * each)
    return load


def alone(request, mark, then=b"", until_closed=False):
    """A connection for each: a request, what `mark` ends, perhaps more to send; then it is left."""
    def load(connect, count):
        for _ in range(count // COSTLY):
            with connect() as connection:
                connection.sendall(request)
                read_marks(connection, mark, 1)
                connection.sendall(then)
                while until_closed and connection.recv(65536):
                    pass
    return load


TEXT = b"\x81\x83\0\0\0\0abc"
CLOSE = b"\x88\x82\0\0\0\0\x03\xe8"
KINDS = {
    "wsgi": {
        "list": pipelined(GET % b"list_"), "generator": pipelined(GET % b"generator"),
        "file_wrapper": pipelined(GET % b"file"), "write()": pipelined(GET % b"write"),
        "body": pipelined(POST, each=2),
        "HEAD": pipelined((GET % b"list_").replace(b"GET", b"HEAD"), b"HTTP/1.1 200 OK\r\n"),
        "error": pipelined(GET % b"error", b"Internal Server Error\n"),
        "bad header": pipelined(GET % b"bad_head", b"Internal Server Error\n"),
        "exc_info": pipelined(GET % b"replaced"),
        "error behind the head": alone(GET % b"late", b"part", until_closed=True),
        "client that leaves": alone(GET % b"endless", b"xxxx"),
        "client that leaves amid its body": alone(POST[:80] + POST[:90], b"END"),
    },
    "asgi": {
        "plain": pipelined(GET % b"plain"), "stream": pipelined(GET % b"stream"),
        "body": pipelined(POST, each=2), "pathsend": pipelined(GET % b"file"),
        "pathsend of no file": pipelined(GET % b"no_file"),
        "HEAD": pipelined((GET % b"plain").replace(b"GET", b"HEAD"), b"HTTP/1.1 200 OK\r\n"),
        "error": pipelined(GET % b"error", b"Internal Server Error\n"),
        "bad messages": pipelined(GET % b"bad_messages"),
        "cancellation": pipelined(GET % b"cancel"), "task behind the response":
        pipelined(GET % b"background"),
        "error behind the head": alone(GET % b"late", b"part", until_closed=True),
        "client that leaves": alone(GET % b"endless", b"xxxx"),
        "client that leaves amid its body": alone(POST[:80] + POST[:90], b"END"),
        "WebSocket, closed": alone(UPGRADE % b"echo", b"\r\n\r\n", TEXT + b"\x82" + TEXT[1:] + CLOSE,
                                   until_closed=True),
        "WebSocket, left": alone(UPGRADE % b"echo", b"\r\n\r\n", TEXT),
        "WebSocket, broken frame": alone(UPGRADE % b"echo", b"\r\n\r\n", b"\xff\xff",
                                         until_closed=True),
        "WebSocket, denied": alone(UPGRADE % b"echo?1", b"END"),
    },
}


@contextlib.contextmanager
def server(build, app, log):
    program = os.path.join(build, "tests", "bench", "mse-serve-dev")
    failure = None
    with subprocess.Popen([program, "--path", APPS, app], stdout=subprocess.PIPE, stderr=log,
                          text=True) as process:
        try:
            line = process.stdout.readline()
            if not line.startswith("listening on "):
                sys.exit("refcounts: mse-serve-dev did not start")
            port = int(line.split()[-1])
            yield lambda: contextlib.closing(socket.create_connection(("127.0.0.1", port), PATIENCE))
        except SystemExit as error:
            failure = str(error)
        finally:
            process.send_signal(signal.SIGTERM)
            counters = process.stdout.read()
    if failure is not None or process.returncode != 0:
        log.seek(0)
        sys.exit(f"{failure or 'refcounts: all was answered'}\nrefcounts: mse-serve-dev ended with"
                 f" status {process.returncode}: {counters}{log.read().decode()[-4000:]}")


def counts(connect):
    """(references, blocks), when nothing else is in the app any more: asked until they stand."""
    last = None
    while True:
        with connect() as connection:
            connection.sendall(GET % b"counts")
            data = b""
            while b"END" not in data and b"Error" not in data:
                data += connection.recv(65536)
        found = re.search(rb"(\d+) (\d+) END", data)
        if found is None:
            sys.exit("refcounts: this Python counts no references; build with"
                     " -Dpython=python-3.Nd-embed (N: the minor version here)")
        now = int(found[1]), int(found[2])
        if now == last:
            return now
        last = now


def grown(connect, load, requests):
    """By how many references and blocks the app is larger after so many requests."""
    load(connect, WARM_UP)
    before = counts(connect)
    load(connect, requests)
    after = counts(connect)
    return after[0] - before[0], after[1] - before[1]


def check(connect, name, load, requests):
    """One reference that every hundredth request keeps is too many. A list that CPython once made
    longer, amid the requests, is no leak: what leaks does so each time."""
    done = requests // COSTLY if load.__qualname__.startswith("alone") else requests
    for _ in range(ATTEMPTS):
        references, blocks = grown(connect, load, requests)
        good = max(references, blocks) < max(done // 100, 50)
        print(f"{'ok  ' if good else 'more'} {name}: {done} requests, {references:+} references,"
              f" {blocks:+} blocks", flush=True)
        if good:
            return True
    print(f"LEAK {name}")
    return False


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--requests", type=int, default=20000, help="of each kind (20000)")
    parser.add_argument("build")
    options = parser.parse_args()
    good = []
    for protocol, kinds in KINDS.items():
        with tempfile.TemporaryFile() as log, server(options.build, f"refs_{protocol}:app",
                                                     log) as connect:
            for name, load in kinds.items():
                good.append(check(connect, f"{protocol} {name}", load, options.requests))
    print(f"{len(good)} kinds, {sum(good)} flat")
    return 0 if all(good) else 1


if __name__ == "__main__":
    sys.exit(main())
