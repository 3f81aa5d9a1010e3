# SPDX-License-Identifier: Apache-2.0
"""What brings an app back: it got stuck, it crashed again and again, its health check fails."""
import subprocess
import time

STUCK = """
import threading

HELD = threading.Lock()
HELD.acquire()

def app(environ, start_response):
    if environ["PATH_INFO"] == "/stuck":
        HELD.acquire()
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"fine"]
"""


def curl(owner, app, path, *more):
    pem = owner.config / "contexts" / f"{app['id']}.pem"
    return subprocess.run(["curl", "-sS", "-m", "60", "--cacert", str(pem), *more, f"{app['url']}{path}"],
                          capture_output=True, text=True, check=False)


def eventually(check, seconds=120):
    until = time.monotonic() + seconds
    while True:
        found = check()
        if found:
            return found
        assert time.monotonic() < until, "it did not come to that"
        time.sleep(0.1)


def test_a_stuck_app_starts_anew(owner):
    toml = '[server]\nwatchdog = "1s"\nthreads = 1\n'
    app = owner.deploy(owner.project("stuck", {"app.py": STUCK}, toml))
    with subprocess.Popen(["curl", "-sSk", "-m", "60", f"{app['url']}/stuck"], stderr=subprocess.DEVNULL) as stuck:
        def came_back():
            curl(owner, app, "/", "-m", "2")  # somebody who waits
            return owner.ok("status", "--json", app["id"]).json["restarts"] > 0
        eventually(came_back)
        stuck.wait(timeout=60)
    eventually(lambda: curl(owner, app, "/").stdout == "fine")
    status = owner.ok("status", "--json", app["id"]).json
    assert "the app was stuck: requests waited for Python for 1 s" in status["reason"]
    log = owner.ok("logs", app["id"]).out
    assert "(mse-python-" in log
    assert "in app" in log[log.index("(mse-python-"):]
