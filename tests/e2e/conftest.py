# SPDX-License-Identifier: Apache-2.0
"""What the end-to-end tests share: real programs in folders of their own, and a look around
afterwards for anything that leaked."""
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("MSE_BUILD", ROOT / "build"))
MSE = BUILD / "mse"

sys.path.insert(0, str(Path(__file__).parent))


class Result:
    def __init__(self, process):
        self.status = process.returncode
        self.out = process.stdout
        self.err = process.stderr

    @property
    def json(self):
        return json.loads(self.out)

    def __repr__(self):
        return f"status {self.status}\n--- stdout\n{self.out}\n--- stderr\n{self.err}"


class Owner:
    """One owner: a config folder of its own, talking to one node."""

    def __init__(self, folder: Path, node_state: Path):
        self.folder = folder
        self.mse = MSE
        self.config = folder / "config"
        self.env = {
            "PATH": f"{BUILD}:/usr/sbin:/usr/bin:/sbin:/bin",
            "HOME": str(folder),
            "LANG": "C.UTF-8",
            "MSE_CONFIG_HOME": str(self.config),
            "MSE_STATE_HOME": str(node_state),
        }
        for name, value in os.environ.items():
            if name.startswith("PIP_") or name in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"):
                self.env[name] = value

    def small_storage(self):
        """What `mse node start` would write, with little storage for each app: all of a quota is
        allocated, and many tests share the disk."""
        folder = Path(self.env["MSE_STATE_HOME"]) / "node"
        folder.mkdir(parents=True, exist_ok=True)
        config = folder / "msed.toml"
        if config.exists():
            return
        quota = "" if os.geteuid() == 0 else 'quota = "none"\n'
        config.write_text(f'state = "{folder}"\nsocket = "{folder}/msed.sock"\nlisten = ""\n'
                          f'domain = "localhost"\n{quota}[hardware.free]\nstorage = "256M"\n')

    def run(self, *arguments, cwd=None, timeout=120, env=None, stdin=None) -> Result:
        if arguments == ("node", "start"):
            self.small_storage()
        if arguments == ("node", "stop", "--apps"):
            arguments += ("--yes",)
        process = subprocess.run([str(self.mse), *map(str, arguments)], cwd=cwd or self.folder,
                                 env={**self.env, **(env or {})}, text=True, timeout=timeout,
                                 input=stdin, capture_output=True, check=False)
        return Result(process)

    def ok(self, *arguments, **options) -> Result:
        result = self.run(*arguments, **options)
        assert result.status == 0, f"mse {' '.join(map(str, arguments))}: {result!r}"
        return result

    def deploy(self, project: Path, *arguments, **options) -> dict:
        return self.ok("deploy", "--path", project, "--yes", "--discard-data", "--json", *arguments, **options).json

    def project(self, name: str, code: dict, toml: str = "", secrets: dict | None = None) -> Path:
        """Writes a project; `code` maps file names to content, `toml` is added to mse.toml."""
        folder = self.folder / name
        (folder / "code").mkdir(parents=True, exist_ok=True)
        for file, text in code.items():
            path = folder / "code" / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(text if isinstance(text, bytes) else text.encode())
        lines = [f'name = "{name}"', "[code]", 'location = "./code"',
                 'python_application = "app:app"', 'healthcheck_endpoint = "/"']
        if secrets is not None:
            (folder / "secrets.json").write_text(json.dumps(secrets))
            lines.append('secrets = "./secrets.json"')
        (folder / "mse.toml").write_text("\n".join(lines) + "\n" + toml)
        return folder


def leftovers(state: Path) -> list:
    """Processes, mounts and loop devices that still know this node's folder."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if str(state) in command:
            found.append(f"process {entry.name}: {command}")
    mounts = Path("/proc/self/mountinfo").read_text().splitlines()
    found += [f"mount: {line}" for line in mounts if str(state) in line]
    for loop in Path("/sys/block").glob("loop*/loop/backing_file"):
        try:
            backing = loop.read_text().strip()
        except OSError:
            continue
        if str(state) in backing:
            found.append(f"loop device {loop.parts[3]}: {backing}")
    return found


@pytest.fixture(scope="session")
def workspace():
    folder = Path(tempfile.mkdtemp(prefix="mse-e2e-", dir="/tmp"))  # short: sockets live below it
    os.chmod(folder, 0o755)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def node(workspace):
    """A local node for all tests that do not need one of their own."""
    state = workspace / "state"
    owner = Owner(workspace / "owner", state)
    owner.folder.mkdir()
    owner.ok("node", "start")
    yield state
    stopped = owner.run("node", "stop", "--apps")
    log = next(iter(state.glob("**/msed.log")), None)
    text = log.read_text() if log else ""
    assert stopped.status == 0, f"{stopped!r}\n{text}"
    deadline = time.monotonic() + 10
    while leftovers(state) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert leftovers(state) == []
    alarms = [line for line in text.splitlines() if "Z error msed: " in line or "Sanitizer" in line]
    assert alarms == []


@pytest.fixture
def owner(workspace, node, request):
    folder = Path(tempfile.mkdtemp(prefix="o-", dir=workspace))
    os.chmod(folder, 0o755)
    someone = Owner(folder, node)
    yield someone
    listed = someone.run("list", "--json")
    if listed.status == 0:
        for app in listed.json:
            if app["state"] != "stopped" and (someone.config / "contexts").glob(f"{app['id']}*"):
                contexts = [p.name for p in (someone.config / "contexts").glob("*")]
                if any(app["id"] in name for name in contexts):
                    someone.run("stop", "--yes", app["id"])


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
