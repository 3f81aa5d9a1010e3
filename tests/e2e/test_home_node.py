# SPDX-License-Identifier: Apache-2.0
"""The simulation is a default at home only. Behind a socket that is forwarded from elsewhere another
machine's operator may answer: there nothing secret is sent to a simulated TEE without the owner's
word, whatever the socket's path looks like."""
import os
import socket
import subprocess
import threading
import time

import pytest

from test_main_job import HELLO


class Relay:
    """What ssh -L does with a socket: listens here, and passes every byte on."""

    def __init__(self, path: str, real: str):
        self.real = real
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(path)
        self.listener.listen()
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                here, _ = self.listener.accept()
            except OSError:
                return
            there = socket.socket(socket.AF_UNIX)
            there.connect(self.real)
            for pair in ((here, there), (there, here)):
                threading.Thread(target=self.pump, args=pair, daemon=True).start()

    @staticmethod
    def pump(source, sink):
        try:
            while data := source.recv(65536):
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def close(self):
        self.listener.close()


class Socat:
    def __init__(self, path: str, real: str):
        self.process = subprocess.Popen(["socat", f"UNIX-LISTEN:{path},fork", f"UNIX-CONNECT:{real}"])
        deadline = time.monotonic() + 10
        while not os.path.exists(path) and time.monotonic() < deadline:
            time.sleep(0.01)

    def close(self):
        self.process.terminate()
        self.process.wait(10)


@pytest.fixture(params=[Relay, Socat])
def forwarded(request, owner, node):
    path = str(owner.folder / "forwarded.sock")
    forwarder = request.param(path, str(node / "node" / "msed.sock"))
    yield path, "socat" if request.param is Socat else "python"
    forwarder.close()


def with_tee(project, tee):
    (project / "mse.toml").write_text(f'tee = "{tee}"\n' + (project / "mse.toml").read_text())
    return project


def test_a_forwarded_socket_is_not_home(owner, forwarded):
    path, program = forwarded
    project = owner.project("away", {"app.py": HELLO}, secrets={"token": "nobody-may-hear"})
    result = owner.run("deploy", "--path", project, "--yes", "--node", path)
    assert result.status == 3, result
    assert "is not provably the one on this machine" in result.err and program in result.err
    assert '--simulation' in result.err and 'tee = "simulation"' in result.err
    assert [app for app in owner.ok("list", "--json").json
            if app["name"] == "away" and app["state"] != "stopped"] == []


def test_a_forwarded_socket_with_the_owners_word(owner, forwarded):
    path, _ = forwarded
    project = owner.project("wanted", {"app.py": HELLO})
    app = owner.deploy(project, "--node", path, "--simulation")
    assert app["tee"] == "simulation"
    app = owner.deploy(with_tee(project, "simulation"), "--node", path)
    assert app["tee"] == "simulation"
    owner.ok("verify", app["id"])


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to make a PID namespace")
def test_a_socket_that_is_mounted_into_a_container(owner, node):
    """The kernel names no process there: the one that listens is in a namespace that mse does not see."""
    project = owner.project("boxed", {"app.py": HELLO})
    command = ["unshare", "--pid", "--fork", "--mount-proc", str(owner.mse), "deploy", "--path", str(project),
               "--yes", "--node", str(node / "node" / "msed.sock")]
    done = subprocess.run(command, env=owner.env, cwd=owner.folder, capture_output=True, text=True,
                          timeout=120, check=False)
    assert done.returncode == 3 and "is outside this container" in done.stderr, done.stdout + done.stderr
    allowed = subprocess.run([*command, "--simulation"], env=owner.env, cwd=owner.folder,
                             capture_output=True, text=True, timeout=120, check=False)
    assert allowed.returncode == 0, allowed.stdout + allowed.stderr


def test_home_by_another_name(owner, node):
    """The path is of no importance, the process behind it is."""
    link = owner.folder / "link.sock"
    link.symlink_to(node / "node" / "msed.sock")
    assert owner.deploy(owner.project("linked", {"app.py": HELLO}), "--node", link)["tee"] == "simulation"


def test_the_tee_that_mse_toml_names(owner, tmp_path):
    project = with_tee(owner.project("strict", {"app.py": HELLO}), "snp")
    result = owner.run("deploy", "--path", project, "--yes")
    assert result.status == 3 and "policy.tee" in result.err and "snp" in result.err
    (project / "mse.toml").write_text((project / "mse.toml").read_text().replace('"snp"', '"sxg"'))
    wrong = owner.run("deploy", "--path", project, "--yes")
    assert wrong.status == 1 and "mse.toml:1: tee" in wrong.err
    (project / "policy.toml").write_text('tee = "simulation"\n')
    text = (project / "mse.toml").read_text().split("\n", 1)[1]
    (project / "mse.toml").write_text('policy = "./policy.toml"\n' + text)
    owner.deploy(project)
    both = owner.run("deploy", "--path", project, "--yes", "--simulation")
    assert both.status == 1 and "its own key 'tee'" in both.err


def test_verify_takes_the_word_too(owner, tmp_path):
    app = owner.deploy(owner.project("looked", {"app.py": HELLO}))
    stranger = {"MSE_CONFIG_HOME": str(tmp_path / "nobody")}
    assert owner.run("verify", app["url"], env=stranger).status == 3
    accepted = owner.ok("verify", app["url"], "--simulation", env=stranger)
    assert "protects nothing from the operator" in accepted.out
    (tmp_path / "policy.toml").write_text("")
    both = owner.run("verify", app["url"], "--simulation", "--policy", tmp_path / "policy.toml", env=stranger)
    assert both.status == 2
