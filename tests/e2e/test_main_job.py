# SPDX-License-Identifier: Apache-2.0
"""From an unchanged Flask app to a verified service and back to nothing."""
import json
import os
import re
import signal
import socket
import ssl
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest
import requests

from conftest import ROOT

HELLO = """
import os, json
from pathlib import Path
from flask import Flask, jsonify, request
app = Flask(__name__)

@app.get("/")
def hello():
    return "hello\\n"

@app.get("/where")
def where():
    return jsonify(home=str(Path.home()), module=os.getenv("MODULE_PATH"), tmp=os.getenv("TMP_PATH"),
                   cwd=os.getcwd(), file=__file__, secrets=os.getenv("SECRETS_PATH"))

@app.get("/secrets")
def secrets():
    path = Path(os.environ["SECRETS_PATH"])
    return jsonify(mode=oct(path.stat().st_mode & 0o7777), keys=sorted(json.loads(path.read_text())))

@app.get("/count")
def count():
    path = Path.home() / "count"
    number = int(path.read_text()) + 1 if path.exists() else 1
    path.write_text(str(number))
    return str(number)

@app.post("/length")
def length():
    return str(len(request.get_data()))
"""


def get(app, path, **options):
    return requests.get(app["url"] + path, verify=app["certificate"], timeout=20, **options)


@pytest.fixture
def hello(owner):
    project = owner.project("hello", {"app.py": HELLO}, secrets={"token": "s3cr3t-v4lue-7731"})
    return owner.deploy(project)


def test_deploy_says_what_was_made(hello):
    assert set(hello) >= {"id", "name", "url", "certificate", "fingerprint", "tee", "seconds"}
    assert hello["tee"] == "simulation" and re.fullmatch("[0-9a-f]{64}", hello["fingerprint"])
    assert re.fullmatch(r"https://localhost:\d+", hello["url"])
    assert Path(hello["certificate"]).read_text().startswith("-----BEGIN CERTIFICATE-----")


def test_reached_by_requests_curl_and_ssl(hello):
    assert get(hello, "/").text == "hello\n"
    curl = subprocess.run(["curl", "-sS", "--cacert", hello["certificate"], hello["url"] + "/"],
                          capture_output=True, text=True, check=True)
    assert curl.stdout == "hello\n"
    context = ssl.create_default_context(cafile=hello["certificate"])
    with urllib.request.urlopen(hello["url"], context=context, timeout=10) as response:
        assert response.read() == b"hello\n"


def alpn(app, *offered):
    """What the app's own TLS chooses of the protocols that are offered."""
    host, port = app["url"].removeprefix("https://").split(":")
    context = ssl.create_default_context(cafile=app["certificate"])
    context.set_alpn_protocols(offered)
    with socket.create_connection((host, int(port)), timeout=10) as plain, \
            context.wrap_socket(plain, server_hostname=host) as connection:
        return connection.selected_alpn_protocol()


def curl_version(app, *options):
    """The version of HTTP and the body of an answer, as curl sees them."""
    done = subprocess.run(["curl", "-sS", "--cacert", app["certificate"], *options, "--write-out",
                           " %{http_version}", app["url"] + "/"],
                          capture_output=True, text=True, check=True)
    return done.stdout


def test_http2_where_the_client_offers_it(hello):
    assert alpn(hello, "h2", "http/1.1") == "h2"
    assert alpn(hello, "http/1.1") == "http/1.1"
    assert curl_version(hello, "--http2") == "hello\n 2"
    assert curl_version(hello, "--http1.1") == "hello\n 1.1"


def test_http2_can_be_turned_off(owner):
    project = owner.project("noh2", {"app.py": HELLO}, toml="[server]\nhttp2 = false\n")
    app = owner.deploy(project)
    assert alpn(app, "h2", "http/1.1") == "http/1.1"
    assert curl_version(app, "--http2") == "hello\n 1.1"


def test_what_the_app_sees(hello):
    assert get(hello, "/where").json() == {
        "home": "/root", "module": "/mse-app", "tmp": "/tmp", "cwd": "/mse-app",
        "file": "/mse-app/app.py", "secrets": "/run/mse/secrets/secrets.json"}
    assert get(hello, "/secrets").json() == {"mode": "0o400", "keys": ["token"]}


def test_no_secrets_file_when_none_was_given(owner):
    code = HELLO + """
@app.get("/exists")
def exists():
    return str(Path(os.environ["SECRETS_PATH"]).exists())
"""
    app = owner.deploy(owner.project("nosecrets", {"app.py": code}))
    assert get(app, "/exists").text == "False"


def test_large_bodies(hello):
    body = os.urandom(8 * 1024 * 1024)
    answer = requests.post(hello["url"] + "/length", data=body, verify=hello["certificate"], timeout=60)
    assert answer.text == str(len(body))


def test_list_status_and_names(owner, hello):
    listed = owner.ok("list", "--json").json
    entry = next(app for app in listed if app["id"] == hello["id"])
    assert entry["name"] == "hello" and entry["state"] == "running"
    for name in (hello["id"], hello["id"][:8], "hello"):
        assert owner.ok("status", "--json", name).json["id"] == hello["id"]
    missing = owner.run("status", "nothing-like-it")
    assert missing.status == 1 and "nothing-like-it" in missing.err


def test_restart_keeps_home_and_certificate(owner, hello):
    assert get(hello, "/count").text == "1"
    owner.ok("restart", hello["id"])
    assert get(hello, "/count").text == "2"


def test_logs(owner, hello):
    get(hello, "/")
    log = owner.ok("logs", "--boot", hello["id"])
    assert log.out.strip() != ""
    assert "s3cr3t-v4lue-7731" not in log.out


def test_stop_removes_everything(owner, hello, node):
    owner.ok("stop", "--yes", hello["id"])
    assert owner.ok("status", "--json", hello["id"]).json["state"] == "stopped"
    left = [p for p in node.rglob("*") if hello["id"] in str(p) and p.is_file()]
    assert [p.parts[-3:] for p in left] == [("logs", hello["id"], "1")]  # its log, for some days
    mounts = Path("/proc/self/mountinfo").read_text()
    assert hello["id"] not in mounts
    with pytest.raises(requests.exceptions.ConnectionError):
        get(hello, "/")


def test_nothing_in_clear_on_the_node(owner, hello, node):
    get(hello, "/count")
    needles = ["s3cr3t-v4lue-7731", "def hello()", "app.route", "Path.home()"]
    found = subprocess.run([ROOT / "tools" / "find-in-clear", node, *needles], text=True,
                           capture_output=True, check=False)
    assert found.returncode == 0 and found.stdout == "", found


def test_the_search_for_clear_text_finds_it(tmp_path):
    """The test above could not fail if its tool found nothing."""
    (tmp_path / "image").write_bytes(b"")
    os.truncate(tmp_path / "image", 1 << 30)
    with open(tmp_path / "image", "r+b") as image:
        image.seek(1 << 29)
        image.write(b"xx needle-in-clear xx")
    found = subprocess.run([ROOT / "tools" / "find-in-clear", tmp_path, "needle-in-clear"], text=True,
                           capture_output=True, check=False)
    assert found.returncode == 1 and "image: needle-in-clear" in found.stdout


def test_dry_run_predicts_the_fingerprint(owner):
    project = owner.project("dry", {"app.py": HELLO})
    result = owner.ok("deploy", "--path", project, "--dry-run", "--json").json
    manifest = result["manifest"]
    assert manifest["name"] == "dry" and manifest["python_application"] == "app:app"
    assert re.fullmatch("[0-9a-f]{64}", result["fingerprint"])
    assert [app for app in owner.ok("list", "--json").json if app["name"] == "dry"] == []


def test_another_version_asks_and_starts_empty(owner):
    project = owner.project("twice", {"app.py": HELLO})
    first = owner.deploy(project)
    assert get(first, "/count").text == "1"
    (project / "code" / "app.py").write_text(HELLO + "\n# second version\n")
    unasked = owner.run("deploy", "--path", project, "--discard-data")
    assert unasked.status != 0 and "--yes" in unasked.err
    assert get(first, "/count").text == "2"
    second = owner.deploy(project)
    assert second["id"] == first["id"] and second["url"] == first["url"]
    assert second["fingerprint"] != first["fingerprint"]
    assert get(second, "/count").text == "1"


def test_import_error_is_shown(owner):
    project = owner.project("broken", {"app.py": "import flask\nraise RuntimeError('told you so')\n"})
    result = owner.run("deploy", "--path", project, "--yes")
    assert result.status == 5
    assert "told you so" in result.err


def test_failing_health_check_is_shown(owner):
    code = "from flask import Flask\napp = Flask(__name__)\n@app.get('/')\ndef f():\n    1/0\n"
    result = owner.run("deploy", "--path", owner.project("sick", {"app.py": code}), "--yes")
    assert result.status == 5 and "ZeroDivisionError" in result.err and "500" in result.err


def test_the_published_examples_shape_deploys(owner):
    folder = owner.folder / "published"
    (folder / "src").mkdir(parents=True)
    (folder / "tests").mkdir()
    (folder / "src" / "app.py").write_text(HELLO)
    (folder / "mse.toml").write_text(
        'name = "published"\npython_application = "app:app"\nhealthcheck_endpoint = "/"\n'
        'tests_cmd = "true"\ntests_requirements = []\n\n[cloud]\ncode = "./src"\ntests = "./tests"\n'
        'docker = "registry.example/owner/mse-flask:20230228091325"\nproject = "default"\n'
        'hardware = "4g-eu-001"\n')
    result = owner.run("deploy", "--path", folder, "--yes", "--json")
    # A node whose operator gave a list of his own says what is on it (test_published.py: a fresh one).
    assert result.status == 1 and "4g-eu-001" in result.err and "free" in result.err
    text = (folder / "mse.toml").read_text().replace("4g-eu-001", "free")
    (folder / "mse.toml").write_text(text)
    assert get(owner.deploy(folder), "/").text == "hello\n"


def test_two_owners_at_once(owner, hello, workspace, node):
    from conftest import Owner
    folder = workspace / f"second-{os.getpid()}"
    folder.mkdir()
    other = Owner(folder, node)
    app = other.deploy(other.project("hello2", {"app.py": HELLO}))
    try:
        assert get(app, "/count").text == "1" and get(hello, "/count").text == "1"
        assert app["url"] != hello["url"]
        with pytest.raises(requests.exceptions.SSLError):
            requests.get(app["url"], verify=hello["certificate"], timeout=10)
    finally:
        other.ok("stop", "--yes", app["id"])


def test_example_whoami(owner):
    app = owner.deploy(ROOT / "examples" / "whoami")
    assert get(app, "/whoami").json() == {"name": "whoami", "visits": 2}  # the health check was one
    assert get(app, "/secret").json() == {"keys": ["login_password"], "length": 28}
    echo = requests.post(app["url"] + "/echo", json={"a": [1]}, verify=app["certificate"], timeout=10)
    assert echo.json() == {"received": {"a": [1]}}


def test_scaffold_deploy_and_test(owner):
    owner.ok("scaffold", "fresh")
    again = owner.run("scaffold", "fresh")
    assert again.status == 1 and "exists already" in again.err
    project = owner.folder / "fresh"
    owner.ok("localtest", cwd=project)
    owner.ok("deploy", "--yes", cwd=project)
    owner.ok("test", cwd=project)


def test_a_key_that_others_can_read_is_refused(owner):
    project = owner.project("keyed", {"app.py": HELLO})
    owner.ok("deploy", "--path", project, "--dry-run")
    key = owner.config / "owner.key"
    assert key.stat().st_mode & 0o777 == 0o600
    key.chmod(0o644)
    result = owner.run("deploy", "--path", project, "--dry-run")
    assert result.status == 1 and "chmod 600" in result.err
    key.chmod(0o600)


def test_secrets_never_show_in_arguments_or_environments(owner):
    """Looks at every process of the machine while the app starts and runs."""
    project = owner.project("watched", {"app.py": "import time\ntime.sleep(1)\n" + HELLO},
                            secrets={"token": "s3cr3t-v4lue-9902"})
    seen = []
    process = subprocess.Popen([str(owner.mse), "deploy", "--path", str(project), "--yes"],
                               env=owner.env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while process.poll() is None:
        for entry in Path("/proc").glob("[0-9]*"):
            for name in ("cmdline", "environ"):
                try:
                    seen.append(b"s3cr3t-v4lue-9902" in (entry / name).read_bytes())
                except OSError:
                    pass
    assert process.returncode == 0 and len(seen) > 100 and not any(seen)
