# SPDX-License-Identifier: Apache-2.0
"""What the app must not do, and what it may."""
import re
import time

import pytest
import requests

APP = """
import ctypes, os, signal, socket, sqlite3, subprocess, sys, threading, asyncio, multiprocessing
from pathlib import Path
from flask import Flask, jsonify, request
app = Flask(__name__)

@app.get("/")
def index():
    return "ok"

@app.get("/fork")
def fork():
    os.fork()
    return "forked"

@app.get("/subprocess")
def run():
    return subprocess.run(["true"]).args[0]

@app.get("/system")
def system():
    return str(os.system("true"))

@app.get("/exec")
def exec_():
    os.execv("/usr/bin/true", ["true"])

@app.get("/multiprocessing")
def multi():
    process = multiprocessing.Process(target=print)
    process.start()
    return "started"

@app.get("/thread-fork")
def thread_fork():
    thread = threading.Thread(target=lambda: os.fork())
    thread.start()
    thread.join()
    return "forked"

@app.get("/raw-fork")
def raw_fork():
    return str(ctypes.CDLL(None).syscall(57))

@app.get("/probed")
def probed():
    # libraries that are ready to do without, as CPython's own are
    import ctypes.util, platform
    try:
        caught = subprocess.check_output(["uname"], text=True)
    except OSError as error:
        caught = error.strerror
    return jsonify([platform.platform()[:6], ctypes.util.find_library("c"), caught])

def deep(levels):
    if levels == 0:
        try:
            os.fork()
        except OSError as error:
            return error.strerror
    return deep(levels - 1)

@app.get("/deep/<int:levels>")
def at_a_depth(levels):
    return deep(levels)

@app.get("/own-mask")
def own_mask():
    # a thread that lets no signal in
    answer = []
    def run():
        signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 65))
        try:
            answer.append(os.fork())
        except OSError as error:
            answer.append(error.strerror)
    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    return answer[0]

@app.get("/threads")
def threads():
    seen = []
    workers = [threading.Thread(target=seen.append, args=(i,)) for i in range(8)]
    [w.start() for w in workers]
    [w.join() for w in workers]
    return jsonify(sorted(seen))

@app.get("/asyncio")
def aio():
    async def both():
        return await asyncio.gather(asyncio.sleep(0.01, 1), asyncio.to_thread(lambda: 2))
    return jsonify(asyncio.run(both()))

@app.get("/sqlite")
def sqlite():
    db = sqlite3.connect(Path.home() / "x.db")
    db.execute("PRAGMA journal_mode=WAL")
    db.execute("CREATE TABLE IF NOT EXISTS t (x)")
    db.execute("INSERT INTO t VALUES (1)")
    db.commit()
    return jsonify(db.execute("SELECT count(*) FROM t").fetchone())

@app.post("/upload")
def upload():
    path = Path(os.environ["TMP_PATH"]) / "upload"
    request.files["file"].save(path)
    return str(path.stat().st_size)

@app.post("/connect")
def connect():
    host, port = request.json
    try:
        socket.create_connection((host, port), 3).close()
        return "connected"
    except OSError as error:
        return type(error).__name__ + ": " + str(error)

@app.post("/read")
def read():
    try:
        return open(request.json, "rb").read(100)
    except OSError as error:
        return type(error).__name__

@app.get("/proc")
def proc():
    return jsonify([p for p in os.listdir("/proc") if p.isdigit()])

@app.get("/caps")
def caps():
    return jsonify([l for l in open("/proc/self/status").read().splitlines() if l.startswith(("Cap", "NoNewPrivs", "Seccomp"))])

@app.get("/others")
def others():
    # tries to reach into the other processes of the sandbox, which have the same user
    found = {}
    own = {int(t) for t in os.listdir("/proc/self/task")}
    for pid in [p for p in range(1, 100) if p not in own]:  # no list shows threads
        for name, flags in (("mem", os.O_RDWR), ("environ", os.O_RDONLY), ("status", os.O_RDONLY)):
            try:
                os.close(os.open(f"/proc/{pid}/{name}", flags))
                found[f"{pid}/{name}"] = "opened"
            except OSError as error:
                found[f"{pid}/{name}"] = type(error).__name__
    return jsonify(found)

@app.get("/fill")
def fill():
    try:
        with open(Path.home() / "big", "wb") as f:
            for _ in range(4096):
                f.write(os.urandom(1 << 20))
                f.flush()
    except OSError as error:
        (Path.home() / "big").unlink()
        return error.strerror
    return "no limit"
"""


@pytest.fixture
def app(owner):
    return owner.deploy(owner.project("edges", {"app.py": APP}))


@pytest.fixture
def ending_app(owner):
    return owner.deploy(owner.project("ends", {"app.py": APP}, '[server]\nnew_processes = "end"\n'))


def get(app, path):
    return requests.get(app["url"] + path, verify=app["certificate"], timeout=30)


def wait_until(condition, seconds=30):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.1)
    raise AssertionError("it did not come true in time")


CALLS = [
    ("/fork", ("fork", "clone")), ("/subprocess", ("vfork", "clone", "fork")),
    ("/system", ("clone", "vfork", "fork")), ("/exec", ("execve",)),
    ("/multiprocessing", ("fork", "clone")), ("/thread-fork", ("fork", "clone")),
    ("/raw-fork", ("fork",))]


@pytest.mark.parametrize("path,call", CALLS)
def test_new_processes_end_the_app(owner, ending_app, path, call):
    app = ending_app
    with pytest.raises(requests.exceptions.RequestException):
        assert get(app, path).status_code >= 500
        raise requests.exceptions.ConnectionError
    def named():
        log = owner.ok("logs", app["id"]).out
        return log if any(f"{name}" in log for name in call) and "app.py" in log else None
    log = wait_until(named)
    assert "Traceback" in log or "File \"/mse-app/app.py\"" in log
    # A crash is not the end: it is started again, from its sealed state, without its owner.
    def up():
        try:
            return get(app, "/").status_code == 200
        except requests.exceptions.RequestException:
            return False
    wait_until(up)


def refusals(owner, app):
    return owner.ok("logs", app["id"], "--tail", "10000").out.split("mse: the app called ")[1:]


def test_new_processes_are_refused(owner, app):
    """No process, no end: the call fails, and the log names each place in the code once."""
    for path, calls in CALLS:
        before = len(refusals(owner, app))
        answers = [get(app, path) for _ in range(3)]
        if path == "/system":  # says it with a status, not with an exception
            assert {a.text for a in answers} <= {"-1", "32512"}, answers[0].text
        elif path in ("/raw-fork", "/thread-fork"):
            assert {a.text for a in answers} <= {"-1", "forked"}, answers[0].text
        else:
            assert {a.status_code for a in answers} == {500}, path
        said = wait_until(lambda: refusals(owner, app)[before:])
        # multiprocessing has more than one place, by the version of Python
        assert len(said) == 1 or (path == "/multiprocessing" and len(said) == 2), (path, said)
        assert said[0].startswith(tuple(f"{call}, and got EPERM" for call in calls)), said
        frames = said[0][said[0].index("Traceback (most recent call last):"):]
        # the place is the last frame of the app's own code, behind those that led to it
        assert frames.count('File "/mse-app/app.py"') >= 1, frames
        assert "/mse-app/app.py" in frames.split("\n")[1] or "threading.py" in frames or "flask" in frames
    assert get(app, "/probed").json() == ["Linux-", "libc.so.6", "Operation not permitted"] or \
        get(app, "/probed").json() == ["Linux-", None, "Operation not permitted"]
    assert get(app, "/own-mask").text == "Operation not permitted"
    assert get(app, "/").text == "ok"
    found = owner.ok("status", app["id"]).out
    assert re.search(r"restarts +0\n", found), found


def test_refusals_cannot_fill_the_log(owner, app):
    """Each depth of the stack is a place of its own; their number ends."""
    for levels in range(1, 91):
        assert get(app, f"/deep/{levels}").text == "Operation not permitted"
    said = refusals(owner, app)
    assert len(said) == 64, len(said)
    assert said[-1].count("that is the last such place that is written") == 1


def test_the_mode_is_part_of_the_identity(owner, app, ending_app):
    for deployed, mode in ((app, "fail with EPERM"), (ending_app, "end the app")):
        verdict = owner.ok("verify", deployed["id"])
        assert f"calls for new processes {mode}" in verdict.err + verdict.out
        assert f"calls for new processes {mode}" in owner.ok("status", deployed["id"]).out
    assert app["fingerprint"] != ending_app["fingerprint"]


def test_what_is_fine(app):
    assert get(app, "/threads").json() == list(range(8))
    assert get(app, "/asyncio").json() == [1, 2]
    assert get(app, "/sqlite").json() == [1]
    upload = requests.post(app["url"] + "/upload", files={"file": b"x" * 100000},
                           verify=app["certificate"], timeout=10)
    assert upload.text == "100000"


def test_no_privileges(app):
    lines = dict(line.split(":\t") for line in get(app, "/caps").json())
    assert {lines[name] for name in ("CapPrm", "CapEff", "CapBnd", "CapAmb")} == {"0" * 16}
    assert lines["NoNewPrivs"] == "1" and lines["Seccomp"] == "2"


def test_neighbours_are_out_of_reach(owner, app, node):
    def post(path, what):
        return requests.post(app["url"] + path, json=what, verify=app["certificate"], timeout=30).text
    port = int(app["url"].rsplit(":", 1)[1])
    for host in ("127.0.0.1", "::1", "localhost"):
        assert "connected" not in post("/connect", [host, port])
    addresses = __import__("subprocess").run(["hostname", "-I"], capture_output=True, text=True,
                                             check=False).stdout.split()
    for host in addresses:
        assert "connected" not in post("/connect", [host, port])
    for path in (str(node), "/etc/shadow", "/proc/1/environ", "/home", "/run/mse/cipher"):
        answer = post("/read", path)
        assert answer in ("FileNotFoundError", "PermissionError", "IsADirectoryError"), (path, answer)
    others = get(app, "/others").json()
    assert others and set(others.values()) == {"FileNotFoundError"}, others
    assert len(get(app, "/proc").json()) == 1


DEEP = """
import subprocess

def deep(levels):
    return deep(levels - 1) if levels else culprit()

def culprit():
    return subprocess.call(["true"])

deep(40)
"""


def test_a_failed_deployment_says_why(owner):
    """The frames from the app's first to the one that made the call, and an error of one line."""
    project = owner.project("deep", {"app.py": DEEP}, '[server]\nnew_processes = "end"\n')
    result = owner.run("deploy", "--path", project, "--yes")
    assert result.status == 5, repr(result)
    first, last = (result.err.index(f"in {name}") for name in ("deep", "culprit"))
    assert first < last < result.err.index("in _execute_child")
    error = result.err[result.err.index("error: "):]
    assert error.count("\n") == 2 and "vfork" in error and "?" not in error, error
    app = next(a for a in owner.ok("list", "--all", "--json").json if a["name"] == "deep")
    kept = owner.ok("logs", app["id"]).out  # also of an app that was stopped again
    assert kept.index("in deep") < kept.index("in culprit")


USES = {  # everyday uses of the standard library: do they work where no process can be started?
    "platform": ("import platform; platform.processor(); platform.platform(); platform.uname()", None),
    "uuid": ("import uuid; uuid.uuid1(); uuid.getnode()", None),
    "find_library": ("import ctypes.util; ctypes.util.find_library('ssl')", None),
    "threads": ("from concurrent.futures import ThreadPoolExecutor as P; P(2).submit(abs, -1).result()", None),
    "lock": ("import multiprocessing; multiprocessing.Lock()", None),
    "pool": ("from concurrent.futures import ProcessPoolExecutor as P; P(2).submit(abs, -1).result()",
             "PermissionError"),
    "spawned queue": ("import multiprocessing as m; m.get_context('spawn').Queue()", "PermissionError"),
}

LIBRARIES = """
from __future__ import annotations
from flask import Flask, request
app = Flask(__name__)

@app.get("/")
def index():
    return "ok"

@app.post("/")
def use():
    try:
        exec(request.json, {})
    except BaseException as error:
        return type(error).__name__
    return "works"
"""


def test_everyday_uses_of_the_standard_library(owner):
    app = owner.deploy(owner.project("uses", {"app.py": LIBRARIES}))
    found = {name: requests.post(app["url"], json=code, verify=app["certificate"], timeout=30).text
             for name, (code, _) in USES.items()}
    assert found == {name: error or "works" for name, (_, error) in USES.items()}
    assert re.search(r"restarts +0\n", owner.ok("status", app["id"]).out)
