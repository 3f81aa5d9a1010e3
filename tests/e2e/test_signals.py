# SPDX-License-Identifier: Apache-2.0
"""Signal handlers of an app's own, which only Python's main thread may set."""
import pytest
import requests

ASGI = """
import asyncio, os, signal, threading
from pathlib import Path
said = []
ended = asyncio.Event()

async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        await receive()
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, told)
        loop.add_signal_handler(signal.SIGUSR2, lambda: said.append("USR2"))
        signal.signal(signal.SIGHUP, lambda number, frame: said.append("HUP"))
        said.append(threading.current_thread() is threading.main_thread())
        await send({"type": "lifespan.startup.complete"})
        await receive()
        mark("shutdown")
        await send({"type": "lifespan.shutdown.complete"})
        return
    path = scope["path"]
    if path == "/raise":
        os.kill(os.getpid(), signal.SIGUSR2)
        os.kill(os.getpid(), signal.SIGHUP)
        while len(said) < 3:
            await asyncio.sleep(0.01)
    body = (str(sorted(map(str, said))) if path != "/mark" else
            Path.home().joinpath("mark").read_text()).encode()
    await send({"type": "http.response.start", "status": 200, "headers": []})
    if path == "/stream":  # ends by the app's own word, as server-sent events do
        await send({"type": "http.response.body", "body": b"begun", "more_body": True})
        await ended.wait()
        mark("streamed")
        body = b" ended"
    await send({"type": "http.response.body", "body": body})

def mark(text):
    with open(Path.home() / "mark", "a") as file:
        file.write(text + " ")

def told():
    mark("told")
    ended.set()
"""


def get(app, path, **options):
    return requests.get(app["url"] + path, verify=app["certificate"], timeout=30, **options)


def test_handlers_in_a_start_up(owner):
    app = owner.deploy(owner.project("handlers", {"app.py": ASGI}))
    assert get(app, "/").text == "['True']"
    assert get(app, "/raise").text == "['HUP', 'True', 'USR2']"


def test_the_end_is_told_to_a_handler(owner):
    app = owner.deploy(owner.project("handlers", {"app.py": ASGI}))
    with get(app, "/stream", stream=True) as stream:
        chunks = stream.iter_content(None)
        assert next(chunks) == b"begun"
        owner.ok("restart", app["id"])
        assert b"".join(chunks) == b" ended"
    assert get(app, "/mark").text == "told streamed shutdown "
