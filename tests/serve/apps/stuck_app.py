"""Ways to get stuck, to crash, and to take long rightly; for test_watchdog.py. `app` speaks WSGI, `asgi` ASGI."""
import asyncio
import ctypes
import os
import re
import signal
import sys
import threading
import time
from urllib.parse import parse_qs

HELD = threading.Lock()
HELD.acquire()


def deadlock():
    HELD.acquire()


def hold_gil():
    re.match("(a+)+$", "a" * 60 + "b")


def looks():
    """How often the watchdog has looked, about: it sleeps in between."""
    for task in os.listdir("/proc/self/task"):
        with open(f"/proc/self/task/{task}/status", encoding="ascii") as status:
            text = status.read()
        if "mse-watchdog" in text:
            return int(re.search(r"\nvoluntary_ctxt_switches:\s+(\d+)", text).group(1))
    raise RuntimeError("no watchdog")


def outlast():
    """Longer than the watchdog's patience."""
    until = looks() + 60
    while looks() < until:
        time.sleep(0.01)


def overflow(_=None):
    sys.setrecursionlimit(10**9)
    sorted([0], key=overflow)


CRASHES = {"SIGSEGV": lambda: ctypes.string_at(0), "SIGABRT": os.abort,
           "SIGBUS": lambda: signal.raise_signal(signal.SIGBUS),
           "SIGFPE": lambda: signal.raise_signal(signal.SIGFPE), "overflow": overflow}


def wait_for_file(path):
    while not os.path.exists(path):
        time.sleep(0.01)


def act(path, query):
    name = path[1:]
    if name in CRASHES:
        CRASHES[name]()
    elif name == "wait":
        open(query["begun"][0], "w", encoding="ascii").close()
        wait_for_file(query["until"][0])
    elif name:
        {"deadlock": deadlock, "hold_gil": hold_gil, "outlast": outlast}[name]()


def app(environ, start_response):
    if environ["PATH_INFO"] == "/stream":
        start_response("200 OK", [("Content-Type", "text/plain")])
        return stream()
    act(environ["PATH_INFO"], parse_qs(environ["QUERY_STRING"]))
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"ok"]


def stream():
    until = looks() + 60
    while looks() < until:
        time.sleep(0.01)
        yield b"part"


async def asgi(scope, receive, send):
    if scope["type"] != "http":
        raise RuntimeError("HTTP alone")
    if scope["path"] == "/sleep":
        query = parse_qs(scope["query_string"].decode())
        open(query["begun"][0], "w", encoding="ascii").close()
        while not os.path.exists(query["until"][0]):
            await asyncio.sleep(0.01)
    else:
        act(scope["path"], parse_qs(scope["query_string"].decode()))
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"ok"})
