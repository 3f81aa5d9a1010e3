"""An app that is stuck ends, with the traceback of each of its threads in its log, and one that only takes long does
not; a crash leaves the same; a request that waits too long for Python is answered 503."""
import signal
import threading
import time

import pytest

STUCK_STATUS = 87  # SERVE_STUCK_STATUS
WATCHDOG = ("--watchdog", 400)


class Asking(threading.Thread):
    """A GET in the background; `status` is 0 where no answer came."""

    def __init__(self, server, target):
        super().__init__(daemon=True)
        self.server, self.target, self.status = server, target, 0
        self.start()

    def run(self):
        try:
            self.status = self.server.get(self.target).status
        except OSError:
            pass

    def result(self):
        self.join(300)
        assert not self.is_alive(), self.target
        return self.status


def ended(server, *targets):
    """How the process ended that was asked for these, and what its log says."""
    asking = [Asking(server, target) for target in targets]
    others = []
    while server.process.poll() is None:  # some may come before those, and be answered
        if len(others) < 40:
            others.append(Asking(server, "/"))
        time.sleep(0.05)
    status = server.process.wait(60)
    server.process.stdout.close()
    server.counters = {}  # it is not to be stopped any more
    assert [one.result() for one in asking] == [0] * len(asking)
    return status, server.text()


@pytest.mark.parametrize("app", ["stuck_app:app", "stuck_app:asgi"])
@pytest.mark.parametrize("way", ["deadlock", "hold_gil"])
def test_a_stuck_app_ends_with_its_tracebacks(serve, app, way):
    server = serve(app, "--threads", 2, *WATCHDOG)
    status, log = ended(server, f"/{way}", f"/{way}")
    assert status == STUCK_STATUS
    assert "mse: the app was stuck: requests waited for Python" in log
    thread = "mse-python-" if app.endswith(":app") else "mse-app"
    frames = log[log.index(f"({thread}"):]
    assert f"in {way}" in frames
    assert "Traceback (most recent call last):" in frames


@pytest.mark.parametrize("app", ["stuck_app:app", "stuck_app:asgi"])
def test_a_long_computation_that_nobody_waits_for_goes_on(serve, app):
    server = serve(app, "--threads", 1, *WATCHDOG)
    assert server.get("/outlast").status == 200
    assert server.get("/").status == 200


def test_a_stream_is_progress_though_others_wait(serve):
    server = serve("stuck_app:app", "--threads", 1, *WATCHDOG)
    stream = Asking(server, "/stream")
    assert server.get("/").status == 200
    assert stream.result() == 200


def test_without_a_watchdog_a_stuck_app_stays(serve, tmp_path):
    server = serve("stuck_app:app", "--threads", 1)
    begun, until = tmp_path / "begun", tmp_path / "until"
    first = Asking(server, f"/wait?begun={begun}&until={until}")
    second = Asking(server, "/")
    until.touch()
    assert (first.result(), second.result()) == (200, 200)


@pytest.mark.parametrize("app,target", [("stuck_app:app", "/wait"), ("stuck_app:asgi", "/wait")])
def test_a_request_that_waits_too_long_for_python_is_answered_503(serve, tmp_path, app, target):
    server = serve(app, "--threads", 1, "--request-timeout", 100)
    begun, until = tmp_path / "begun", tmp_path / "until"
    first = Asking(server, f"{target}?begun={begun}&until={until}")
    while not begun.exists():
        pass
    late = server.get("/")
    assert late.status == 503
    assert late.getheader("Retry-After")
    assert b"did not come to this request in time" in late.content
    until.touch()
    assert first.result() == 200
    assert server.get("/").status == 200
    counters = server.stop()
    assert counters["late"] == 1
    assert counters["hanging"] == 1
    assert counters["refused"] == 0


def test_what_hangs_in_the_app_is_counted_and_not_ended(serve, tmp_path):
    server = serve("stuck_app:asgi", "--request-timeout", 50)
    begun, until = tmp_path / "begun", tmp_path / "until"
    first = Asking(server, f"/sleep?begun={begun}&until={until}")
    while not begun.exists():
        pass
    # The loop turns: each of these is answered while the first hangs, until the watchdog has seen it twice.
    for _ in range(200):
        assert server.get("/").status == 200
    until.touch()
    assert first.result() == 200
    assert server.stop()["late"] == 0


@pytest.mark.parametrize("crash", ["SIGSEGV", "SIGABRT", "SIGBUS", "SIGFPE", "overflow"])
def test_a_crash_leaves_the_tracebacks_of_all_threads(serve, crash):
    server = serve("stuck_app:app", "--threads", 2)
    status, log = ended(server, f"/{crash}")
    name = "SIGSEGV" if crash == "overflow" else crash
    assert status == -signal.Signals[name]
    assert f"mse: the app's process crashed with {name}\n" in log
    words = log[log.index("mse: the app's process crashed"):].split("\n")
    assert words[1].startswith("Thread ")
    assert "(mse-python-" in words[1]
    assert any("in overflow" in line or "in act" in line for line in words)
    assert any("(mse-app)" in line for line in words)
