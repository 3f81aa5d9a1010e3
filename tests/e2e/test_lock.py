# SPDX-License-Identifier: Apache-2.0
"""requirements.txt to wheels with hashes (`mse lock`), and apps that run on these alone. The wheels are made
here, and pip gets no index: no network."""
import base64
import hashlib
import tarfile
import zipfile

import pytest

from conftest import Owner
from test_node import get

APP = """
import json, greeting, wording
def app(environ, start):
    start("200 OK", [])
    return [json.dumps([greeting.hello(), greeting.__file__, wording.__file__]).encode()]
"""


def wheel(folder, name, version, source, needs=()):
    about = f"{name}-{version}.dist-info"
    files = {
        f"{name}.py": source,
        f"{about}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n" + "".join(
            f"Requires-Dist: {need}\n" for need in needs),
        f"{about}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    rows = []
    for path, text in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
        rows.append(f"{path},sha256={digest},{len(text.encode())}")
    files[f"{about}/RECORD"] = "\n".join(rows + [f"{about}/RECORD,,"]) + "\n"
    path = folder / f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for name_in, text in files.items():
            archive.writestr(zipfile.ZipInfo(name_in, (2020, 1, 1, 0, 0, 0)), text)
    return path


@pytest.fixture(scope="module")
def links(workspace):
    folder = workspace / "links"
    folder.mkdir()
    wheel(folder, "wording", "1.2", "WORDS = 'good day'\n")
    wheel(folder, "greeting", "1.0", "import wording\ndef hello():\n    return wording.WORDS\n", ["wording>=1.0"])
    with tarfile.open(folder / "sourceonly-1.0.tar.gz", "w:gz"):
        pass
    return folder


@pytest.fixture(scope="module")
def locker(workspace, links):
    """An owner with a node of its own, whose pip sees these wheels alone."""
    state = workspace / "lock-state"
    one = Owner(workspace / "locker", state)
    one.folder.mkdir()
    one.env = {name: value for name, value in one.env.items() if not name.startswith("PIP_")}
    one.env |= {"PIP_FIND_LINKS": str(links), "PIP_NO_INDEX": "1"}
    one.small_storage()
    with open(state / "node" / "msed.toml", "a", encoding="utf-8") as config:
        config.write("[environments.plain]\n[environments.more]\nrequirements = ['wording==1.2']\n")
    one.ok("node", "start")
    yield one
    one.ok("node", "stop", "--apps")


def project(locker, name, requirements, environment="plain"):
    return locker.project(name, {"app.py": APP, "requirements.txt": requirements},
                          toml=f'docker = "{environment}"\n')


def kept(locker):
    return sorted(locker.folder.glob("**/wheels/*.whl")) + sorted((locker.folder.parent / "lock-state").glob(
        "**/wheels/*.whl"))


def test_a_lock_is_the_same_each_time_and_its_wheels_come_back_by_hash(locker, links):
    folder = project(locker, "again", "greeting\n")
    assert "there is no" in locker.run("lock", "--check", "--path", folder).err
    first = locker.ok("lock", "--path", folder, "--json").json
    text = (folder / "code/requirements.lock").read_text()
    digest = hashlib.sha256((links / "greeting-1.0-py3-none-any.whl").read_bytes()).hexdigest()
    assert f"greeting==1.0 --hash=sha256:{digest}\nwording==1.2 --hash=sha256:" in text
    assert first["packages"] == 2 and first["layer"]
    assert len(kept(locker)) == 2
    for path in kept(locker):
        path.unlink()
    assert locker.ok("lock", "--check", "--path", folder, "--json").json["layer"] == first["layer"]
    assert len(kept(locker)) == 2  # fetched by their hashes, and kept
    assert locker.ok("lock", "--path", folder, "--json").json["layer"] == first["layer"]
    assert (folder / "code/requirements.lock").read_text() == text
    # Whoever changes what is kept changes nothing: it is fetched anew.
    kept(locker)[0].write_bytes(b"another")
    assert locker.ok("lock", "--check", "--path", folder, "--json").json["layer"] == first["layer"]


def test_only_wheels_are_taken(locker):
    folder = project(locker, "source", "sourceonly\n")
    refused = locker.run("lock", "--path", folder)
    assert refused.status == 5 and "sourceonly" in refused.err and "only wheels" in refused.err, refused
    assert not (folder / "code/requirements.lock").exists()


def test_an_app_runs_on_what_its_lock_names(locker, links):
    folder = project(locker, "locked", "greeting\n")
    locker.ok("lock", "--path", folder)
    place = links / "wording-1.2-py3-none-any.whl"
    good = place.read_bytes()
    wheel(links, "wording", "1.2", "WORDS = 'give me your money'\n")
    for path in kept(locker):
        path.unlink()
    foreign = locker.run("deploy", "--path", folder, "--yes")
    assert foreign.status != 0 and "DO NOT MATCH THE HASHES" in foreign.err, foreign
    refused = locker.run("lock", "--check", "--path", folder)
    assert refused.status == 5 and "DO NOT MATCH THE HASHES" in refused.err, refused
    assert "resolves anew" in refused.err
    place.write_bytes(good)
    app = locker.deploy(folder)
    assert get(app, "/").json() == ["good day", "/mse-env/site-packages/greeting.py",
                                    "/mse-env/site-packages/wording.py"]
    locker.ok("verify", "locked", "--code", folder / "code")
    lock = folder / "code/requirements.lock"
    text = lock.read_text()
    lock.write_text(text.replace("greeting==1.0", "greeting==1.1"))
    assert "is not the" in locker.run("verify", "locked", "--code", folder / "code").err
    lock.write_text(text)
    locker.ok("restart", "locked")
    assert get(app, "/").json()[0] == "good day"


def test_a_lock_that_does_not_fit_is_refused(locker):
    folder = project(locker, "stale", "greeting\n")
    locker.ok("lock", "--path", folder)
    lock = folder / "code/requirements.lock"
    text = lock.read_text()
    (folder / "code/requirements.txt").write_text("greeting\nwording\n")
    stale = locker.run("deploy", "--path", folder, "--yes")
    assert stale.status != 0 and "requirements.lock is stale" in stale.err and "mse lock" in stale.err
    (folder / "code/requirements.txt").write_text("greeting\n")
    python = text.splitlines()[1]
    lock.write_text(text.replace(python, "# python 3.9"))
    other = locker.run("deploy", "--path", folder, "--yes")
    assert other.status != 0 and "made for Python 3.9" in other.err and "--python" in other.err
    lock.write_text(text + "\n")
    assert "changed by hand" in locker.run("deploy", "--path", folder, "--yes").err
    lock.write_text(text)
    (folder / "mse.toml").write_text((folder / "mse.toml").read_text().replace('"plain"', '"more"'))
    more = locker.run("deploy", "--path", folder, "--yes")
    assert more.status != 0 and "installs 1 packages of its own" in more.err, more
