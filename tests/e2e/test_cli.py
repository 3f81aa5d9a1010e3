# SPDX-License-Identifier: Apache-2.0
"""The command line without a node: help, wrong input, exit statuses."""
import json
import re
import subprocess
from pathlib import Path

import pytest

from conftest import BUILD, MSE, Owner


@pytest.fixture
def alone(tmp_path):
    return Owner(tmp_path, tmp_path / "state")


COMMANDS = ["scaffold", "init", "deploy", "verify", "list", "status", "logs", "events", "prune", "stop", "restart", "staple",
            "releases", "rollback", "unlock", "pause", "resume",
            "test", "localtest", "context", "node start", "node stop", "node status"]


def test_help_lists_every_command(alone):
    text = alone.ok("--help").out
    for command in COMMANDS:
        assert re.search(rf"^  {command} ", text, re.M), command


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_an_example(alone, command):
    text = alone.ok(*command.split(), "--help").out
    assert "example:" in text and f"mse {command}" in text
    assert max(len(line) for line in text.splitlines()) < 140


def test_the_man_page_has_every_command_and_status():
    page = (BUILD / "mse.1").read_text()
    for command in COMMANDS:
        assert command.replace("-", "\\-") in page
    for status in ("0", "2", "3", "4", "5", "1", "130"):
        assert f".B {status}\n" in page


@pytest.mark.parametrize("words,status,text", [
    ([], 2, "no command"), (["deplyo"], 2, "deploy"), (["deploy", "--jsno"], 2, "--json"),
    (["deploy", "surplus"], 2, "surplus"), (["status"], 2, "APP"), (["node"], 2, "start"),
    (["logs", "x", "--tail", "many"], 2, "--tail"),
    (["list", "--project", "a/b"], 2, "--project"), (["prune", "--project", ""], 2, "--project"),
    (["logs", "x", "--since", "soon"], 2, "--since"), (["logs", "x", "--until", "2h", "-f"], 2, "--follow"),
    (["logs", "x", "--grep", "("], 2, "not a regular expression"), (["logs", "x", "--release", "0"], 2, "--release"), (["list"], 4, "mse node start"),
    (["deploy"], 1, "mse.toml"), (["scaffold", "../x"], 2, "name"), (["context"], 2, "--list"),
])
def test_wrong_use(alone, words, status, text):
    result = alone.run(*words)
    assert result.status == status, repr(result)
    assert text in result.err


def project(alone, toml, code="app = 1\n"):
    folder = alone.folder / "p"
    (folder / "code").mkdir(parents=True)
    (folder / "code" / "app.py").write_text(code)
    (folder / "mse.toml").write_text(toml)
    return folder


GOOD = 'name = "p"\n[code]\nlocation = "./code"\npython_application = "app:app"\n'


@pytest.mark.parametrize("toml,expected", [
    (GOOD.replace("location", "locatoin"), ["mse.toml:3", "locatoin", "location"]),
    (GOOD.replace('"app:app"', "7"), ["mse.toml:4", "code.python_application", "string"]),
    (GOOD.replace("app:app", "nothere:app"), ["mse.toml:4", "nothere"]),
    (GOOD.replace("./code", "./nowhere"), ["mse.toml:3", "nowhere"]),
    (GOOD + 'secrets = "./nothere.json"\n', ["mse.toml:5", "secrets"]),
    (GOOD.replace('"p"', '""'), ["mse.toml:1", "name"]),
    ('name = "p\n', ["mse.toml:1"]),
])
def test_errors_name_file_line_and_key(alone, toml, expected):
    folder = project(alone, toml)
    result = alone.run("deploy", "--path", folder, "--dry-run")
    assert result.status == 1
    for part in expected:
        assert part in result.err, result.err


def test_secrets_that_are_no_object_are_refused_unseen(alone):
    folder = project(alone, GOOD + 'secrets = "./s.json"\n')
    (folder / "s.json").write_text('["hunter2hunter2"]')
    result = alone.run("deploy", "--path", folder)
    assert result.status == 1 and "object" in result.err and "hunter2" not in result.err


FLASK = "from flask import Flask\n"


def test_init_writes_what_deploy_reads(alone):
    (alone.folder / "src").mkdir()
    (alone.folder / "src" / "main.py").write_text(FLASK + "web = Flask(__name__)\n@web.get('/healthz')\n")
    said = alone.ok("init", "--name", "shop")
    text = (alone.folder / "mse.toml").read_text()
    assert 'python_application = "main:web"' in text and 'location = "./src"' in text
    assert 'healthcheck_endpoint = "/healthz"' in text and "made by Flask" in said.err
    assert alone.run("init").status == 1
    assert (alone.folder / "mse.toml").read_text() == text
    assert alone.run("deploy").status == 4


def test_init_of_a_project_that_is_its_own_code_folder(alone):
    (alone.folder / "shop").mkdir()
    (alone.folder / "shop" / "__init__.py").write_text(
        FLASK + "def create_app(config=None):\n    app = Flask(__name__)\n    return app\n")
    alone.ok("init", "--name", "shop")
    text = (alone.folder / "mse.toml").read_text()
    assert 'python_application = "shop:create_app()"' in text and 'location = "."' in text
    assert "healthcheck_endpoint" not in text
    assert alone.run("deploy").status == 4


def test_init_asks_which_of_two_apps(alone):
    """Where it cannot ask it says how to choose, and writes nothing."""
    (alone.folder / "a.py").write_text(FLASK + "app = Flask(__name__)\n")
    (alone.folder / "b.py").write_text("from fastapi import FastAPI\napi = FastAPI()\n")
    refused = alone.run("init", "--name", "two")
    assert refused.status == 2 and "a:app, b:api" in refused.err and "--application" in refused.err
    assert not (alone.folder / "mse.toml").exists()
    wrong = alone.run("init", "--name", "two", "--application", "b.py")
    assert wrong.status == 2 and "MODULE:VARIABLE" in wrong.err
    chosen = alone.ok("init", "--name", "two", "--application", "b:api")
    assert 'python_application = "b:api"' in (alone.folder / "mse.toml").read_text()
    assert "requirements.txt" in chosen.err


def test_init_without_an_app_says_so(alone):
    (alone.folder / "notes.py").write_text("x = 1\n")
    said = alone.ok("init", "--name", "none")
    assert "no app was found" in said.err
    assert 'python_application = "app:app"' in (alone.folder / "mse.toml").read_text()


def test_tests_find_what_they_require(alone):
    """Programs and modules of tests_requirements come before those of the surroundings."""
    folder = alone.folder / "said"
    (folder / "code").mkdir(parents=True)
    (folder / "code" / "app.py").write_text(
        "def app(environ, start_response):\n    start_response('200 OK', [])\n    return [b'ok']\n")
    (folder / "mse.toml").write_text(
        'name = "said"\ntests_cmd = "cowsay -t hello"\ntests_requirements = ["cowsay==6.1"]\n'
        '[code]\nlocation = "./code"\npython_application = "app:app"\nhealthcheck_endpoint = "/"\n')
    decoy = alone.folder / "decoy"
    decoy.mkdir()
    (decoy / "cowsay.py").write_text("raise SystemExit('the decoy')\n")
    alone.env["PYTHONPATH"] = str(decoy)
    result = alone.run("localtest", cwd=folder)
    if result.status != 0 and "No matching distribution" in result.err:
        pytest.skip("no package index can be reached")
    assert result.status == 0 and "hello" in result.out, repr(result)
    alone.env["PIP_NO_INDEX"] = "1"  # once is enough
    assert alone.run("localtest", cwd=folder).status == 0


def test_localtest_shows_what_would_fail_inside(alone):
    alone.ok("scaffold", "hello")
    folder = alone.folder / "hello"
    code = folder / "code" / "app.py"
    code.write_text(code.read_text() + "\n@app.get('/fork')\ndef fork():\n    os.fork()\n    return 'x'\n")
    test = folder / "tests" / "test_app.py"
    test.write_text(test.read_text() + "\n\ndef test_fork():\n    get('/fork')\n")
    result = alone.run("localtest", cwd=folder)
    assert result.status == 5 and "fork" in result.err + result.out
    assert list(Path("/tmp").glob("mse-local-*")) == []


def test_localtest_leaves_no_secret_on_the_disk(alone):
    """Not while it runs either: a test that is killed removes nothing."""
    alone.ok("scaffold", "hello")
    folder = alone.folder / "hello"
    (folder / "secrets.json").write_text('{"api_token": "s3cret-of-localtest"}')
    test = folder / "tests" / "test_app.py"
    test.write_text(test.read_text() + """

def test_nothing_on_the_disk():
    from pathlib import Path
    folders = list(Path("/tmp").glob("mse-local-*"))
    assert folders
    assert [path for folder in folders for path in folder.rglob("*")
            if path.is_file() and b"s3cret-of-localtest" in path.read_bytes()] == []
""")
    result = alone.run("localtest", cwd=folder)
    assert result.status == 0, repr(result)


def linked_with(program):
    said = subprocess.run(["readelf", "-hldW", BUILD / program], check=True, capture_output=True,
                          text=True).stdout
    return {"position": re.search(r"Type: +(\w+)", said)[1],
            "libraries": re.findall(r"NEEDED.*\[(.*?)\.so", said),
            "stack": re.search(r"GNU_STACK .* (\w+) +0x\w+$", said, re.MULTILINE)[1],
            "read-only": "GNU_RELRO" in said and bool(re.search(r"FLAGS_1.*NOW", said))}


def test_what_the_programs_are_linked_with():
    """The interpreter is measured with mse-enclave, since it is part of it."""
    options = json.loads(subprocess.run(["meson", "introspect", "--buildoptions", BUILD], check=True,
                                        capture_output=True).stdout)
    chosen = {option["name"]: option["value"] for option in options}
    enclave = linked_with("mse-enclave")
    if chosen["python_link"] == "auto" and chosen["b_sanitize"] == "none":
        assert enclave["position"] == "EXEC" and not [name for name in enclave["libraries"] if "python" in name]
    for program in ("mse", "msed"):
        assert linked_with(program)["position"] == "DYN"
        assert not [name for name in linked_with(program)["libraries"] if "python" in name]
    for program in ("mse", "msed", "mse-enclave", "mse-local"):
        linked = linked_with(program)
        assert linked["stack"] == "RW" and linked["read-only"], program


def test_install_puts_everything_in_place(tmp_path):
    subprocess.run(["meson", "install", "-C", str(BUILD), "--no-rebuild", "--quiet", "--destdir",
                    str(tmp_path)], check=True, capture_output=True)
    names = {path.name for path in tmp_path.rglob("*") if path.is_file()}
    assert {"mse", "msed", "mse-enclave", "mse.1", "mse.toml.5", "msed.toml.5", "msed.8", "_mse",
            "msed.service", "mse.h", "mse.pc"} <= names, names
    mse = next(path for path in tmp_path.rglob("bin/mse"))
    assert subprocess.run([mse, "--version"], check=True, capture_output=True).stdout.startswith(b"mse ")
