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


ILL = """
import os

def app(environ, start_response):
    ill = os.path.expanduser("~/ill")
    if environ["PATH_INFO"] == "/ill":
        open(ill, "w").close()
    if environ["PATH_INFO"] == "/well":
        os.unlink(ill)
    is_ill = environ["PATH_INFO"] == "/health" and os.path.exists(ill)
    start_response("500 Ill" if is_ill else "302 Found", [("Location", "/elsewhere")])
    return [b"ill" if is_ill else b"well"]
"""


def ill_project(owner, name, toml):
    project = owner.project(name, {"app.py": ILL}, toml)
    text = (project / "mse.toml").read_text()
    (project / "mse.toml").write_text(text.replace('endpoint = "/"', 'endpoint = "/health"'))
    return project


def health(owner, app):
    """The counters; none before the enclave has reported for the first time."""
    return (owner.ok("status", "--json", app["id"]).json.get("stats") or {}).get("counters") or {}


def test_the_health_check_goes_on_and_is_shown(owner):
    app = owner.deploy(ill_project(owner, "watched", '[server]\nhealth_interval = "1s"\n'))  # 302 passes
    eventually(lambda: health(owner, app).get("health_status") == 302)
    assert "health       good: answered 302" in owner.ok("status", app["id"]).out
    curl(owner, app, "/ill")
    eventually(lambda: health(owner, app).get("health_failing", 0) >= 4)
    status = owner.ok("status", app["id"]).out
    assert "state        running" in status
    assert "times in a row: answered 500" in status
    curl(owner, app, "/well")
    eventually(lambda: health(owner, app).get("health_failing") == 0)


def test_an_unhealthy_app_starts_anew_where_its_owner_wants_that(owner):
    toml = '[server]\nhealth_interval = "1s"\nrestart_unhealthy = true\n'
    app = owner.deploy(ill_project(owner, "ill", toml))
    eventually(lambda: health(owner, app).get("health_checks", 0) > 0)
    curl(owner, app, "/ill")
    eventually(lambda: owner.ok("status", "--json", app["id"]).json["restarts"] > 0)
    status = owner.ok("status", "--json", app["id"]).json
    assert "its health check failed 3 times in a row: GET /health answered 500" in status["reason"]
    # It is as ill as before, and has not passed since: it stays.
    eventually(lambda: health(owner, app).get("health_failing", 0) > 4)
    assert owner.ok("status", "--json", app["id"]).json["restarts"] == 1
