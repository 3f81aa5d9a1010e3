# SPDX-License-Identifier: Apache-2.0
"""A node is upgraded while apps live: each release goes on with the mse-enclave that its manifest names."""
import hashlib
import json
import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

import pytest

from conftest import BUILD, Owner, leftovers

COUNTS = """
import os
from flask import Flask
app = Flask(__name__)
path = os.environ["HOME"] + "/count"


@app.route("/")
def count():
    number = int(open(path).read()) + 1 if os.path.exists(path) else 1
    with open(path, "w") as file:
        file.write(str(number))
    return str(number)
"""


def digest_of(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture
def next_version(workspace):
    """The programs of a later version, whose mse-enclave has one byte more."""
    folder = workspace / "next"
    folder.mkdir()
    for name in ("mse", "msed", "mse-enclave"):
        shutil.copy(BUILD / name, folder / name)
    with open(folder / "mse-enclave", "ab") as file:
        file.write(b"\n")
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def own_node(workspace, next_version):  # which is there until the node has ended
    folder = Path(tempfile.mkdtemp(prefix="r-", dir=workspace))
    os.chmod(folder, 0o755)
    owner = Owner(folder / "o", folder / "s")
    owner.folder.mkdir()
    owner.ok("node", "start")
    yield owner
    owner.run("node", "start")
    stopped = owner.run("node", "stop", "--apps")
    assert stopped.status == 0, repr(stopped)
    end = time.monotonic() + 15
    while leftovers(folder / "s") and time.monotonic() < end:
        time.sleep(0.1)
    assert leftovers(folder / "s") == []


def state_of(owner):
    return owner.folder.parent / "s" / "node"


def runtimes(owner):
    asked = subprocess.run(["curl", "-sS", "--unix-socket", state_of(owner) / "msed.sock",
                            "http://localhost/v1/runtimes"], capture_output=True, check=True)
    return {row["digest"]: row for row in json.loads(asked.stdout)["runtimes"]}


def get(app):
    asked = subprocess.run(["curl", "-sSk", "--retry", "5", "--retry-connrefused", app["url"]],
                           capture_output=True, text=True, check=True)
    return asked.stdout


def upgrade(owner, folder):
    owner.ok("node", "stop")
    owner.mse = folder / "mse"
    owner.env["PATH"] = f"{folder}:" + owner.env["PATH"]
    owner.ok("node", "start")


def wait_for(owner, name, state):
    end = time.monotonic() + 30
    while time.monotonic() < end:
        status = owner.ok("status", name, "--json").json
        if status["state"] == state:
            return status
        time.sleep(0.1)
    raise AssertionError(status)


def test_an_upgrade_changes_no_release(own_node, next_version):
    owner = own_node
    project = owner.project("years", {"app.py": COUNTS})
    app = owner.deploy(project)
    before = int(get(app))
    old, new = digest_of(BUILD / "mse-enclave"), digest_of(next_version / "mse-enclave")
    upgrade(owner, next_version)

    owner.ok("restart", "years")
    wait_for(owner, "years", "running")
    assert int(get(app)) == before + 1
    assert owner.ok("status", "years", "--json").json["fingerprint"] == app["fingerprint"]
    owner.ok("verify", "years")
    rows = runtimes(owner)
    assert [use["name"] for use in rows[old]["releases"]] == ["years"] and not rows[old]["installed"]
    assert rows[new]["installed"] and rows[new]["release_count"] == 0
    shown = owner.ok("node", "status").out
    assert f"{old[:16]}…, needed by 1 release: years 1" in shown and f"{new[:16]}… (installed)" in shown

    fresh = owner.deploy(owner.project("fresh", {"app.py": COUNTS}))
    assert int(get(fresh)) >= 1
    assert [use["name"] for use in runtimes(owner)[new]["releases"]] == ["fresh"]

    missing = state_of(owner) / "runtimes" / old  # as in a state folder of before there were any
    missing.rename(owner.folder / "away")
    owner.run("restart", "years")
    status = wait_for(owner, "years", "on_error")
    assert f"runtime {old[:16]}…, which the node does not have" in status["reason"]
    assert "IS MISSING" in owner.ok("node", "status").out
    shutil.copy(owner.folder / "away", missing)
    owner.ok("restart", "years")
    wait_for(owner, "years", "running")
    assert int(get(app)) >= before + 2

    owner.ok("stop", "--yes", "years")
    owner.ok("node", "stop")
    owner.ok("node", "start")
    assert old not in runtimes(owner) and not missing.exists()
    assert int(get(fresh)) >= 2


def test_two_versions_are_named(own_node, next_version):
    owner = own_node
    upgrade(owner, next_version)
    owner.mse = BUILD / "mse"
    refused = owner.run("deploy", "--path", owner.project("older", {"app.py": COUNTS}), "--yes")
    assert refused.status == 1
    assert digest_of(BUILD / "mse-enclave")[:16] in refused.err
    assert digest_of(next_version / "mse-enclave")[:16] in refused.err
