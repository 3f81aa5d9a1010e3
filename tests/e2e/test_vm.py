# SPDX-License-Identifier: Apache-2.0
"""Apps in a VM, under QEMU's TCG with the simulated TEE: a whole deployment on a profile with launcher
`vm`, its data over a restart, and what is refused. Skipped aloud without QEMU, mse-init or packages."""
import hashlib
import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

import pytest

from conftest import BUILD, Owner
from test_image import CACHE, UNAVAILABLE, tool

COUNTER = """
import os
def app(environ, start):
    place = os.path.expanduser("~/count")
    count = int(open(place).read()) + 1 if os.path.exists(place) else 1
    open(place, "w").write(str(count))
    start("200 OK", [])
    return [b"%d" % count]
"""

# A VM that is killed is a power cut: what is to be there afterwards was synchronised.
CAREFUL = COUNTER.replace('''    open(place, "w").write(str(count))
''', '''    with open(place + ".new", "w") as file:
        file.write(str(count))
        file.flush()
        os.fsync(file.fileno())
    os.rename(place + ".new", place)
    folder = os.open(os.path.dirname(place), os.O_RDONLY)
    os.fsync(folder)
    os.close(folder)
''')

LOOK = """
import json, os, socket

def ask(kind, body=b""):  # pid 1's broker: the app shares the process that may ask it
    with socket.socket(fileno=os.dup(5)) as broker:
        broker.send(bytes([kind]) + body)
        answer = broker.recv(70000)
    return answer[0], answer[1:].decode(errors="replace")

def attempt(what):
    try:
        return what() and "done"
    except OSError as error:
        return type(error).__name__

def app(environ, start):
    start("200 OK", [])
    with open("/run/mse/package/manifest.json", "rb") as file:
        import hashlib
        fingerprint = hashlib.sha256(file.read()).digest()
    return [json.dumps({
        "dev": sorted(os.listdir("/dev")), "sys": os.path.exists("/sys"),
        "map": open("/proc/self/uid_map").read().split(),
        "status": open("/proc/self/status").read(),
        "processes": [name for name in os.listdir("/proc") if name.isdigit()],
        "root": attempt(lambda: open("/x", "w")), "usr": attempt(lambda: open("/usr/x", "w")),
        "sysctl": attempt(lambda: open("/proc/sys/kernel/hostname", "w")),
        "home": attempt(lambda: open(os.path.expanduser("~/x"), "w")),
        "evidence": ask(1, bytes(64)), "key": ask(2, fingerprint), "storage": ask(4, bytes(32)),
    }).encode()]
"""


@pytest.fixture(scope="module")
def work():
    with tempfile.TemporaryDirectory(prefix="mse-test-vm-") as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.fixture(scope="module")
def image(work):
    if shutil.which("qemu-system-x86_64", path="/usr/bin") is None:
        pytest.skip("no qemu-system-x86_64 (Debian package qemu-system-x86)")
    if not (BUILD / "mse-init").exists():
        pytest.skip("no mse-init in the build: no image can be made")
    CACHE.mkdir(exist_ok=True)
    done = tool("build", "mse-flask", "--output", work / "image", "--enclave", BUILD / "mse-enclave",
                "--init", BUILD / "mse-init", "--cache", CACHE)
    if done.returncode == UNAVAILABLE or "the signed lists" in done.stderr or \
            "packages: 'apt-get' failed" in done.stderr:
        pytest.skip("no packages for an image: " + done.stderr.strip().splitlines()[-1])
    assert done.returncode == 0, done.stderr
    return work / "image"


@pytest.fixture(scope="module")
def owner(work, image):
    node = work / "state" / "node"
    node.mkdir(parents=True)
    (node / "msed.toml").write_text(f"""
state = "{node}"
socket = "{node}/msed.sock"
listen = ""
domain = "localhost"
[limits]
start_timeout = 180
[hardware.free]
storage = "256M"
[hardware.confidential]
launcher = "vm"
tee = "simulation"
memory = "256M"
storage = "64M"
[hardware.small]
launcher = "vm"
memory = "128M"
storage = "64M"
[hardware.snp]
launcher = "vm"
tee = "snp"
memory = "256M"
storage = "64M"
[environments.vm]
image = "{image}"
""")
    one = Owner(work / "owner", work / "state")
    one.folder.mkdir()
    one.ok("node", "start")
    yield one
    one.run("node", "stop", "--apps", timeout=180)


def project(owner, name, resource, environment, code=COUNTER, requirements=None, image=None):
    files = {"app.py": code}
    if requirements is not None:
        files["requirements.txt"] = requirements
    folder = owner.project(name, files)
    toml = (folder / "mse.toml").read_text()
    (folder / "mse.toml").write_text(
        toml.replace("[code]", f'resource = "{resource}"\n[code]\ndocker = "{environment}"' + (
            f'\nimage = "{image}"' if image else "")))
    return folder


def get(app):
    return subprocess.run(["curl", "--silent", "--cacert", app["certificate"], app["url"]], text=True,
                          capture_output=True, check=False).stdout


def check_the_image(owner, app, image, work):
    """A user's side: context, certificate and the image's folder, and no node."""
    context = work / "counter.context"
    owner.ok("context", "--export", "counter", "--output", context)
    user = Owner(work / "user", work / "elsewhere")
    user.folder.mkdir()
    checked = user.ok("verify", "--context", context, "--image", image)
    assert "the image is the manifest's" in checked.err and "SIMULATED" in checked.out.upper()
    other = work / "other-image"
    shutil.copytree(image, other, ignore=shutil.ignore_patterns("inputs"))
    (other / "root").write_bytes((other / "root").read_bytes()[:-4096])
    changed = user.run("verify", "--context", context, "--image", other)
    assert changed.status == 1 and "root' has" in changed.err, changed
    description = (other / "image.json").read_text()
    (other / "image.json").write_text(description.replace('"name":"mse-flask"', '"name":"mse-other"'))
    another = user.run("verify", "--context", context, "--image", other)
    assert another.status == 3 and "does not run in the image" in another.err, another
    weak = description.replace("console=mse", "console=ttyS0")
    (other / "image.json").write_text(weak)
    assert "a debug image" in user.run("verify", "--context", context, "--image", other).err
    assert user.run("verify", app["url"], "--image", image).status == 2


def test_an_app_in_a_vm_keeps_its_data(owner, image, work):
    app = owner.deploy(project(owner, "counter", "confidential", "vm"), timeout=240)
    assert app["tee"] == "simulation"
    check_the_image(owner, app, image, work)
    first = int(get(app))
    owner.ok("restart", "counter", timeout=240)
    assert int(get(app)) > first
    assert "mse-init: world" not in owner.ok("logs", "counter").out
    log = owner.ok("logs", "--boot", "counter").out
    assert "mse-init: world" in log and "enclave: app" in log
    owner.ok("stop", "counter", "--yes", timeout=120)


def test_what_the_owner_keeps_goes_on_in_the_next_release(owner):
    """A VM has no place for a slot yet: each start waits for its owner."""
    folder = project(owner, "kept", "confidential", "vm")
    with open(folder / "mse.toml", "a", encoding="utf-8") as toml:
        toml.write('[storage]\nkeep = "owner"\n')
    first = owner.deploy(folder, timeout=240)
    counts = [int(get(first))]
    (folder / "code/app.py").write_text(COUNTER + "\n# changed\n")
    owner.ok("deploy", "--path", folder, "--yes", timeout=240)
    counts.append(int(get(first)))
    assert "is locked" in owner.ok("restart", "kept", timeout=240).err
    owner.ok("unlock", "kept", timeout=240)
    counts.append(int(get(first)))
    assert counts[0] < counts[1] < counts[2]
    owner.ok("stop", "kept", "--yes")


ENVIRONMENT = """
import json, os, shutil
AT_IMPORT = dict(os.environ)
LEFT = sorted(os.listdir("/tmp"))

def release():
    with open(os.path.expanduser("~/releases"), "a") as file:
        file.write("one ")

def app(environ, start):
    start("200 OK", [])
    with open("/tmp/large", "wb") as file:
        for _ in range(20):
            file.write(bytes(1 << 20))
    releases = open(os.path.expanduser("~/releases")).read()
    return [json.dumps({"variables": AT_IMPORT, "left": LEFT, "releases": releases.split(),
                        "total": shutil.disk_usage("/tmp").total}).encode()]
"""


def test_variables_tmp_and_release_command_in_a_vm(owner):
    folder = project(owner, "surroundings", "confidential", "vm", code=ENVIRONMENT)
    (folder / "secrets.json").write_text('{"TOKEN": "s3cr3t-v4lue-2291"}')
    toml = (folder / "mse.toml").read_text()
    (folder / "mse.toml").write_text(toml.replace(
        "[code]", '[code]\nsecrets = "secrets.json"\nsecrets_env = true') +
        '[env]\nGREETING = "hello"\n[storage]\ntmp = "24M"\n[deploy]\nrelease_command = "app:release"\n')
    app = owner.deploy(folder, timeout=240)
    for start in range(2):
        if start > 0:
            owner.ok("restart", "surroundings", timeout=240)
        found = json.loads(get(app))
        assert found["left"] == [] and found["releases"] == ["one"] and found["total"] == 24 << 20
        assert found["variables"]["TOKEN"] == "s3cr3t-v4lue-2291"
        assert found["variables"]["GREETING"] == "hello" and found["variables"]["TMPDIR"] == "/tmp"
    assert "s3cr3t" not in owner.ok("logs", "surroundings").out
    owner.ok("stop", "surroundings", "--yes", timeout=120)


def qemu_of(app):
    """Only what is this app's: its folder is among the mounts."""
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if (process / "comm").read_text().startswith("qemu-system") and \
                    app["id"] in (process / "mountinfo").read_text():
                return int(process.name)
        except OSError:
            continue
    return None


def answer_of(app, timeout=120):
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        text = get(app)
        if text.isdigit():
            return int(text)
        time.sleep(0.5)
    raise AssertionError("it does not answer again")


def test_what_a_host_breaks_between_two_starts(owner, work):
    """QEMU is killed: the app comes back with its data. Another manifest: it does not start, and says why;
    with what was there before it does."""
    app = owner.deploy(project(owner, "faults", "confidential", "vm", code=CAREFUL), timeout=240)
    count = int(get(app))
    os.kill(qemu_of(app), signal.SIGKILL)
    assert answer_of(app) == count + 1
    folder = next(work.glob(f"state/**/apps/{app['id']}"))
    manifest = folder / "package" / "manifest.json"

    def broken(file, change, reason):
        os.kill(qemu_of(app), signal.SIGSTOP)  # what it wrote is what is put back
        before = file.read_bytes()
        try:
            file.write_bytes(change(before))
            os.kill(qemu_of(app), signal.SIGKILL)
            deadline = time.monotonic() + 180
            while time.monotonic() < deadline:
                status = owner.ok("status", "faults", "--json").json
                if reason in status.get("reason", ""):
                    break
                time.sleep(0.5)
            assert reason in status["reason"], status
        finally:
            file.write_bytes(before)

    broken(manifest, lambda data: data.replace(b'"name":"faults"', b'"name":"fault2"'),
           "this fingerprint is not that of the app")
    owner.ok("restart", "faults", timeout=240)
    assert answer_of(app) == count + 2
    owner.ok("stop", "faults", "--yes", timeout=120)


def test_what_an_app_finds_in_its_vm(owner):
    """No device but seven, one of which is hidden; nothing of the image to write to; and of what keeps
    the TEE and the storage, evidence alone."""
    app = owner.deploy(project(owner, "look", "confidential", "vm", code=LOOK), timeout=240)
    found = json.loads(get(app))
    owner.ok("stop", "look", "--yes", timeout=120)
    assert set(found["dev"]) == {"fd", "full", "fuse", "null", "random", "shm", "stderr", "stdin",
                                 "stdout", "tty", "urandom", "zero"}
    assert not found["sys"] and found["map"] == ["0", "1000", "1"]
    assert "CapEff:\t0000000000000000" in found["status"]
    assert "CapBnd:\t0000000000000000" in found["status"]
    assert len(found["processes"]) == 1
    assert (found["root"], found["usr"], found["sysctl"], found["home"]) == (
        "OSError", "OSError", "PermissionError", "done")
    assert found["evidence"][0] == 0
    assert found["key"] == [1, "no key is given any more"]
    assert found["storage"] == [1, "the storage is opened once"]


@pytest.mark.parametrize("name, resource, environment, requirements, part", [
    ("plain", "confidential", "mse-flask", None, "environment 'mse-flask' is no image"),
    ("inside", "free", "vm", None, "environment 'vm' is an image"),
    ("more", "confidential", "vm", "flask\n", "requirements.txt cannot add yet"),
    ("small", "small", "vm", None, "needs 256 MiB of memory"),
    ("trust", "snp", "vm", None, "names no folder of an image"),
])
def test_what_cannot_be_is_refused(owner, name, resource, environment, requirements, part):
    refused = owner.run("deploy", "--path", project(owner, name, resource, environment,
                                                    requirements=requirements), "--yes", timeout=240)
    assert refused.status != 0 and part in refused.err


def digest_of(image):
    return "sha256:" + hashlib.sha256((image / "image.json").read_bytes()).hexdigest()


def test_another_image_than_the_owner_trusts_gets_nothing(owner, image):
    other = "sha256:" + "5a" * 32
    refused = owner.run("deploy", "--path", project(owner, "other", "confidential", "vm", image=other),
                        "--yes")
    assert refused.status != 0 and other in refused.err and digest_of(image) in refused.err
    assert "mse image verify DIR" in refused.err
    assert "other" not in {app["name"] for app in owner.ok("list", "--json").json}


def test_the_trusted_image_is_accepted(owner, image):
    """By its digest, and by its folder."""
    named = project(owner, "named", "confidential", "vm", image=digest_of(image))
    assert owner.deploy(named, timeout=240)["tee"] == "simulation"
    owner.ok("stop", "named", "--yes", timeout=120)
    owner.ok("deploy", "--dry-run", "--path", project(owner, "folder", "confidential", "vm", image=image))


def test_a_chip_has_to_measure_the_trusted_image(owner, image, work):
    """The policy is computed from the folder before anything is uploaded: a digest alone is not
    enough, and a file that is not the image's is named."""
    by_digest = owner.run("deploy", "--yes", "--path",
                          project(owner, "chip", "snp", "vm", image=digest_of(image)))
    assert by_digest.status != 0 and "names no folder of an image" in by_digest.err
    mine = work / "mine"
    shutil.copytree(image, mine, ignore=shutil.ignore_patterns("inputs"))
    by_folder = project(owner, "chip", "snp", "vm", image=mine)
    owner.ok("deploy", "--dry-run", "--path", by_folder)
    if not Path("/dev/sev").exists():
        refused = owner.run("deploy", "--yes", "--path", by_folder, timeout=240)
        assert refused.status != 0 and "this machine cannot start snp guests" in refused.err
    kernel = (mine / "kernel").read_bytes()
    (mine / "kernel").write_bytes(kernel[:-1] + bytes([kernel[-1] ^ 1]))
    refused = owner.run("deploy", "--dry-run", "--path", by_folder)
    assert refused.status != 0 and "kernel' has SHA-256" in refused.err


def test_a_changed_image_is_named(owner, image):
    root = image / "root"
    good = root.read_bytes()
    root.write_bytes(bytes([good[0] ^ 1]) + good[1:])
    try:
        refused = owner.run("deploy", "--path", project(owner, "changed", "confidential", "vm"), "--yes",
                            timeout=240)
    finally:
        root.write_bytes(good)
    assert refused.status != 0 and "root' is not the one that image.json names" in refused.err
