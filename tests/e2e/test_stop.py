# SPDX-License-Identifier: Apache-2.0
"""What an app gets to do when it is stopped in the middle of an answer: an operator's restart, an
update and a reboot are all this."""
import subprocess
import time

NOTE = """
import atexit, os, time
MARK = os.path.expanduser("~/mark")

def note(text):
    with open(MARK, "a") as file:
        file.write(text + " ")

def noted():
    return open(MARK).read() if os.path.exists(MARK) else "nothing"

atexit.register(note, "atexit")
"""

WSGI = NOTE + """
def endless(what):
    try:
        while True:
            time.sleep(0.1 if what == "/stream" else 1000)
            yield b"x"
    finally:
        note("closed")

def app(environ, start_response):
    start_response("200 OK", [])
    if environ["PATH_INFO"] in ("/stream", "/hang"):
        return endless(environ["PATH_INFO"])
    return [noted().encode()]
"""

ASGI = NOTE + """
import asyncio

async def answer(send, body, more):
    await send({"type": "http.response.body", "body": body, "more_body": more})

async def lifespan(receive, send):
    await receive()
    await send({"type": "lifespan.startup.complete"})
    await receive()
    note("shutdown")
    await send({"type": "lifespan.shutdown.complete"})

async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        return await lifespan(receive, send)
    await send({"type": "http.response.start", "status": 200, "headers": []})
    try:
        while scope["path"] == "/stream":
            await answer(send, b"x", True)
            await asyncio.sleep(0.1)
    except asyncio.CancelledError:
        note("cancelled")
        raise
    await answer(send, noted().encode(), False)
"""


def stopped_in(owner, code, path):
    """What the app had noted when it was restarted while `path` was being answered."""
    app = owner.deploy(owner.project("stopped", {"app.py": code}))
    pem = owner.config / "contexts" / f"{app['id']}.pem"
    curl = ["curl", "-sS", "--http1.1", "--cacert", str(pem)]
    with subprocess.Popen([*curl, "-N", "-m", "120", f"{app['url']}{path}"], stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL) as stream:
        if path == "/stream":
            assert stream.stdout.read(2) == b"xx"
        else:
            time.sleep(1)  # nothing tells that the app has been called
        owner.ok("restart", app["id"])
        stream.wait(timeout=60)
    return subprocess.run([*curl, "-m", "20", f"{app['url']}/mark"], check=True, capture_output=True,
                          text=True).stdout


def test_a_wsgi_stream_is_closed_and_exit_functions_run(owner):
    assert stopped_in(owner, WSGI, "/stream") == "closed atexit "


def test_exit_functions_run_beside_a_thread_that_hangs(owner):
    assert stopped_in(owner, WSGI, "/hang") == "atexit "


def test_an_asgi_stream_is_cancelled_and_the_app_shut_down(owner):
    assert stopped_in(owner, ASGI, "/stream") == "cancelled shutdown atexit "
