# SPDX-License-Identifier: Apache-2.0
"""The operator as an adversary: a node that sends the owner to the wrong place, and what may wait
there. Everything that the client says is recorded."""
import http.client
import http.server
import json
import os
import socket
import socketserver
import ssl
import subprocess
import threading
from pathlib import Path


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost", timeout=60)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(60)
        self.sock.connect(self.path)


class LyingNode:
    """Passes the API on to a real node, and changes its answers with `lie(path, document)`."""

    def __init__(self, real_socket: Path, folder: Path, lie):
        self.path = str(folder / "liar.sock")

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def address_string(self):
                return "local"

            def log_message(self, *_):
                pass

            def forward(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                real = UnixConnection(str(real_socket))
                headers = {k: v for k, v in self.headers.items() if k.lower() == "content-type"}
                real.request(self.command, self.path, body=body, headers=headers)
                answer = real.getresponse()
                data = answer.read()
                try:
                    document = json.loads(data)
                    data = json.dumps(lie(self.path, document)).encode()
                except ValueError:
                    pass
                self.send_response(answer.status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            do_GET = do_POST = do_DELETE = forward

        class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
            daemon_threads = True

        self.server = Server(self.path, Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


class FakeNode:
    """A node that is none: answers each path with what it was given, bytes or a JSON document with
    a status."""

    def __init__(self, folder: Path, answers: dict):
        self.path = str(folder / "fake.sock")

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def address_string(self):
                return "local"

            def log_message(self, *_):
                pass

            def answer(self):
                status, body = answers[self.path.split("?")[0]]
                data = body if isinstance(body, bytes) else json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            do_GET = do_POST = do_DELETE = answer

        class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
            daemon_threads = True

        self.server = Server(self.path, Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


class Trap:
    """A TLS server on loopback that records what clients say inside TLS, and passes it on to a real
    enclave when it has one."""

    def __init__(self, certificate: Path, key: Path, enclave_port: int | None = None):
        self.said = b""
        self.handshakes = 0
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(certificate, key)
        self.enclave_port = enclave_port
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.closed = False
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        while not self.closed:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            client.settimeout(10)
            threading.Thread(target=self.serve, args=(client,), daemon=True).start()

    def serve(self, client):
        try:
            with self.context.wrap_socket(client, server_side=True) as tls:
                self.handshakes += 1
                upstream = None
                if self.enclave_port:
                    trusting = ssl._create_unverified_context()
                    raw = socket.create_connection(("127.0.0.1", self.enclave_port), 10)
                    upstream = trusting.wrap_socket(raw, server_hostname="localhost")
                while True:
                    data = tls.recv(65536)
                    if not data:
                        return
                    self.said += data
                    if upstream is None:
                        tls.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
                    else:
                        upstream.sendall(data)
                        tls.sendall(upstream.recv(1 << 20))
        except (OSError, ssl.SSLError):
            pass

    def close(self):
        self.closed = True
        self.listener.close()


def make_certificate(folder: Path, name: str, extension_der: bytes | None = None):
    """A self-signed certificate for localhost; optionally with somebody else's evidence in it."""
    config = folder / f"{name}.cnf"
    lines = ["[req]", "distinguished_name=dn", "x509_extensions=ext", "prompt=no", "[dn]",
             "CN=localhost", "[ext]", "subjectAltName=DNS:localhost"]
    if extension_der is not None:
        lines.append(f"2.23.133.5.4.9=DER:{extension_der.hex()}")
    config.write_text("\n".join(lines) + "\n")
    certificate, key = folder / f"{name}.pem", folder / f"{name}.key"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                    "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-config", str(config),
                    "-keyout", str(key), "-out", str(certificate)], check=True, capture_output=True)
    return certificate, key


def evidence_of(certificate_pem: str) -> bytes:
    """The content of the RA-TLS extension, cut out of a certificate's DER."""
    der = ssl.PEM_cert_to_DER_cert(certificate_pem)
    oid = bytes.fromhex("06066781050504 09".replace(" ", ""))
    at = der.index(oid) + len(oid)
    assert der[at] == 0x04
    return read_der(der, at)


def read_der(der: bytes, at: int) -> bytes:
    length = der[at + 1]
    start = at + 2
    if length & 0x80:
        count = length & 0x7F
        length = int.from_bytes(der[start:start + count], "big")
        start += count
    return der[start:start + length]
