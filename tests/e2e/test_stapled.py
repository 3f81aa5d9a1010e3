# SPDX-License-Identifier: Apache-2.0
"""Collateral that comes with the evidence: `msed staple` against an enclave that shows real evidence,
a real enclave that serves what the node gave it, and `mse verify` with every vendor's service down."""
import base64
import http.server
import json
import socket
import ssl
import subprocess
import threading
import time

import pytest

from conftest import BUILD, MSE, Result
from test_collateral import Service, samples

PROXY = b"\r\n\r\n\0\r\nQUIT\n"
LOCAL = PROXY + b"\x20\0\0\0"
HELLO = ("from flask import Flask\napp = Flask(__name__)\n"
         "@app.get('/')\ndef hello():\n    return 'hello\\n'\n")


class Enclave:
    """Shows a sample as its evidence, over TLS, on a TCP port or on a socket pair."""

    def __init__(self, folder, sample, collateral=None):
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
                        "-nodes", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost",
                        "-keyout", folder / "e.key", "-out", folder / "e.pem", "-days", "2"],
                       check=True, capture_output=True)
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(folder / "e.pem", folder / "e.key")
        self.given, self.asked = [], 0
        enclave = self
        document = {"format": 1, "tee": "tdx", "manifest": "{}", "public_key": "AAAA",
                    "collateral": collateral,
                    "evidence": base64.b64encode((samples() / sample).read_bytes()).decode()}

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self, body):
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def do_GET(self):
                enclave.asked += 1
                self.answer(json.dumps(document, sort_keys=True).encode())

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                enclave.given.append((self.path, body))
                self.answer(b'{"stapled":true}')

            def log_message(self, *_):
                pass

        self.handler = Handler

    def serve(self, connection):
        with self.context.wrap_socket(connection, server_side=True) as channel:
            self.handler(channel, ("127.0.0.1", 1), None)

    def listen(self):
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), self.handler)
        server.socket = self.context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return server


@pytest.fixture
def service():
    made = Service()
    made.play_intel(json.loads((samples() / "tdx5-up-to-date.collateral.json").read_text()))
    yield made
    made.close()


def staple(enclave, tmp_path, pccs, how="kept"):
    ours, theirs = socket.socketpair()
    headers = []

    def serve():
        headers.append(ours.recv(len(LOCAL)))
        try:
            enclave.serve(ours)
        except OSError:
            pass
    thread = threading.Thread(target=serve)
    thread.start()
    with theirs:
        done = subprocess.run(["bash", "-c", f'exec "$@" 3<&{theirs.fileno()}', "staple", BUILD / "msed",
                               "staple", how, pccs, "-", "-"], pass_fds=[theirs.fileno()],
                              env={"MSE_CACHE_HOME": str(tmp_path / "cache"), "PATH": "/usr/bin:/bin"},
                              capture_output=True, text=True, timeout=60, check=False)
    thread.join(timeout=20)
    assert headers == [LOCAL]
    return done


def test_the_node_gives_an_enclave_what_belongs_to_its_evidence(tmp_path, service):
    enclave = Enclave(tmp_path, "tdx5-up-to-date.evidence")
    done = staple(enclave, tmp_path, service.url)
    assert done.returncode == 0, done.stderr
    (path, bundle), = enclave.given
    assert path == "/.well-known/mse/collateral"
    (tmp_path / "bundle.json").write_bytes(bundle)
    judged = subprocess.run([MSE, "verify", "--evidence", samples() / "tdx5-up-to-date.evidence",
                             "--collateral", tmp_path / "bundle.json", "--at", "1772500000", "--json"],
                            capture_output=True, text=True, check=False)
    assert json.loads(judged.stdout)["status"] == "UpToDate", judged


def test_the_cache_serves_while_the_vendor_is_down(tmp_path, service):
    enclave = Enclave(tmp_path, "tdx5-up-to-date.evidence")
    assert staple(enclave, tmp_path, service.url).returncode == 0
    # The samples' documents have ended, so that they are no longer served: a clock of then would be
    # needed. What is kept says until when.
    kept = list((tmp_path / "cache" / "collateral").iterdir())
    assert len(kept) == 4
    for file in kept:
        record = json.loads(file.read_text())
        record["expires_at"] = int(time.time()) + 3600
        file.write_text(json.dumps(record, sort_keys=True, separators=(",", ":")))
    for how in ("kept", "refresh"):
        for part in ("pckcrl", "rootcacrl", "tcb?", "identity"):
            service.moods[part] = [403] * 3
        asked = len(service.asked)
        done = staple(enclave, tmp_path, service.url, how)
        assert done.returncode == 0, done.stderr
        assert (len(service.asked) > asked) == (how == "refresh")
    assert len(enclave.given) == 3
    assert len({bundle for _, bundle in enclave.given}) == 1


def test_simulated_and_broken_evidence_end_it(tmp_path, service):
    for sample, words in (("cases.tsv", "unknown format"),):
        enclave = Enclave(tmp_path, sample)
        done = staple(enclave, tmp_path, service.url)
        assert done.returncode == 1 and words in done.stderr, done
        assert not enclave.given


def ask(folder, header, method, path, body=b""):
    """One request on the app's own socket, as the gateway would begin."""
    with socket.socket(socket.AF_UNIX) as plain:
        plain.connect(str(folder / "app.sock"))
        plain.sendall(header)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        with context.wrap_socket(plain, server_hostname="localhost") as channel:
            channel.sendall(f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
                            f"Content-Length: {len(body)}\r\n\r\n".encode() + body)
            answer = b""
            while True:
                try:
                    piece = channel.recv(65536)
                except ssl.SSLError:
                    break
                if not piece:
                    break
                answer += piece
    return int(answer.split()[1]), answer.split(b"\r\n\r\n", 1)[1]


def from_client(address):
    return PROXY + b"\x21\x11\0\x0c" + socket.inet_aton(address) + socket.inet_aton("127.0.0.1") + \
        b"\x10\0\x20\0"


def test_an_enclave_takes_collateral_from_the_node_alone(owner, workspace):
    app = owner.deploy(owner.project("given", {"app.py": HELLO}))
    folder = next(workspace.glob(f"state/**/apps/{app['id']}"))
    nonce = "/.well-known/mse/attestation?nonce=" + "ab" * 32
    path, bundle = "/.well-known/mse/collateral", b'{"crl": "00"}\n'
    status, answer = ask(folder, from_client("192.0.2.7"), "POST", path, bundle)
    assert status == 403 and b"only the node" in answer
    assert json.loads(ask(folder, LOCAL, "GET", nonce)[1])["collateral"] is None
    assert ask(folder, LOCAL, "POST", path, b"\xff" * 10)[0] == 400
    assert ask(folder, LOCAL, "POST", path, b"x" * (300 << 10))[0] == 413
    status, answer = ask(folder, LOCAL, "POST", path, bundle)
    assert status == 200, answer
    document = json.loads(ask(folder, from_client("192.0.2.7"), "GET", nonce)[1])
    assert document["collateral"] == bundle.decode()


def verify(tmp_path, port, *more):
    env = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "LANG": "C.UTF-8"}
    return Result(subprocess.run([MSE, "verify", f"https://localhost:{port}", *more], env=env, text=True,
                                 capture_output=True, timeout=60, check=False))


def test_a_verdict_without_any_vendor_says_how_old_it_is(tmp_path, service):
    """The evidence is a sample, so its nonce is another: all of the chain is judged, and said."""
    bundle = (samples() / "tdx5-up-to-date.collateral.json").read_text()
    server = Enclave(tmp_path, "tdx5-up-to-date.evidence", bundle).listen()
    try:
        result = verify(tmp_path, server.server_address[1])
        assert result.status == 3, result
        assert "stapled by the enclave; the oldest of it: Intel's" in result.err, result
        assert "days old; good until 2026-03-" in result.err, result
        for line in ("pck-chain.signatures", "tcb-info.signature", "qe-identity.signature", "root-crl.signature"):
            assert f"pass  {line}" in result.out, result
        assert "FAIL  tcb-info.validity" in result.out and "FAIL  binding.report-data" in result.out
        assert not service.asked
        result = verify(tmp_path, server.server_address[1], "--max-age", "30")
        assert result.status == 3 and "days old, and 30 were allowed" in result.err, result
        result = verify(tmp_path, server.server_address[1], "--fetch", "--pccs", service.url)
        assert "from the vendor, just now" in result.err, result
        assert service.asked
    finally:
        server.shutdown()


def test_no_collateral_and_nonsense_are_named(tmp_path):
    (tmp_path / "a").mkdir()
    server = Enclave(tmp_path / "a", "tdx5-up-to-date.evidence").listen()
    result = verify(tmp_path, server.server_address[1])
    server.shutdown()
    assert result.status == 3 and "--fetch asks the vendor" in result.err, result
    assert "collateral.form" in result.out
    server = Enclave(tmp_path / "a", "tdx5-up-to-date.evidence", "<html>").listen()
    result = verify(tmp_path, server.server_address[1])
    server.shutdown()
    assert result.status == 3 and "collateral" in result.err, result
