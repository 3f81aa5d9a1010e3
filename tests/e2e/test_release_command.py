# SPDX-License-Identifier: Apache-2.0
"""The release command: called once inside a new release, before it serves; if it fails, so does the deployment."""
import requests

APP = """
import sqlite3
from pathlib import Path
from flask import Flask, jsonify
base = sqlite3.connect(Path.home() / "shop.db")
base.execute("SELECT * FROM runs")  # the import needs what the release command made
app = Flask(__name__)

@app.get("/")
def index():
    with sqlite3.connect(Path.home() / "shop.db") as own:
        return jsonify([row[0] for row in own.execute("SELECT greeting FROM runs")])
"""

RELEASE = """
import os, sqlite3, sys, threading
from pathlib import Path

def migrate():
    assert threading.current_thread() is threading.main_thread()
    with sqlite3.connect(Path.home() / "shop.db") as base:
        base.execute("CREATE TABLE IF NOT EXISTS runs (greeting TEXT)")
        base.execute("INSERT INTO runs VALUES (?)", (os.environ["GREETING"],))

async def later():
    migrate()

def leave():
    migrate()
    sys.exit()

def fail():
    migrate()
    unwanted = {}
    return unwanted["no such key 4711"]

def refuse():
    sys.exit(3)
"""


def project(owner, function, name="released"):
    return owner.project(name, {"app.py": APP, "shop/__init__.py": "", "shop/release.py": RELEASE},
                         toml=f'[deploy]\nrelease_command = "shop.release:{function}"\n'
                              '[env]\nGREETING = "hello"\n')


def seen(app):
    return requests.get(app["url"], verify=app["certificate"], timeout=20).json()


def test_it_is_called_once_before_the_app_is_imported(owner):
    app = owner.deploy(project(owner, "migrate"))
    assert seen(app) == ["hello"]
    owner.ok("restart", app["id"])
    assert seen(app) == ["hello"]
    assert "calls shop.release:migrate once" in owner.ok("status", app["id"]).out
    verdict = owner.ok("verify", app["id"])
    assert "calls shop.release:migrate once" in verdict.out + verdict.err


def test_a_coroutine_and_an_exit_without_status_are_fine(owner):
    for function in ("later", "leave"):
        assert seen(owner.deploy(project(owner, function))) == ["hello"]


def test_the_next_release_with_the_same_data_calls_its_own(owner):
    """One that fails takes nothing: what it wrote is gone, and the release before serves on."""
    def keeping(function):
        folder = project(owner, function, "kept")
        with open(folder / "mse.toml", "a", encoding="utf-8") as toml:
            toml.write('[storage]\nkeep = "owner"\n')
        return folder
    app = owner.deploy(keeping("migrate"))
    assert seen(app) == ["hello"]
    owner.ok("deploy", "--path", keeping("later"), "--yes")
    assert seen(app) == ["hello", "hello"]
    done = owner.run("deploy", "--path", keeping("fail"), "--yes")
    assert done.status != 0 and "no such key 4711" in done.err, done
    assert seen(app) == ["hello", "hello"]


def failed(owner, function):
    done = owner.run("deploy", "--path", project(owner, function), "--yes")
    assert done.status != 0, done
    return done.err + done.out


def test_a_failing_one_fails_the_deployment_and_is_in_the_log(owner):
    said = failed(owner, "fail")
    assert "the release command 'shop.release:fail' failed: KeyError: 'no such key 4711'" in said, said
    assert 'File "/mse-app/shop/release.py"' in said and "in fail" in said, said
    assert "SystemExit: 3" in failed(owner, "refuse")


def test_one_that_is_not_there_is_named(owner):
    assert "has no variable 'migrat'" in failed(owner, "migrat")


def test_the_local_server_calls_it_too(owner):
    folder = project(owner, "migrate", "locally")
    (folder / "tests").mkdir()
    (folder / "tests" / "look.py").write_text(
        "import json, os, urllib.request\n"
        "assert json.load(urllib.request.urlopen(os.environ['TEST_REMOTE_URL'])) == ['hello']\n")
    toml = folder / "mse.toml"
    toml.write_text('tests = "./tests"\ntests_cmd = "python3 look.py"\n' + toml.read_text())
    owner.ok("localtest", "--path", folder)
