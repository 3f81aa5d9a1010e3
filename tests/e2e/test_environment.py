# SPDX-License-Identifier: Apache-2.0
"""The environment that an app finds itself in: its variables, from the open and from its secrets."""
import json
import os
import subprocess
from pathlib import Path

import pytest
import requests

from conftest import Owner

ROOT = Path(__file__).resolve().parents[2]

CODE = """
import os

AT_IMPORT = dict(os.environ)

from flask import Flask
app = Flask(__name__)

@app.get("/")
def index():
    return "here"

@app.get("/variables")
def variables():
    return AT_IMPORT
"""

SECRETS = {"DATABASE_URL": "postgres://s3cr3t-v4lue-1848", "WORKERS": 3, "VERBOSE": True,
           "nested": {"token": "s3cr3t-v4lue-1849"}}
NAMED = 'secrets_env = ["DATABASE_URL", "VERBOSE", "WORKERS"]\n'
PLAIN = '[env]\nGREETING = "a = \\"b\\""\nTZ = "Europe/Paris"\nEMPTY = ""\n'


def get(app, path):
    return requests.get(app["url"] + path, verify=app["certificate"], timeout=20)


@pytest.fixture
def shop(owner):
    project = owner.project("shop", {"app.py": CODE}, toml=NAMED + PLAIN, secrets=SECRETS)
    return owner.deploy(project)


def seen(app):
    return get(app, "/variables").json()


def manifest_of(owner, app):
    return json.loads(owner.ok("context", "--export", app["id"]).json["manifest"])


def test_an_app_has_its_variables_before_it_is_imported(owner, shop):
    found = seen(shop)
    assert found["GREETING"] == 'a = "b"' and found["TZ"] == "Europe/Paris" and found["EMPTY"] == ""
    assert found["DATABASE_URL"] == SECRETS["DATABASE_URL"]
    assert found["WORKERS"] == "3" and found["VERBOSE"] == "true"
    assert "nested" not in found
    assert found["HOME"] == "/root" and found["PATH"].startswith("/usr/local/bin:")
    owner.ok("restart", shop["id"])
    assert seen(shop) == found


def test_what_is_in_the_open_is_in_the_manifest_and_no_secret_is(owner, shop, node):
    manifest = manifest_of(owner, shop)
    assert manifest["env"] == {"EMPTY": "", "GREETING": 'a = "b"', "TZ": "Europe/Paris"}
    assert manifest["secrets_env"] == "DATABASE_URL:VERBOSE:WORKERS"
    verdict = owner.ok("verify", "shop")
    for said in (verdict.out + verdict.err, owner.ok("status", "shop").out):
        assert "TZ=Europe/Paris" in said and "DATABASE_URL:VERBOSE:WORKERS" in said
        assert "s3cr3t" not in said
    assert "s3cr3t" not in owner.ok("logs", shop["id"]).out
    found = subprocess.run([ROOT / "tools" / "find-in-clear", node, "s3cr3t-v4lue-1848"], text=True,
                           capture_output=True, check=False)
    assert found.returncode == 0 and found.stdout == "", found


def test_no_secret_is_in_a_process_s_arguments_or_first_environment(shop):
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        for file in ("environ", "cmdline"):
            try:
                text = (entry / file).read_bytes()
            except OSError:
                continue
            assert b"s3cr3t-v4lue" not in text, f"{entry}/{file}"


def test_another_value_is_another_fingerprint_and_diff_names_it(owner):
    texts = []
    for value in ("1", "2"):
        project = owner.project("varied", {"app.py": CODE}, toml=f'[env]\nLEVEL = "{value}"\n')
        done = owner.ok("deploy", "--path", project, "--dry-run", "--json").json
        texts.append(owner.folder / f"manifest-{value}")
        texts[-1].write_text(json.dumps(done["manifest"], sort_keys=True, separators=(",", ":")))
    differences = {line["field"]: line for line in owner.run("diff", "--json", *texts).json}
    assert differences["env.LEVEL"]["a"] == "1" and differences["env.LEVEL"]["b"] == "2"


def test_what_would_break_the_enclave_is_refused_before_anything_leaves(owner):
    for name in ("PATH", "LD_PRELOAD", "PYTHONPATH", "HOME", "MSE_NODE", "TMPDIR"):
        project = owner.project("refused", {"app.py": CODE}, toml=f'[env]\n{name} = "/x"\n')
        done = owner.run("deploy", "--path", project, "--yes")
        assert done.status == 1 and f"an app may not set '{name}'" in done.err, done


def test_a_secret_named_like_the_linker_s_variable_is_refused(owner):
    project = owner.project("refused", {"app.py": CODE}, toml="secrets_env = true\n",
                            secrets={"LD_PRELOAD": "/root/evil.so"})
    done = owner.run("deploy", "--path", project, "--yes")
    assert done.status == 1 and "'LD_PRELOAD' cannot be a variable" in done.err, done


def test_all_secrets_and_the_local_server(owner):
    code = CODE.replace("flask", "flask")
    project = owner.project("local", {"app.py": code}, toml='secrets_env = true\n' + PLAIN,
                            secrets={"TOKEN": "s3cr3t-v4lue-1850"})
    (project / "tests").mkdir(exist_ok=True)
    (project / "tests" / "look.py").write_text(
        "import json, os, urllib.request\n"
        "url = os.environ['TEST_REMOTE_URL'] + '/variables'\n"
        "found = json.load(urllib.request.urlopen(url))\n"
        "assert found['TOKEN'] == 's3cr3t-v4lue-1850', found\n"
        "assert found['TZ'] == 'Europe/Paris' and found['EMPTY'] == '', found\n")
    toml = project / "mse.toml"
    toml.write_text('tests = "./tests"\ntests_cmd = "python3 look.py"\n' + toml.read_text())
    owner.ok("localtest", "--path", project)
    assert seen(owner.deploy(project))["TOKEN"] == "s3cr3t-v4lue-1850"


UPLOADS = """
import os, shutil, tempfile
from flask import Flask, jsonify, request
app = Flask(__name__)
LEFT = sorted(os.listdir("/tmp"))

@app.get("/")
def index():
    usage = shutil.disk_usage("/tmp")
    return jsonify(left=LEFT, tmpdir=os.environ["TMPDIR"], folder=tempfile.gettempdir(),
                   total=usage.total)

@app.put("/keep")
def keep():
    with tempfile.NamedTemporaryFile(prefix="kept-", delete=False) as file:
        try:
            shutil.copyfileobj(request.stream, file, 1 << 20)
        except OSError as error:
            os.unlink(file.name)
            while request.stream.read(1 << 20):
                pass  # the client hears of it at its end
            return error.strerror, 507
        file.seek(0)
        return str(sum(len(part) for part in iter(lambda: file.read(1 << 20), b"")))
"""
MIB = 1 << 20


def upload(app, size):
    return requests.put(app["url"] + "/keep", verify=app["certificate"], timeout=120,
                        data=(b"x" * MIB for _ in range(size)))


@pytest.fixture
def small(workspace):
    """A node whose apps have little memory: /tmp in memory may take a quarter of it."""
    someone = Owner(workspace / "small-owner", workspace / "small-state")
    someone.folder.mkdir()
    folder = workspace / "small-state" / "node"
    folder.mkdir(parents=True)
    quota = "" if os.geteuid() == 0 else 'quota = "none"\n'
    (folder / "msed.toml").write_text(
        f'state = "{folder}"\nsocket = "{folder}/msed.sock"\nlisten = ""\ndomain = "localhost"\n'
        f'{quota}[hardware.free]\nmemory = "160M"\nstorage = "512M"\n')
    someone.ok("node", "start")
    yield someone
    someone.ok("node", "stop", "--apps")


def test_an_upload_larger_than_memory(small):
    """In memory it does not fit; with [storage] tmp it does, up to the size that is named."""
    without = small.deploy(small.project("memory", {"app.py": UPLOADS}))
    assert upload(without, 200).status_code == 507
    small.ok("stop", "--yes", without["id"])
    app = small.deploy(small.project("disk", {"app.py": UPLOADS}, toml='[storage]\ntmp = "300M"\n'))
    first = get(app, "/").json()
    assert first == {"left": [], "tmpdir": "/tmp", "folder": "/tmp", "total": 300 * MIB}
    done = upload(app, 200)
    assert (done.status_code, done.text) == (200, str(200 * MIB))
    assert upload(app, 200).status_code == 507  # the first is still there
    small.ok("restart", app["id"])
    assert get(app, "/").json()["left"] == []
    assert upload(app, 200).status_code == 200
    assert "300.0 MiB of encrypted storage" in small.ok("status", "disk").out


def test_tmp_must_fit_into_the_storage(owner):
    project = owner.project("large", {"app.py": UPLOADS}, toml='[storage]\ntmp = "256M"\n')
    done = owner.run("deploy", "--path", project, "--yes")
    assert done.status == 1 and "less than the storage of 'free'" in done.err, done
