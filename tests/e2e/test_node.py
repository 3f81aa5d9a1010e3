# SPDX-License-Identifier: Apache-2.0
"""The node: killed, restarted, filled, misconfigured; what it must survive and what it must remove."""
import os
import re
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest
import requests

from conftest import BUILD, Owner, leftovers
from test_main_job import HELLO

CRASH = HELLO + """
import signal
@app.get("/crash")
def crash():
    os.kill(os.getpid(), signal.SIGKILL)
"""


def get(app, path, timeout=10):
    return requests.get(app["url"] + path, verify=app["certificate"], timeout=timeout)


def eventually(condition, seconds=40):
    end = time.monotonic() + seconds
    last = None
    while time.monotonic() < end:
        try:
            last = condition()
            if last:
                return last
        except requests.exceptions.RequestException as error:
            last = error
        time.sleep(0.1)
    raise AssertionError(f"not in time; the last answer was {last!r}")


def daemon_pid(state: Path) -> int:
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            words = (entry / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if words[0].endswith(b"/msed") and b"--config" in words and any(
                str(state).encode() in word for word in words):
            return int(entry.name)
    raise AssertionError("no msed runs here")


@pytest.fixture
def own_node(workspace, request):
    """A node of this test's own, that it may kill."""
    folder = workspace / f"n{abs(hash(request.node.name)) % 100000}"
    folder.mkdir()
    owner = Owner(folder / "o", folder / "s")
    owner.folder.mkdir()
    owner.ok("node", "start")
    yield owner, folder / "s"
    owner.run("node", "start")
    stopped = owner.run("node", "stop", "--apps")
    assert stopped.status == 0, repr(stopped)
    end = time.monotonic() + 15
    while leftovers(folder / "s") and time.monotonic() < end:
        time.sleep(0.1)
    assert leftovers(folder / "s") == []


def test_start_twice_and_stop_twice(own_node):
    owner, _ = own_node
    again = owner.ok("node", "start")
    assert "already" in again.out
    owner.ok("node", "status")
    owner.ok("node", "stop")
    assert owner.run("node", "status").status == 4
    owner.ok("node", "stop")


def test_status_says_what_the_node_offers(owner):
    said = owner.ok("node", "status").out
    about = owner.ok("node", "status", "--json").json
    assert about["disk"]["size_bytes"] >= about["disk"]["free_bytes"] > 0
    assert f"by {about['enforcement']}\n" in said and re.match("cgroup v[12]|rlimits", about["enforcement"])
    assert re.search(r"disk +[0-9.]+ \w+ free of [0-9.]+ \w+", said)
    assert "hardware     free: launcher process, TEE simulation" in said
    assert "not believed" not in said and about["clock_believed"] is True


def test_kill_9_loses_no_app(own_node):
    owner, state = own_node
    app = owner.deploy(owner.project("survivor", {"app.py": CRASH}))
    assert get(app, "/count").text == "1"
    os.kill(daemon_pid(state), signal.SIGKILL)
    eventually(lambda: owner.run("node", "status").status == 4)
    owner.ok("node", "start")
    assert owner.ok("status", "--json", app["id"]).json["state"] == "running"
    assert eventually(lambda: (a := get(app, "/count")).status_code == 200 and a.text) == "2"


def test_a_lost_database_costs_no_app_its_data(own_node):
    """msed without its database starts nothing and removes nothing; with it all is as before."""
    owner, state = own_node
    app = owner.deploy(owner.project("kept", {"app.py": CRASH}))
    assert get(app, "/count").text == "1"
    os.kill(daemon_pid(state), signal.SIGKILL)
    eventually(lambda: owner.run("node", "status").status == 4)
    away = state.parent / "away"
    away.mkdir()
    files = [file for file in (state / "node").iterdir() if file.name.startswith("state.db")]
    assert files, list((state / "node").iterdir())
    for file in files:
        file.rename(away / file.name)
    refused = owner.run("node", "start")
    assert refused.status != 0 and app["id"] in refused.err, repr(refused)
    assert "put the right one back" in refused.err.replace("\n", " ")
    assert any(entry.startswith("process ") for entry in leftovers(state))  # it runs on
    for file in (state / "node").iterdir():
        if file.name.startswith("state.db"):
            file.unlink()
    for file in away.iterdir():
        file.rename(state / "node" / file.name)
    owner.ok("node", "start")
    assert eventually(lambda: get(app, "/count").text) == "2"
    owner.ok("restart", app["id"])
    assert eventually(lambda: (a := get(app, "/count")).status_code == 200 and a.text) == "3"


def test_a_copied_state_folder_ends_nobodys_apps(own_node):
    """A backup that is tried out on the same machine, while the original runs."""
    owner, state = own_node
    app = owner.deploy(owner.project("original", {"app.py": CRASH}))
    assert get(app, "/count").text == "1"
    copy = state.parent / "copy"
    subprocess.run(["cp", "-a", "--sparse=always", state, copy], check=True)
    config = copy / "node" / "msed.toml"
    config.write_text('ports = "29000-29100"\n' + config.read_text().replace(str(state), str(copy)))
    other = Owner(state.parent / "o2", copy)
    other.folder.mkdir()
    other.ok("node", "start")
    try:
        time.sleep(3)  # it takes up the app, whose port is taken
        for _ in range(3):
            assert get(app, "/count").status_code == 200
        assert owner.ok("status", "--json", app["id"]).json["restarts"] == 0
    finally:
        assert other.run("node", "stop", "--apps").status == 0
    assert get(app, "/count").text == "5"
    assert owner.ok("status", "--json", app["id"]).json["state"] == "running"
    end = time.monotonic() + 15
    while leftovers(copy) and time.monotonic() < end:
        time.sleep(0.1)
    assert leftovers(copy) == []


def test_an_app_that_died_with_the_node_is_started_again(own_node):
    owner, state = own_node
    app = owner.deploy(owner.project("revived", {"app.py": CRASH}))
    assert get(app, "/count").text == "1"
    os.kill(daemon_pid(state), signal.SIGKILL)
    eventually(lambda: owner.run("node", "status").status == 4)
    for entry in leftovers(state):
        if entry.startswith("process "):
            try:
                os.kill(int(entry.split()[1].rstrip(":")), signal.SIGKILL)
            except ProcessLookupError:
                pass
    owner.ok("node", "start")
    # until the node has noticed, it says what it knew; then the app comes back
    answer = eventually(lambda: (a := get(app, "/count")).status_code == 200 and a)
    assert answer.text == "2"
    assert owner.ok("status", "--json", app["id"]).json["state"] == "running"


def test_a_crash_is_followed_by_a_restart(owner):
    app = owner.deploy(owner.project("crashing", {"app.py": CRASH}))
    assert get(app, "/count").text == "1"
    with pytest.raises(requests.exceptions.RequestException):
        get(app, "/crash")
    # at once: who comes while there is no enclave is answered by the next ("the app is starting")
    assert get(app, "/count", timeout=40).status_code in (200, 503)
    assert eventually(lambda: get(app, "/count").status_code == 200 and get(app, "/count").text)
    assert owner.ok("status", "--json", app["id"]).json["restarts"] >= 1


def test_visitors_who_crash_an_app_do_not_close_it(owner):
    app = owner.deploy(owner.project("hopeless", {"app.py": CRASH}))

    def crash_again():
        status = owner.ok("status", "--json", app["id"]).json
        assert status["state"] != "on_error"
        if status["state"] == "crashing" and status["crashes"] >= 3:
            return status
        try:
            get(app, "/crash", timeout=5)
        except requests.exceptions.RequestException:
            pass
        return None
    status = eventually(crash_again, 90)
    assert "the app's process ended" in status["reason"]
    shown = owner.ok("status", app["id"]).out
    assert "crashes      3, " in shown or "crashes      4, " in shown
    owner.ok("restart", app["id"])
    assert get(app, "/").text == "hello\n"


def test_an_app_comes_back_by_itself_and_shows_its_last_crash(owner):
    app = owner.deploy(owner.project("coming-back", {"app.py": CRASH}))
    with pytest.raises(requests.exceptions.RequestException):
        get(app, "/crash")

    def came_back():
        status = owner.ok("status", "--json", app["id"]).json
        return status["restarts"] > 0 and status["state"] == "running"
    assert eventually(came_back)
    shown = owner.ok("status", app["id"]).out
    assert "state        running" in shown
    assert "last crash   the app's process ended" in shown
    assert get(app, "/").text == "hello\n"


def expiring(owner, name: str, when: float) -> Path:
    project = owner.project(name, {"app.py": HELLO})
    text = (project / "mse.toml").read_text()
    date = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(when))
    (project / "mse.toml").write_text(f"expiration_date = {date}\n" + text)
    return project


def test_expiry_ends_the_app_and_keeps_its_storage(owner, node):
    app = owner.deploy(expiring(owner, "brief", time.time() + 6))
    status = eventually(lambda: (s := owner.ok("status", "--json", app["id"]).json)["state"] ==
                        "expired" and s)
    assert "expired" in status["reason"]
    assert status["removal"] > time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 6 * 86400))
    assert "storage is removed about" in owner.ok("list").out
    assert (node / "node" / "apps" / app["id"] / "storage").exists()
    assert owner.run("restart", app["id"]).status != 0
    later = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 3600))
    owner.ok("restart", "--expires", later, app["id"])
    assert owner.ok("status", "--json", app["id"]).json["expires"] == later
    owner.ok("stop", "--yes", app["id"])
    assert not (node / "node" / "apps" / app["id"]).exists()


SHIFT = r"""
#define _GNU_SOURCE
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>
enum { SHIFT = 10 * 365 * 86400 };
int clock_gettime(clockid_t clock, struct timespec *ret)
{
    int result = (int)syscall(SYS_clock_gettime, clock, ret);
    if (result == 0 && clock == CLOCK_REALTIME)
        ret->tv_sec += SHIFT;
    return result;
}
time_t time(time_t *ret)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    if (ret != NULL)
        *ret = now.tv_sec;
    return now.tv_sec;
}
"""


def test_a_clock_that_jumps_ten_years_destroys_nothing(own_node):
    owner, state = own_node
    config = state / "node" / "msed.toml"
    owner.ok("node", "stop")
    config.write_text("limits.expired_kept = \"1s\"\n" + config.read_text())
    owner.ok("node", "start")
    app = owner.deploy(expiring(owner, "lasting", time.time() + 200 * 86400))
    assert get(app, "/count").text == "1"
    owner.ok("node", "stop")
    library = owner.folder / "shift.so"
    subprocess.run(["cc", "-shared", "-fPIC", "-o", library, "-x", "c", "-"], input=SHIFT, text=True,
                   check=True)
    log = (owner.folder / "shifted.log").open("w")
    shifted = subprocess.Popen([BUILD / "msed", "--config", config], stderr=log,
                               env={**owner.env, "LD_PRELOAD": str(library)})
    try:
        eventually(lambda: "ready" in (owner.folder / "shifted.log").read_text())
        time.sleep(4)
        assert owner.ok("status", "--json", app["id"]).json["state"] == "running"
    finally:
        shifted.terminate()
        shifted.wait(20)
    text = (owner.folder / "shifted.log").read_text()
    assert "2036-" in text and "the wall clock is not believed" in text
    owner.ok("node", "start")
    assert owner.ok("status", "--json", app["id"]).json["state"] == "running"
    assert eventually(lambda: (a := get(app, "/count")).status_code == 200 and a.text) == "2"


def test_quota_is_enospc_and_nothing_is_lost(own_node):
    owner, state = own_node
    config = state / "node" / "msed.toml"
    owner.ok("node", "stop")
    config.write_text(config.read_text() + '\n[hardware.tiny]\nmemory = "256M"\nstorage = "32M"\n')
    owner.ok("node", "start")
    code = HELLO + """
@app.get("/fill")
def fill():
    (Path.home() / "kept").write_text("kept")
    try:
        with open(Path.home() / "big", "wb") as f:
            for _ in range(64):
                f.write(os.urandom(1 << 20))
                f.flush()
    except OSError as error:
        return error.strerror
    return "no limit"

@app.get("/after")
def after():
    (Path.home() / "big").unlink()
    (Path.home() / "more").write_text("more")
    return (Path.home() / "kept").read_text()
"""
    project = owner.project("filler", {"app.py": code})
    text = (project / "mse.toml").read_text()
    (project / "mse.toml").write_text('resource = "tiny"\n' + text)
    app = owner.deploy(project)
    assert get(app, "/fill", 60).text == "No space left on device"
    assert get(app, "/after").text == "kept"


NEIGHBOUR = HELLO + """
import sqlite3
@app.get("/fill")
def fill():
    try:
        with open(Path.home() / "big", "wb") as f:
            while True:
                f.write(os.urandom(1 << 20))
                f.flush()
                os.fsync(f.fileno())
    except OSError as error:
        return error.strerror

@app.get("/insert")
def insert():
    with sqlite3.connect(Path.home() / "db") as db:
        db.execute("PRAGMA synchronous = FULL")
        db.execute("CREATE TABLE IF NOT EXISTS t (x)")
        db.execute("INSERT INTO t VALUES (randomblob(100000))")
        return str(db.execute("SELECT count(*) FROM t").fetchone()[0])
"""


@pytest.fixture
def small_disk_node(workspace):
    """A node whose state lies on a disk of its own of 400 MB."""
    if os.geteuid() != 0:
        pytest.skip("a disk of its own for the node's state needs root")
    image, disk = workspace / "disk.img", workspace / "disk"
    disk.mkdir()
    with open(image, "wb") as file:
        file.truncate(400 << 20)
    subprocess.run(["mkfs.ext4", "-q", "-m", "0", image], check=True)
    subprocess.run(["mount", "-o", "loop", image, disk], check=True)
    owner = Owner(workspace / "small", disk / "s")
    owner.folder.mkdir()
    (disk / "s" / "node").mkdir(parents=True)
    (disk / "s" / "node" / "msed.toml").write_text(
        f'state = "{disk}/s/node"\nsocket = "{disk}/s/node/msed.sock"\nlisten = ""\n'
        'limits.disk_reserve = "64M"\n[hardware.free]\nstorage = "48M"\n'
        '[hardware.big]\nstorage = "300M"\n')
    owner.ok("node", "start")
    yield owner, disk
    (disk / "filler").unlink(missing_ok=True)
    owner.run("node", "start")
    stopped = owner.run("node", "stop", "--apps")
    # loop devices of the apps' storage go when the kernel is done with them, a moment later
    gone = eventually(lambda: subprocess.run(["umount", disk], check=False).returncode == 0)
    image.unlink()
    assert gone
    assert stopped.status == 0, repr(stopped)


def test_one_app_and_a_full_disk_cost_the_neighbours_nothing(small_disk_node):
    owner, disk = small_disk_node
    greedy = owner.deploy(owner.project("greedy", {"app.py": NEIGHBOUR}))
    other = owner.deploy(owner.project("other", {"app.py": NEIGHBOUR}))
    assert get(other, "/insert").text == "1"
    project = owner.project("toobig", {"app.py": HELLO})
    text = (project / "mse.toml").read_text()
    (project / "mse.toml").write_text('resource = "big"\n' + text)
    refused = owner.run("deploy", "--path", project, "--yes")
    assert refused.status != 0 and "takes 300 MiB" in refused.err and "reserve" in refused.err
    ballast = disk / "s" / "node" / "ballast"
    eventually(ballast.exists)
    with pytest.raises(OSError), open(disk / "filler", "wb") as filler:  # anything on the machine
        while True:
            filler.write(bytes(1 << 20))
            filler.flush()
            os.fsync(filler.fileno())
    assert get(greedy, "/fill", 120).text == "No space left on device"
    for count in range(2, 6):
        assert get(other, "/insert").text == str(count)
    eventually(lambda: not ballast.exists())
    owner.ok("restart", other["id"])  # the node's own files and database
    assert eventually(lambda: (a := get(other, "/insert")).status_code == 200 and a.text) == "6"
    assert owner.ok("status", "--json", greedy["id"]).json["state"] == "running"
    (disk / "filler").unlink()
    eventually(ballast.exists)
    assert get(other, "/insert").text == "7"


SEEN = """
@app.get('/seen')
def seen():
    import importlib.util, sys, flask
    outside = [name for name in ("pip", "apt_pkg", "yaml", "lsb_release", "_distutils_hack")
               if importlib.util.find_spec(name) is not None or name in sys.modules]
    return {"path": sys.path, "outside": outside, "flask": flask.__file__}
"""


def test_requirements_become_a_layer_once(owner, node):
    code = HELLO + SEEN + "\nimport itsdangerous\n@app.get('/six')\ndef six_():\n    import six\n    return six.__version__ + ' ' + six.__file__\n"
    files = {"app.py": code, "requirements.txt": "six==1.16.0\n"}
    first = owner.run("deploy", "--path", owner.project("layered", files), "--yes", "--json")
    if first.status != 0 and "pip" in first.err and "No matching distribution" in first.err:
        pytest.skip("no package index can be reached")
    assert first.status == 0, repr(first)
    assert get(first.json, "/six").text.startswith("1.16.0 /mse-env/")
    # What the node has installed is out of sight; what the environment promises is in the layer.
    seen = get(first.json, "/seen").json()
    assert seen["path"][0] == "/mse-app" and not [p for p in seen["path"] if "dist-packages" in p]
    assert seen["outside"] == [] and seen["flask"].startswith("/mse-env/")
    start = time.monotonic()
    second = owner.deploy(owner.project("layered2", files))
    assert get(second, "/six").text.startswith("1.16.0")
    del start


def test_bad_requirements_are_explained(owner):
    files = {"app.py": HELLO, "requirements.txt": "no-such-package-of-ours==99.99\n"}
    result = owner.run("deploy", "--path", owner.project("badreq", files), "--yes")
    assert result.status in (1, 5)
    assert "no-such-package-of-ours" in result.err


def test_unknown_environment_lists_what_there_is(owner):
    project = owner.project("env", {"app.py": HELLO})
    text = (project / "mse.toml").read_text().replace("[code]\n", '[code]\ndocker = "mse-nothing"\n')
    (project / "mse.toml").write_text(text)
    result = owner.run("deploy", "--path", project, "--yes")
    assert result.status == 1 and "mse-nothing" in result.err and "mse-flask" in result.err
    assert "mse.toml:" in result.err


def test_a_taken_socket_and_a_bad_config_are_explained(workspace):
    folder = workspace / "bad"
    folder.mkdir()
    (folder / "msed.toml").write_text('stat = "/tmp"\n')
    result = subprocess.run([BUILD / "msed", "--config", folder / "msed.toml"], text=True,
                            capture_output=True, check=False, timeout=20)
    assert result.returncode == 1
    assert "msed.toml:1" in result.stderr and "'state'" in result.stderr


def test_interrupted_deploy_leaves_nothing(owner, node):
    project = owner.project("stopped-half", {"app.py": "import time\ntime.sleep(60)\n" + HELLO})
    process = subprocess.Popen([BUILD / "mse", "deploy", "--path", project, "--yes"],
                               env=owner.env, stderr=subprocess.PIPE, text=True)
    eventually(lambda: [app for app in owner.ok("list", "--json").json
                        if app["name"] == "stopped-half" and app["state"] in
                        ("initializing", "spawning")])
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors
    assert [app for app in owner.ok("list", "--json").json
            if app["name"] == "stopped-half" and app["state"] != "stopped"] == []
