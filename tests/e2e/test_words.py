# SPDX-License-Identifier: Apache-2.0
"""What mse says to people and to programs: help of groups, errors as JSON, a full disk, completion, diff's status."""
import json
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from conftest import BUILD, MSE, Owner


@pytest.fixture
def alone(tmp_path):
    return Owner(tmp_path, tmp_path / "state")


@pytest.mark.parametrize("words,commands", [
    (("node", "--help"), ("node start", "node stop", "node status")),
    (("node", "-h"), ("node start",)), (("help", "node"), ("node start",)),
    (("collateral", "--help"), ("collateral fetch",)), (("image", "--help"), ("image build", "image lock")),
])
def test_a_group_has_help(alone, words, commands):
    text = alone.ok(*words).out
    for command in commands:
        assert f"\n  {command} " in text


def test_help_of_a_command_is_its_help(alone):
    assert alone.ok("help", "deploy").out == alone.ok("deploy", "--help").out
    assert alone.ok("help", "node", "stop").out == alone.ok("node", "stop", "--help").out


@pytest.mark.parametrize("words", [("help", "deplyo"), ("deplyo", "--help"), ("help", "node", "strat")])
def test_help_of_nothing_is_wrong_use(alone, words):
    result = alone.run(*words)
    assert result.status == 2
    assert "there is no command" in result.err


@pytest.mark.parametrize("words,status,kind,text", [
    (("list", "--json"), 4, "unreachable", "the node"), (("status", "--json", "x"), 4, "unreachable", "the node"),
    (("status", "--json"), 2, "usage", "needs APP"), (("status", "--json", "--nonsense"), 2, "usage", "nonsense"),
    (("deploy", "--json"), 1, "not_found", "mse.toml"),
])
def test_a_failure_is_json_where_json_is_wanted(alone, words, status, kind, text):
    result = alone.run(*words)
    error = json.loads(result.out)["error"]
    assert (result.status, error["status"]) == (status, status)
    assert error["kind"] == kind
    assert text in error["message"]
    assert error["hint"] == "" or error["hint"] in result.err
    assert f"error: {error['message']}\n" in result.err


def test_a_full_disk_is_an_error(alone):
    with open("/dev/full", "w", encoding="ascii") as full:
        for words in (["--help"], ["deploy", "--help"], ["--man-page"], ["--completion=zsh"], ["--version"]):
            result = subprocess.run([str(MSE), *words], env=alone.env, stdout=full, stderr=subprocess.PIPE, text=True,
                                    check=False)
            assert result.returncode == 1, words
            assert result.stderr.startswith("error: cannot write to standard output: No space left on device\n"), words


def test_who_reads_no_more_is_no_error(alone):
    with subprocess.Popen([str(MSE), "--man-page"], env=alone.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as mse:
        mse.stdout.close()
        assert mse.stderr.read() == b""
        assert mse.wait(60) == 0


def test_the_man_page_names_every_variable():
    page = (BUILD / "mse.1").read_text()
    for name in ("MSE_NODE", "MSE_NODE_TOKEN", "MSE_NODE_CA", "MSE_CONFIG_HOME", "MSE_STATE_HOME", "MSE_CACHE_HOME"):
        assert f".TP\n.B {name}\n" in page


def test_diff_says_by_its_status_whether_they_differ(owner):
    text = "def app(environ, start_response):\n    start_response('200 OK', [])\n    return [b'x']\n"
    contexts = []
    for name in ("one", "two"):
        done = owner.ok("deploy", "--path", owner.project(name, {"app.py": text}), "--dry-run", "--json").json
        contexts.append(owner.folder / f"{name}.manifest")
        contexts[-1].write_text(json.dumps(done["manifest"], sort_keys=True, separators=(",", ":")))
    assert owner.run("diff", contexts[0], contexts[0]).status == 0
    for more in ((), ("--json",)):
        result = owner.run("diff", *contexts, *more)
        assert result.status == 1
        assert "name" in result.out
        assert result.err == ""


def complete_in_bash(owner, line):
    script = f"""source {BUILD}/mse.bash
        COMP_WORDS=({line} '') COMP_CWORD={len(line.split())}; _mse; printf '%s\\n' "${{COMPREPLY[@]}}" """
    if not line.endswith(" "):
        script = script.replace(f"({line} '') COMP_CWORD={len(line.split())}",
                                f"({line}) COMP_CWORD={len(line.split()) - 1}")
    return subprocess.run(["bash", "-c", script], env=owner.env, cwd=owner.folder, check=True, capture_output=True,
                          text=True).stdout.split()


def test_bash_completes_commands_options_and_apps(owner):
    assert "deploy" in complete_in_bash(owner, "mse ")
    assert complete_in_bash(owner, "mse coll") == ["collateral"]
    assert complete_in_bash(owner, "mse collateral ") == ["fetch", "--help"]
    assert complete_in_bash(owner, "mse node sta") == ["start", "status"]
    assert complete_in_bash(owner, "mse node stop --a") == ["--apps"]
    assert complete_in_bash(owner, "mse logs --f") == ["--follow"]
    app = "def app(environ, start_response):\n    start_response('200 OK', [])\n    return [b'x']\n"
    owner.deploy(owner.project("completed", {"app.py": app}))
    assert "completed" in complete_in_bash(owner, "mse logs ")
    assert complete_in_bash(owner, "mse logs compl") == ["completed"]
    (owner.folder / "compl.toml").touch()
    assert complete_in_bash(owner, "mse deploy compl") == ["compl.toml", "completed"] or \
        set(complete_in_bash(owner, "mse deploy compl")) >= {"compl.toml"}


@pytest.mark.skipif(shutil.which("zsh") is None, reason="zsh is not installed")
def test_zsh_loads_the_completion_and_completes_with_it(owner):
    app = "def app(environ, start_response):\n    start_response('200 OK', [])\n    return [b'x']\n"
    owner.deploy(owner.project("completed", {"app.py": app}))
    # Stands in for zsh's own functions, which need a terminal: prints what they are called with.
    script = f"""
        compdef() {{ echo "compdef $*"; }}
        source {BUILD}/_mse
        _describe() {{ print -rl -- "${{entries[@]}}"; }}
        _arguments() {{ print -rl -- "$@"; }}
        compadd() {{ print -rl -- $names; }}
        words=(mse '') CURRENT=2; echo COMMANDS; _mse
        words=(mse node '') CURRENT=3; echo NODE; _mse
        words=(mse collateral fetch '') CURRENT=4; echo FETCH; _mse
        words=(mse logs '') CURRENT=3; echo LOGS; _mse
        echo APPS; _mse_apps"""
    result = subprocess.run(["zsh", "-f", "-c", script], env=owner.env, check=False, capture_output=True, text=True)
    assert (result.returncode, result.stderr) == (0, "")
    parts = result.stdout
    assert parts.startswith("compdef _mse mse\nCOMMANDS\n")
    commands, rest = parts.split("NODE\n")
    node, rest = rest.split("FETCH\n")
    fetch, rest = rest.split("LOGS\n")
    logs, apps = rest.split("APPS\n")
    assert "\ndeploy:" in commands and "\nnode:" in commands and "\ncollateral:" in commands
    assert [line.split(":")[0] for line in node.splitlines()] == ["start", "stop", "status"]
    assert "--output[" in fetch and "*:file:_files" in fetch
    assert "*:app:_mse_apps" in logs and "--follow[" in logs
    assert "completed" in apps.split()


TALKING = """import sys
print("%s speaks", flush=True)
def app(environ, start_response):
    start_response("200 OK", [])
    return [b"x"]
"""


def test_logs_by_release_time_and_pattern_and_events(owner):
    project = owner.project("talking", {"app.py": TALKING % "one"})
    app = owner.deploy(project)
    stamp, text = owner.ok("logs", app["id"]).out.splitlines()[0].split(" ", 1)
    assert text == "one speaks" and len(stamp) == len("2026-11-22T10:00:00.123Z")
    boot = owner.ok("logs", "--boot", app["id"]).out
    assert " info enclave: code: " in boot and boot.count("Z ") == boot.count("\n")  # one time a line
    (project / "code" / "app.py").write_text("import nonsense\n")
    failed = owner.run("deploy", "--path", project, "--yes", "--discard-data")
    assert failed.status == 5
    shown, error = failed.err.split("--- the end of the app's log ---\n")[1].split("---\nerror: ")
    assert "import nonsense" in shown and "speaks" not in shown and "info enclave" not in shown
    assert shown.count("cannot import") == 1 and error.startswith("open: app: cannot import 'app': ModuleNotFoundError")
    assert f"mse logs --release 2 {app['id'][:8]}" in error
    assert "import nonsense" in owner.ok("logs", "--release", "2", app["id"]).out
    assert "nonsense" not in owner.ok("logs", app["id"]).out
    (project / "code" / "app.py").write_text(TALKING % "three")
    owner.deploy(project)
    assert "one speaks" not in owner.ok("logs", app["id"]).out
    assert "one speaks" in owner.ok("logs", "--release", "1", app["id"]).out
    assert "has no release 9" in owner.run("logs", "--release", "9", app["id"]).err
    line = json.loads(owner.ok("logs", "--json", "--grep", "^three", "--since", "1h", app["id"]).out)
    assert line["text"] == "three speaks" and line["boot"] is False and line["time"].endswith("Z")
    assert owner.ok("logs", "--until", "1h", app["id"]).out == ""
    owner.ok("stop", "--yes", app["id"])
    assert "three speaks" in owner.ok("logs", app["id"]).out
    assert "import nonsense" in owner.ok("logs", "--release", "2", app["id"]).out
    events = owner.ok("events", app["id"]).out.splitlines()
    texts = [line.split("  ", 1)[1] for line in events]
    assert texts[0] == "created" and texts[-1] == "stopped: stopped by its owner"
    assert any(text.startswith("release 2 failed, the one before it comes back: app: cannot import") for text in texts)
    assert texts.index("release 3 is tried") < texts.index("release 3 is live")
    assert [entry["text"] for entry in owner.ok("events", "--json", app["id"]).json] == texts[::-1]


def test_stopped_apps_leave_the_list_and_are_forgotten(owner):
    folder = owner.project("gone", {"app.py": TALKING % "gone"}, "")
    toml = folder / "mse.toml"
    toml.write_text('project = "pruned"\n' + toml.read_text())
    gone = owner.deploy(folder)
    assert "gone" in owner.ok("list", "--project", "pruned").out
    assert owner.ok("list", "--project", "elsewhere", "--json").json == []
    assert owner.run("prune", "--project", "pruned", "--yes").err == "0 stopped apps are forgotten\n"
    assert owner.ok("status", "--json", gone["id"]).json["state"] == "running"
    owner.ok("stop", "--yes", "gone")
    assert owner.ok("list", "--project", "pruned", "--json").json == []
    listed = owner.ok("list", "--all", "--project", "pruned", "--json").json
    assert [(app["id"], app["state"]) for app in listed] == [(gone["id"], "stopped")]
    asked = owner.run("prune", "--project", "pruned", stdin="")
    assert asked.status == 2 and "--yes" in asked.err
    assert owner.run("prune", "--project", "pruned", "--yes").err == "1 stopped app is forgotten\n"
    assert owner.ok("list", "--all", "--project", "pruned", "--json").json == []
    assert owner.run("logs", gone["id"]).status == 1
    assert not [path for path in Path(owner.env["MSE_STATE_HOME"]).rglob("*") if gone["id"] in str(path)]


def test_what_hangs_ends_by_its_timeout_with_the_log(owner):
    imports = owner.project("stuckimport", {"app.py": "import time\nprint('importing', flush=True)\ntime.sleep(600)\n"})
    answers = owner.project("stuckhealth", {"app.py": TALKING % "it" + "    time.sleep(600)\n"})
    code = answers / "code" / "app.py"
    code.write_text(code.read_text().replace("import sys", "import time").replace("    start", "    time.sleep(600)\n    start"))
    began = time.monotonic()
    with subprocess.Popen([str(MSE), "deploy", "--path", str(imports), "--timeout", "3"], env=owner.env, text=True,
                          stderr=subprocess.PIPE) as first:
        second = owner.run("deploy", "--path", answers, "--yes", "--timeout", "3")
        shown = first.communicate(timeout=60)[1]
    assert first.returncode == 5, shown
    assert "Z importing\n" in shown and "error: open: the app was not imported within the 3 s of --timeout\n" in shown
    assert second.status == 5, second
    assert "Z it speaks\n" in second.err
    assert "error: health: the health check was not answered within the 3 s of --timeout\n" in second.err
    assert time.monotonic() - began < 45  # a silent connection's limit is 60 s


def test_why_an_app_ended_is_known_afterwards(owner):
    project = owner.project("stillborn", {"app.py": "import nonsense\n"})
    failed = owner.run("deploy", "--path", project, "--yes")
    assert failed.status == 5 and "'mse logs " in failed.err.splitlines()[-1]
    assert "import nonsense" in owner.ok("logs", "stillborn").out
    status = owner.ok("status", "stillborn").out
    assert "reason       stopped by its owner; before that: app: cannot import 'app'" in status


def test_stopping_a_node_with_its_apps_asks(owner):
    app = "def app(environ, start_response):\n    start_response('200 OK', [])\n    return [b'x']\n"
    owner.deploy(owner.project("asked", {"app.py": app}))
    result = owner.run("node", "stop", *["--apps"], "--json")  # as it is: the fixture would add --yes
    assert result.status == 2
    assert "and destroy what they stored" in result.err
    assert "--yes" in result.err
    assert owner.run("node", "status").status == 0
