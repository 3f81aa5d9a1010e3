# SPDX-License-Identifier: Apache-2.0
"""Host names on a node that gives apps names: who claims one that is the node's, or somebody else's,
or of an app that is down, gets nothing; who proves it gets it. And strangers who say nothing to the
gateway keep nobody from an app."""
import hashlib
import http.client
import json
import os
import socket
import socketserver
import ssl
import struct
import subprocess
import threading
import time

import pytest

from adversary import UnixConnection
from conftest import BUILD, Owner, free_port, leftovers
from test_main_job import HELLO

DOMAIN = "apps.test"


class Names(socketserver.ThreadingUDPServer):
    """A DNS server that knows some TXT records, and aliases."""

    def __init__(self):
        self.texts = {}
        self.aliases = {}
        self.asked = []

        class Handler(socketserver.BaseRequestHandler):
            def handle(handler):
                question, sock = handler.request
                sock.sendto(self.answer(question), handler.client_address)

        super().__init__(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @staticmethod
    def wire(name):
        return b"".join(bytes([len(part)]) + part.encode() for part in name.split(".")) + b"\0"

    def answer(self, question):
        labels, at = [], 12
        while question[at]:
            labels.append(question[at + 1:at + 1 + question[at]].decode())
            at += 1 + question[at]
        asked = question[12:at + 5]
        name = ".".join(labels).lower()
        self.asked.append(name)
        records = []
        if name in self.aliases:
            target = self.wire(self.aliases[name])
            records.append(b"\xc0\x0c" + struct.pack(">HHIH", 5, 1, 60, len(target)) + target)
            name = self.aliases[name]
        for text in self.texts.get(name, []):
            data = bytes([len(text)]) + text.encode()
            records.append(self.wire(name) + struct.pack(">HHIH", 16, 1, 60, len(data)) + data)
        flags = 0x8180 if records else 0x8183
        return question[:2] + struct.pack(">HHHHH", flags, 1, len(records), 0, 0) + asked + b"".join(records)


class Authority:
    def __init__(self, folder):
        self.folder = folder
        self.openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                     "-days", "30", "-subj", "/CN=public", "-keyout", "ca.key", "-out", "ca.pem")

    def openssl(self, *arguments):
        done = subprocess.run(["openssl", *arguments], cwd=self.folder, capture_output=True, timeout=60,
                              check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def certificate(self, label, *names, issued=True):
        """Paths of certificate and key."""
        san = ",".join(f"DNS:{name}" for name in names)
        signed = ("-CA", "ca.pem", "-CAkey", "ca.key") if issued else ()
        self.openssl("req", "-x509", *signed, "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
                     "-nodes", "-days", "9", "-subj", "/CN=x", "-addext", f"subjectAltName={san}",
                     "-addext", "basicConstraints=critical,CA:false", "-keyout", f"{label}.key",
                     "-out", f"{label}.pem")
        return self.folder / f"{label}.pem", self.folder / f"{label}.key"


class Node:
    """msed with a domain, the API over TCP, and a resolver and an authority of the test's."""

    def __init__(self, folder):
        self.folder = folder
        self.state = folder / "s"
        self.names = Names()
        self.authority = Authority(folder)
        self.api, self.gateway = free_port(), free_port()
        self.config = folder / "msed.toml"
        self.config.write_text(
            f'state = "{self.state}"\nlisten = "127.0.0.1:{self.api}"\ndomain = "{DOMAIN}"\n'
            f'gateway = "127.0.0.1:{self.gateway}"\n'
            f'[limits]\nconnections = 60\n'
            f'[names]\nauthorities = "{folder}/ca.pem"\n'
            f'resolver = "127.0.0.1:{self.names.server_address[1]}"\n'
            f'allow = ["given.example.com=token:alice"]\n')
        self.process = None
        self.start()
        self.tokens = {name: self.msed("token", "add", name) for name in ("alice", "mallory")}
        self.operator = Owner(folder / "o", folder)
        self.operator.folder.mkdir()
        self.operator.env["MSE_NODE"] = str(self.state / "msed.sock")

    def msed(self, *arguments):
        done = subprocess.run([BUILD / "msed", "--config", self.config, *arguments], text=True,
                              capture_output=True, timeout=30, check=True)
        return done.stdout.strip().splitlines()[-1]

    def start(self):
        with open(self.folder / "log", "a", encoding="utf-8") as log:
            self.process = subprocess.Popen([BUILD / "msed", "--config", self.config], stderr=log,
                                            stdout=log)
        end = time.monotonic() + 30
        while time.monotonic() < end:
            try:
                return self.ask("GET", "/v1/node")
            except OSError:
                time.sleep(0.05)
        raise AssertionError((self.folder / "log").read_text())

    def kill(self):
        self.process.kill()
        self.process.wait()

    def ask(self, method, path):
        connection = UnixConnection(str(self.state / "msed.sock"))
        connection.request(method, path)
        answer = connection.getresponse()
        return json.loads(answer.read() or b"{}")

    def close(self):
        for app in self.ask("GET", "/v1/apps")["apps"]:
            self.ask("POST", f"/v1/apps/{app['id']}/stop")
        self.process.terminate()
        self.process.wait(30)
        self.names.shutdown()
        self.names.server_close()

    def package(self, name, host, certificate):
        """A package with a genuine manifest and no code that anybody could open."""
        project = self.operator.project(name, {"app.py": HELLO},
                                        toml=self.ssl_section(host, certificate))
        manifest = self.operator.ok("deploy", "--path", project, "--dry-run", "--json").json["manifest"]
        text = json.dumps(manifest, sort_keys=True, separators=(",", ":")).encode()
        sections = [(1, text), (3, certificate[0].read_bytes()), (4, os.urandom(4096))]
        body = b"mse-pkg\n" + struct.pack(">HH", 1, 0)
        for kind, data in sections:
            body += struct.pack(">IQ", kind << 24, len(data)) + data
        return manifest["id"], hashlib.sha256(text).digest(), body

    @staticmethod
    def ssl_section(host, certificate):
        return (f'[ssl]\ndomain_name = "{host}"\ncertificate = "{certificate[0]}"\n'
                f'private_key = "{certificate[1]}"\n')

    def sign(self, key, fingerprint):
        message = self.folder / "message"
        message.write_bytes(b" " * 64 + b"mse, name of an app, 1\0" + fingerprint)
        return self.authority.openssl("dgst", "-sha256", "-sign", str(key), str(message)).hex()

    def claim(self, who, host, certificate, signed=False):
        """Deploys as `who`; (status, document)."""
        name = f"app{len(self.names.asked)}-{time.monotonic_ns()}"
        _, fingerprint, body = self.package(name, host, certificate)
        context = ssl.create_default_context(cafile=self.state / "api.pem")
        context.check_hostname = False
        connection = http.client.HTTPSConnection("127.0.0.1", self.api, context=context, timeout=60)
        headers = {"Content-Type": "application/vnd.mse.package",
                   "Authorization": f"Bearer {self.tokens[who]}"}
        if signed:
            headers["Mse-Name-Proof"] = self.sign(certificate[1], fingerprint)
        connection.request("POST", "/v1/apps", body=body, headers=headers)
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())

    def refused(self, *arguments, says=(), **options):
        status, document = self.claim(*arguments, **options)
        assert status in (403, 409), document
        for words in says:
            assert words in document["error"]["message"] + document["error"]["hint"], document
        return document["error"]

    def accepted(self, *arguments, **options):
        status, document = self.claim(*arguments, **options)
        assert status == 201, document
        return document["id"]

    def wait_state(self, app, state):
        end = time.monotonic() + 60
        while time.monotonic() < end:
            now = self.ask("GET", f"/v1/apps/{app}")
            if now["state"] == state:
                return now
            time.sleep(0.05)
        raise AssertionError(f"{state!r} expected: {now}")

    def handshake(self, host, protocols=("http/1.1",), timeout=10):
        """The certificate that the gateway leads to."""
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        context.set_alpn_protocols(list(protocols))
        with socket.create_connection(("127.0.0.1", self.gateway), timeout) as plain, \
                context.wrap_socket(plain, server_hostname=host) as tls:
            return tls.getpeercert(binary_form=True)


@pytest.fixture(scope="module")
def node(workspace):
    folder = workspace / "names"
    folder.mkdir()
    made = Node(folder)
    yield made
    made.close()
    end = time.monotonic() + 15
    while leftovers(made.state) and time.monotonic() < end:
        time.sleep(0.1)
    assert leftovers(made.state) == []
    log = (folder / "log").read_text()
    assert [line for line in log.splitlines() if "Z error msed: " in line or "Sanitizer" in line] == []


def test_names_of_the_node_are_refused_to_everybody(node):
    other = "www.mine.example"
    for host, names in [(DOMAIN, [DOMAIN]), (f"a.{DOMAIN}", [f"a.{DOMAIN}"]),
                        (f"11111111-1111-4111-8111-111111111111.{DOMAIN}", [f"*.{DOMAIN}"])]:
        certificate = node.authority.certificate("node", *names)
        node.refused("mallory", host, certificate, signed=True, says=["names at or below", DOMAIN])
    for beside in (DOMAIN.upper(), f"*.{DOMAIN}", "*.test", f"x.{DOMAIN}"):
        certificate = node.authority.certificate("beside", other, beside)
        node.refused("mallory", other, certificate, signed=True, says=["names at or below", beside])
    project = node.operator.project("op", {"app.py": HELLO}, toml=node.ssl_section(
        DOMAIN, node.authority.certificate("operator", DOMAIN)))
    result = node.operator.run("deploy", "--path", project, "--yes")
    assert result.status == 1 and "names at or below" in result.err, repr(result)


def test_an_unproved_name_is_refused_with_what_to_do(node):
    host = "customer.example"
    certificate = node.authority.certificate("customer", host, issued=False)
    error = node.refused("mallory", host, certificate, signed=True, says=[
        "not proved", "names.allow", "self-signed", "_mse.customer.example",
        f"mse-account=token:mallory@{DOMAIN}"])
    assert error["hint"].startswith("add the DNS record")
    # Records that do not name this account here.
    node.names.texts["_mse.customer.example"] = [
        "mse-account=token:mallory", "mse-account=token:mallory@other.test", "mse-account=token:alice@" + DOMAIN]
    node.names.texts["customer.example"] = [f"mse-account=token:mallory@{DOMAIN}"]
    node.refused("mallory", host, certificate, signed=True)
    # The chain of the real owner, as every client of it has it, without a signature or with one of
    # another key.
    real = node.authority.certificate("real", "bank.example")
    node.refused("mallory", "bank.example", real, says=["has not signed"])
    _, own_key = node.authority.certificate("other", "bank.example", issued=False)
    right, node.sign = node.sign, lambda _, fingerprint: right(own_key, fingerprint)
    try:
        node.refused("mallory", "bank.example", real, signed=True, says=["has not signed"])
    finally:
        node.sign = right


def test_each_proof_is_enough(node):
    self_signed = node.authority.certificate("dns", "dns.example", issued=False)
    node.names.texts["_mse.dns.example"] = ["v=spf1 -all", f"mse-account=token:alice@{DOMAIN}"]
    apps = [node.accepted("alice", "dns.example", self_signed)]
    assert "_mse.dns.example" in node.names.asked
    alias = node.authority.certificate("alias", "alias.example", issued=False)
    node.names.aliases["_mse.alias.example"] = "proofs.example.net"
    node.names.texts["proofs.example.net"] = [f"mse-account=token:alice@{DOMAIN}"]
    apps.append(node.accepted("alice", "alias.example", alias))
    apps.append(node.accepted("alice", "ca.example", node.authority.certificate("ca-app", "*.example", "ca.example"),
                              signed=True))
    given = node.authority.certificate("given", "given.example.com", issued=False)
    node.refused("mallory", "given.example.com", given)
    apps.append(node.accepted("alice", "given.example.com", given))
    for app in apps:
        node.ask("POST", f"/v1/apps/{app}/stop")


def test_mse_proves_the_name_itself(node):
    certificate = node.authority.certificate("cli", "cli.example")
    folder = node.folder / "alice"
    folder.mkdir()
    alice = Owner(folder, folder)
    alice.env |= {"MSE_NODE": f"https://127.0.0.1:{node.api}", "MSE_NODE_TOKEN": node.tokens["alice"],
                  "MSE_NODE_CA": str(node.state / "api.pem")}
    project = alice.project("cli", {"app.py": HELLO}, toml=node.ssl_section("cli.example", certificate))
    process = subprocess.Popen([str(alice.mse), "deploy", "--path", str(project), "--yes"], env=alice.env,
                               stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    hosts = []
    while process.poll() is None and "cli.example" not in hosts:
        hosts = [app["host_name"] for app in node.ask("GET", "/v1/apps")["apps"]]
        time.sleep(0.02)
    process.terminate()
    errors = process.communicate(timeout=60)[1]
    assert "cli.example" in hosts, errors
    for app in node.ask("GET", "/v1/apps")["apps"]:
        node.ask("POST", f"/v1/apps/{app['id']}/stop")


def test_the_name_of_an_app_that_is_down_stays_its_own(node):
    """mallory has a proof too (the same customer's earlier agency, say), and waits for the crash."""
    host = "down.example"
    node.names.texts[f"_mse.{host}"] = [f"mse-account=token:{who}@{DOMAIN}" for who in ("alice", "mallory")]
    certificate = node.authority.certificate("down", host, issued=False)
    app = node.accepted("alice", host, certificate)
    node.wait_state(app, "initializing")
    node.handshake(host)
    supervisor = next(line.split()[0] for line in subprocess.run(
        ["ps", "-eo", "pid,args"], capture_output=True, text=True, check=True).stdout.splitlines()
        if "supervise" in line and app in line)
    os.kill(int(supervisor), 9)
    node.wait_state(app, "on_error")
    with pytest.raises(OSError):
        node.handshake(host)
    error = node.refused("mallory", host, certificate)
    assert "in use by another app" in error["message"] and app not in error["message"]
    node.kill()
    node.start()
    assert "in use by another app" in node.refused("mallory", host, certificate)["message"]
    node.ask("POST", f"/v1/apps/{app}/stop")
    node.ask("POST", f"/v1/apps/{node.accepted('mallory', host, certificate)}/stop")


def test_the_gateway_asks_no_app_for_acme_and_waits_for_nobody(node):
    host = "served.example"
    node.names.texts[f"_mse.{host}"] = [f"mse-account=token:alice@{DOMAIN}"]
    app = node.accepted("alice", host, node.authority.certificate("served", host, issued=False))
    node.wait_state(app, "initializing")
    node.handshake(host)
    for protocols in (["acme-tls/1"], ["h2", "acme-tls/1", "http/1.1"]):
        with pytest.raises(OSError):
            node.handshake(host, protocols)
    silent = [socket.create_connection(("127.0.0.1", node.gateway)) for _ in range(60)]
    started = time.monotonic()
    node.handshake(host)
    for i in range(2, 62):
        silent += [socket.create_connection(("127.0.0.1", node.gateway), source_address=(f"127.0.0.{i}", 0))
                   for _ in range(20)]
    node.handshake(host)
    assert time.monotonic() - started < 5
    assert node.ask("GET", "/v1/node")["connections"]["waiting"] <= 1024
    for each in silent:
        each.close()
    node.ask("POST", f"/v1/apps/{app}/stop")
