# SPDX-License-Identifier: Apache-2.0
"""An app's life: new releases that take over what is stored, or do not and say so; failures that cost
nothing; earlier releases again; storage that only its owner can unlock."""
import contextlib
import json
import os
import random
import select
import shutil
import signal
import socket
import ssl
import subprocess
import time
from pathlib import Path

import pytest

from adversary import LyingNode, UnixConnection
from conftest import MSE, Owner
from test_node import daemon_pid

KILLS = int(os.environ.get("MSE_KILLS", "4"))  # `MSE_KILLS=200` for the slow tier

APP = """
import os, pathlib
DB = pathlib.Path(os.environ["HOME"]) / "db"
BESIDE = pathlib.Path(__file__).with_name("beside")
def app(environ, start_response):
    if environ["REQUEST_METHOD"] == "POST":
        text = environ["wsgi.input"].read().decode()
        DB.write_text(text)
        BESIDE.write_text(text)
    start_response("200 OK", [])
    stored = [path.read_text() if path.exists() else "nothing" for path in (DB, BESIDE)]
    return ["VERSION {} {}".format(*stored).encode()]
"""
OWNER_KEEPS = '[storage]\nkeep = "owner"\n'


@pytest.fixture
def life(request):
    """A node of its own, and its one owner."""
    quota = getattr(request, "param", "none")
    base = Path("/tmp") / f"mse-life-{os.getpid()}-{random.randrange(1 << 30)}"
    owner = Owner(base / "o", base / "s")
    owner.folder.mkdir(parents=True)
    node = base / "s/node"
    node.mkdir(parents=True)
    (node / "msed.toml").write_text(
        f'state = "{node}"\nsocket = "{node}/msed.sock"\nlisten = ""\ndomain = "localhost"\n'
        f'quota = "{quota}"\n[hardware.free]\nstorage = "64M"\n[limits]\nprovision_timeout = 6\n')
    owner.ok("node", "start")
    yield Life(owner, node)
    stopped = owner.run("node", "stop", "--apps")
    shutil.rmtree(base, ignore_errors=True)
    assert stopped.status == 0, stopped


class Life:
    def __init__(self, owner, node):
        self.owner = owner
        self.node = node

    def project(self, version, toml="", code=APP, secrets=None):
        return self.owner.project("life", {"app.py": code.replace("VERSION", version)}, toml, secrets)

    def deploy(self, *arguments, ok=True):
        result = self.owner.run("deploy", "--path", self.owner.folder / "life", "--yes", "--json", *arguments)
        assert (result.status == 0) == ok, result
        return result.json if ok else result

    def app(self):
        return self.owner.ok("status", "life", "--json").json

    def ask(self, *arguments, patience=20):
        """Through the gateway, as a user would. 503: it starts."""
        app = self.app()
        certificate = self.owner.config / f"contexts/{app['id']}.pem"
        deadline = time.monotonic() + patience
        while True:
            done = subprocess.run(["curl", "-sS", "--fail", "--max-time", "20", "--cacert", certificate,
                                   app["url"], *arguments], capture_output=True, text=True, check=False)
            if done.returncode == 0 or time.monotonic() > deadline:
                return done.stdout or done.stderr
            time.sleep(0.1)

    def store(self, text):
        return self.ask("-d", text)

    def releases(self):
        found = self.owner.ok("releases", "life", "--json").json["releases"]
        return [(release["number"], release["state"]) for release in found]

    def wait(self, state):
        deadline = time.monotonic() + 30
        while self.app()["state"] != state:
            assert time.monotonic() < deadline, self.app()
            time.sleep(0.05)


def test_the_same_code_is_the_same_app(life):
    project = life.project("one")
    first = life.deploy()
    life.store("mine")
    dry = life.owner.ok("deploy", "--path", project, "--dry-run", "--json").json
    assert (dry["id"], dry["fingerprint"]) == (first["id"], first["fingerprint"])
    again = life.deploy()
    assert {key: again[key] for key in ("id", "fingerprint", "url")} == \
        {key: first[key] for key in ("id", "fingerprint", "url")}
    assert life.ask() == "one mine mine"
    assert life.releases() == [(2, "live"), (1, "previous")]
    # from another machine with the owner's key, and once more after the app is gone
    life.owner.ok("stop", "life", "--yes")
    other = Owner(life.owner.folder.parent / "p", life.node.parent)
    other.config.mkdir(parents=True)
    shutil.copy(life.owner.config / "owner.key", other.config)
    moved = other.folder / "elsewhere"
    shutil.copytree(project, moved)
    third = other.ok("deploy", "--path", moved, "--yes", "--json").json
    assert (third["id"], third["fingerprint"]) == (first["id"], first["fingerprint"])
    shutil.copy(third["certificate"], life.owner.config / "contexts")
    assert life.ask() == "one nothing nothing"


def test_new_secrets_of_the_same_code(life):
    code = APP.replace("VERSION", "{}").replace(
        ".format(*stored)", '.format(pathlib.Path(os.environ["SECRETS_PATH"]).read_text(), *stored)')
    life.project("", code=code, secrets={"a": 1})
    first = life.deploy()
    life.store("mine")
    life.project("", code=code, secrets={"a": 2})
    assert life.deploy()["fingerprint"] == first["fingerprint"]
    assert life.ask() == '{"a": 2} mine mine'
    # a node that has the enclave start with the old ones, says its word
    life.project("", code=code, secrets={"a": 3})
    liar = LyingNode(life.node / "msed.sock", life.owner.folder,
                     lambda _, d: {**d, "state": "running"} if d.get("state") == "initializing" else d)
    refused = life.deploy("--node", liar.path, "--simulation", ok=False)
    liar.close()
    assert refused.status == 1 and "takes no new ones" in refused.err
    assert life.ask() == '{"a": 2} mine mine'


def test_what_another_version_cannot_read_is_not_lost_by_accident(life):
    life.project("one")
    life.deploy()
    life.store("mine")
    for toml in ("", OWNER_KEEPS):
        life.project("two", toml)
        refused = life.deploy(ok=False)
        assert refused.status == 1
        assert "--discard-data" in refused.err and 'keep = "owner"' in refused.err
    assert life.releases() == [(1, "live")]
    assert life.ask() == "one mine mine"
    life.deploy("--discard-data")
    assert life.ask() == "two nothing nothing"
    assert life.releases() == [(2, "live"), (1, "previous")]


BROKEN = {
    "import": "import nothing_like_this\n",
    "forbidden at import": "import os\n(os.fork() or os._exit(0))\n",
    "ends": "import os\nos._exit(3)\n",
    "health": 'def app(e, start):\n    start("500 no", [])\n    return [b""]\n',
    "spoils": 'import os, pathlib\n(pathlib.Path(os.environ["HOME"]) / "db").write_text("spoilt")\n'
              'pathlib.Path(__file__).with_name("beside").unlink(missing_ok=True)\nraise RuntimeError("migrated half")\n',
}


@pytest.mark.parametrize("toml", ["", OWNER_KEEPS], ids=["version", "owner"])
def test_a_release_that_fails_costs_nothing(life, toml):
    life.project("one", toml)
    life.deploy()
    life.store("mine")
    before = life.app()
    context = (life.owner.config / f"contexts/{before['id']}.json").read_bytes()
    for code in BROKEN.values():
        life.project("two", toml, code)
        failed = life.deploy(*([] if toml else ["--discard-data"]), ok=False)
        assert failed.status == 5, failed
        assert "the release before it goes on" in failed.err
        assert life.ask() == "one mine mine"
        assert life.app()["fingerprint"] == before["fingerprint"]
    assert (life.owner.config / f"contexts/{before['id']}.json").read_bytes() == context
    assert life.releases()[-1] == (1, "live")
    assert {state for _, state in life.releases()[:-1]} == {"failed"}
    assert "migrated half" in life.owner.ok("releases", "life").out
    life.owner.ok("verify", "life")


@pytest.mark.parametrize("life", ["none", "loop"] if os.geteuid() == 0 else ["none"], indirect=True)
def test_data_goes_on_from_release_to_release(life):
    life.project("one", OWNER_KEEPS)
    life.deploy()
    life.store("mine")
    life.owner.ok("restart", "life")
    assert life.ask() == "one mine mine"
    life.project("two", OWNER_KEEPS)
    life.deploy()
    assert life.ask() == "two mine mine"
    life.store("ours")
    said = life.owner.ok("verify", "life").out
    assert "its owner can let other versions read it, and could read it" in said
    life.owner.ok("rollback", "life")
    assert life.ask() == "one ours ours"
    life.owner.ok("verify", "life")  # the record has followed
    assert life.releases() == [(2, "previous"), (1, "live")]
    life.owner.ok("restart", "life")
    assert life.ask() == "one ours ours"
    life.owner.ok("rollback", "life", "2")
    assert life.ask() == "two ours ours"
    missing = life.owner.run("rollback", "life", "7")
    assert missing.status != 0 and "no earlier release of that number" in missing.err


def test_a_deployment_removes_only_what_it_made(life):
    """Another one made the app after this one had looked for it, and its app has stored something."""
    life.project("one")
    life.deploy()
    life.store("mine")
    liar = LyingNode(life.node / "msed.sock", life.owner.folder,
                     lambda path, d: {"apps": []} if path.startswith("/v1/apps?name") else d)
    refused = life.deploy("--node", liar.path, "--simulation", ok=False)
    liar.close()
    assert "exists already" in refused.err
    assert life.ask() == "one mine mine"


def test_a_node_that_rolls_back_to_another_release(life):
    """The operator has an older one run than its owner asked for: the owner's records do not follow."""
    for version in ("one", "two", "three"):
        life.project(version, OWNER_KEEPS)
        app = life.deploy()

    def call(method, path):
        connection = UnixConnection(str(life.node / "msed.sock"))
        connection.request(method, f"/v1/apps/{app['id']}{path}")
        return json.loads(connection.getresponse().read())

    def lie(path, document):
        if path.endswith("rollback?release=2"):
            while call("GET", "")["trial"] != "none":
                time.sleep(0.05)
            call("POST", "/rollback?release=1")
        return document

    liar = LyingNode(life.node / "msed.sock", life.owner.folder, lie)
    result = life.owner.run("rollback", "life", "2", "--node", liar.path)
    liar.close()
    assert life.app()["release"] == 1
    assert result.status != 0, result
    assert life.owner.run("verify", "life").status == 3, "the record is still that of the third"


def test_a_rollback_to_what_cannot_read_the_storage(life):
    life.project("one")
    life.deploy()
    life.project("two", OWNER_KEEPS)
    life.deploy("--discard-data")
    life.store("mine")
    failed = life.owner.run("rollback", "life")
    assert failed.status != 0 and "opens with another key" in failed.err, failed
    assert life.ask() == "two mine mine"


def test_locked_storage_waits_for_its_owner(life):
    life.project("one", OWNER_KEEPS)
    app = life.deploy()
    life.store("mine")
    slot, = (life.node / "apps" / app["id"] / "storage").glob("volume-key-*")
    good = slot.read_bytes()
    assert b"mine" not in good and len(good) < 200
    for change in (lambda: slot.unlink(), lambda: slot.write_bytes(bytes([good[0] ^ 1]) + good[1:]),
                   lambda: slot.write_bytes(good[:20])):
        change()
        said = life.owner.ok("restart", "life")
        assert "is locked" in said.err
        assert life.app()["state"] == "locked"
        done = subprocess.run(["curl", "-sk", app["url"]], capture_output=True, text=True, check=True)
        assert "locked until its owner has unlocked it" in done.stdout
        time.sleep(7)  # longer than provision_timeout: it waits for as long as it takes
        assert life.app()["state"] == "locked"
        life.owner.ok("unlock", "life")
        life.wait("running")
        assert life.ask() == "one mine mine"
    refused = life.owner.run("unlock", "life")
    assert refused.status != 0 and "not locked" in refused.err


def test_nobody_else_unlocks(life):
    life.project("one", OWNER_KEEPS)
    app = life.deploy()
    life.store("mine")
    next((life.node / "apps" / app["id"] / "storage").glob("volume-key-*")).unlink()
    life.owner.ok("restart", "life")
    other = Owner(life.owner.folder.parent / "q", life.node.parent)
    shutil.copytree(life.owner.config, other.config)
    (other.config / "owner.key").write_text("11" * 32 + "\n")
    refused = other.run("unlock", "life")
    assert refused.status != 0 and "not signed by the owner's key" in refused.err, refused
    assert life.app()["state"] == "locked"
    port = int(app["url"].rsplit(":", 1)[1])
    subprocess.run(["curl", "-sk", "-d", "x", f"{app['url']}/.well-known/mse/unlock?[1-100]", "-o", "/dev/null"], check=True)
    assert life.owner.ok("logs", "life").out.count("unlocking refused") < 70
    with contextlib.ExitStack() as strangers:  # each of another address, with half of a head
        for i in range(150):
            raw = socket.create_connection(("127.0.0.1", port), 20, (f"127.0.1.{i + 1}", 0))
            tls = strangers.enter_context(ssl._create_unverified_context().wrap_socket(raw))
            tls.send(b"GET / HTTP/1.1\r\nHost: ")
        life.owner.ok("unlock", "life")
    assert life.ask() == "one mine mine"


def test_a_pause_keeps_everything(life):
    life.project("one")
    first = life.deploy()
    life.store("mine")
    life.owner.ok("pause", "life")
    life.owner.ok("pause", "life")
    assert life.app()["state"] == "paused"
    done = subprocess.run(["curl", "-sk", "--max-time", "5", first["url"]], capture_output=True, check=False)
    assert done.returncode != 0
    life.owner.ok("node", "stop")
    life.owner.ok("node", "start")
    assert life.app()["state"] == "paused"
    life.owner.ok("resume", "life")
    assert life.app()["url"] == first["url"]
    assert life.ask() == "one mine mine"
    refused = life.owner.run("resume", "life")
    assert refused.status != 0 and "not paused" in refused.err
    life.owner.ok("pause", "life")
    life.deploy()  # the same code again
    assert life.ask() == "one mine mine"


def answers_old_or_new(life):
    """Whatever happened: one release alone, the old or the new, and its data."""
    deadline = time.monotonic() + 40
    while life.app()["trial"] != "none":
        assert time.monotonic() < deadline, life.app()
        time.sleep(0.1)
    life.wait("running")
    # the certificate that the owner knows may be that of the release that did not come to be
    url = life.app()["url"]
    for _ in range(100):
        done = subprocess.run(["curl", "-sk", "--fail", "--max-time", "20", url], capture_output=True,
                              text=True, check=False)
        if done.returncode == 0:
            break
        time.sleep(0.1)
    version, *stored = done.stdout.split(" ")
    assert version in ("one", "two") and stored == ["mine", "mine"], done
    return version


def test_a_killed_deploy(life):
    life.project("one", OWNER_KEEPS)
    life.deploy()
    life.store("mine")
    project = life.project("two", OWNER_KEEPS)
    seen = []
    for _ in range(KILLS):
        process = subprocess.Popen([str(MSE), "deploy", "--path", project, "--yes"], env=life.owner.env,
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(random.uniform(0.02, 0.8))
        process.send_signal(random.choice([signal.SIGKILL, signal.SIGINT]))
        process.wait(30)
        seen.append(answers_old_or_new(life))
    life.deploy()
    assert life.ask() == "two mine mine"


def test_a_killed_node(life):
    life.project("one", OWNER_KEEPS)
    life.deploy()
    life.store("mine")
    project = life.project("two", OWNER_KEEPS)
    for _ in range(KILLS):
        process = subprocess.Popen([str(MSE), "deploy", "--path", project, "--yes"], env=life.owner.env,
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(random.uniform(0.02, 0.8))
        daemon = os.pidfd_open(daemon_pid(life.node.parent))
        signal.pidfd_send_signal(daemon, signal.SIGKILL)
        select.select([daemon], [], [], 20)
        os.close(daemon)
        process.wait(60)
        life.owner.ok("node", "start")
        answers_old_or_new(life)
    life.deploy()
    assert life.ask() == "two mine mine"
