# SPDX-License-Identifier: Apache-2.0
"""The operator with its hands in an app's storage. The node is down, so the test starts and ends the
app's supervisor itself; between two starts the cipher text is an ordinary folder."""
import fcntl
import http.client
import json
import os
import select
import shutil
import signal
import socket
import ssl
import subprocess
import time
from pathlib import Path

from conftest import BUILD, Owner

PROXY_LOCAL = b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0"  # what the gateway says first


class Connection(http.client.HTTPSConnection):
    """To the enclave, past the node's gateway."""

    def __init__(self, path: Path, context: ssl.SSLContext):
        super().__init__("localhost", timeout=30, context=context)
        self.path = path
        self.tls = context

    def connect(self):
        plain = socket.socket(socket.AF_UNIX)
        plain.settimeout(30)
        plain.connect(str(self.path))
        plain.sendall(PROXY_LOCAL)
        seen = []
        self.tls._msg_callback = lambda *what: seen.append(what[1:3] + what[3:4] + (what[5][:48],))
        try:
            self.sock = self.tls.wrap_socket(plain, server_hostname="localhost")
        except ssl.SSLCertVerificationError:
            raise
        except ssl.SSLError as error:  # what came instead tells who wrote it
            raise AssertionError(f"no TLS: {error}; the last records: {seen[-4:]}") from error


class Disk:
    """An app of a node that has ended, and what is left of it on the disk."""

    def __init__(self, folder: Path, code: dict, secrets: dict, toml: str = ""):
        state = folder / "s"
        (state / "node").mkdir(parents=True)
        (state / "node/msed.toml").write_text(
            f'state = "{state}/node"\nsocket = "{state}/node/msed.sock"\nlisten = ""\n'
            'domain = "localhost"\nquota = "none"\n')
        self.owner = Owner(folder / "o", state)
        self.owner.folder.mkdir()
        self.owner.ok("node", "start")
        self.app = self.owner.deploy(self.owner.project("victim", code, toml, secrets))
        self.certificate = Path(self.app["certificate"])
        self.run = state / "node/apps" / self.app["id"]
        self.storage = self.run / "storage"
        self.copy = folder / "copy"
        self.process = None
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(folder / "app.sock"))
        self.listener.listen(64)
        self.said = open(folder / "said", "w", encoding="utf-8")
        self.owner.ok("node", "stop")
        self.end_supervisor(int((self.run / "supervisor.lock").read_text().split()[0]))

    # --- the app's life

    def status(self) -> dict:
        return json.loads((self.run / "status.json").read_text())

    @staticmethod
    def end_supervisor(pid: int):
        """It is nobody's child any more."""
        process = os.pidfd_open(pid)
        signal.pidfd_send_signal(process, signal.SIGTERM)
        ended, _, _ = select.select([process], [], [], 20)
        os.close(process)
        assert ended, "the supervisor does not end"

    def start(self) -> str:
        """'running', 'waits for its owner', or why it did not start."""
        (self.run / "status.json").unlink(missing_ok=True)
        # 4: the listening socket of the app; without 3 it stays our child
        command = f'exec "$0" supervise "$1" 4<&{self.listener.fileno()} 3<&-'
        self.process = subprocess.Popen(["/bin/bash", "-c", command, BUILD / "msed", self.run],
                                        pass_fds=[self.listener.fileno()],
                                        stdout=subprocess.DEVNULL, stderr=self.said)
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            time.sleep(0.02)
            try:
                status = self.status()
            except FileNotFoundError:
                assert self.process.poll() is None, Path(self.said.name).read_text()
                continue
            if status["state"] == "initializing":
                return "waits for its owner"
            if status["state"] == "running":
                return "running"
            if status["state"] in ("stopped", "failed"):
                self.process.wait(20)
                self.process = None
                self.wait_for_lock()
                return status["reason"]
        raise AssertionError(f"neither started nor ended: {self.status()}")

    def stop(self):
        if self.process is not None:
            self.process.terminate()
            self.process.wait(30)
            self.process = None
        self.wait_for_lock()

    def wait_for_lock(self):
        """Held until nothing of the app is left."""
        with open(self.run / "supervisor.lock", "r+", encoding="ascii") as lock:
            for _ in range(500):
                try:
                    fcntl.lockf(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    return
                except OSError:
                    time.sleep(0.02)
        raise AssertionError("something of the app is left")

    def close(self):
        """Back to the node, which ends what is left."""
        self.stop()
        self.listener.close()
        self.owner.ok("node", "start")
        self.owner.ok("node", "stop", "--apps")

    # --- the app's users

    def ask(self, method="GET", path="/", body=None, context=None):
        return json.loads(self.say(method, path, body, context))

    def say(self, method="GET", path="/", body=None, context=None) -> str:
        context = context or ssl.create_default_context(cafile=self.certificate)
        connection = Connection(self.listener.getsockname(), context)
        try:
            connection.request(method, path, body=body)
            answer = connection.getresponse()
        except OSError as error:  # whoever closed it has said why, if anywhere
            log = (self.run / "log").read_text(errors="replace")[-1500:]
            raise AssertionError(f"{error!r}; status {self.status()}; the end of the log:\n{log}") from error
        text = answer.read()
        connection.close()
        assert answer.status == 200, text
        return text.decode()

    def public_key(self) -> bytes:
        """Of whoever answers, certificate unchecked."""
        context = ssl._create_unverified_context()
        connection = Connection(self.listener.getsockname(), context)
        connection.connect()
        der = connection.sock.getpeercert(binary_form=True)
        connection.close()
        return key_of(ssl.DER_cert_to_PEM_cert(der))

    # --- the operator

    def save(self, to: Path | None = None):
        to = to or self.copy
        shutil.rmtree(to, ignore_errors=True)
        subprocess.run(["cp", "-a", self.storage, to], check=True)

    def restore(self, of: Path | None = None):
        shutil.rmtree(self.storage)
        subprocess.run(["cp", "-a", of or self.copy, self.storage], check=True)

    def names(self) -> list[Path]:
        """Every name in the storage but its root, relative to it."""
        return sorted(p.relative_to(self.storage) for p in self.storage.rglob("*"))


def key_of(pem: str) -> bytes:
    return subprocess.run(["openssl", "x509", "-noout", "-pubkey"], input=pem.encode(), check=True,
                          capture_output=True).stdout
