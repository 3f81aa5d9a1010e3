# SPDX-License-Identifier: Apache-2.0
"""`mse collateral fetch` against a local server that plays Intel's and AMD's services, in good and
bad moods, from real collateral."""
import http.server
import json
import os
import subprocess
import threading
import urllib.parse
from pathlib import Path

import pytest

from conftest import MSE, ROOT, Result

TDX_AT = "1772500000"


def samples():
    given = os.environ.get("MSE_ATTESTATION_SAMPLES")
    for folder in ([Path(given)] if given else
                   [ROOT / "../shared/attestation-samples", ROOT / "../../shared/attestation-samples"]):
        if (folder / "cases.tsv").exists():
            return folder
    pytest.skip("no attestation samples beside the source folder; set MSE_ATTESTATION_SAMPLES")


def der(pem: str) -> bytes:
    return subprocess.run(["openssl", "x509", "-outform", "DER"], input=pem.encode(),
                          capture_output=True, check=True).stdout


class Service:
    """Answers what `documents` says; `moods` maps a part of the path to a list of answers that come
    first: a status number, "cut", or a (status, headers) pair."""

    def __init__(self):
        self.documents = {}
        self.moods = {}
        self.asked = []
        service = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                service.asked.append(self.path)
                mood = next((service.moods[part].pop(0) for part in service.moods
                             if part in self.path and service.moods[part]), None)
                body, headers = service.documents.get(self.path, (None, {}))
                status = 200 if body is not None else 404
                body = body or b"no such document"
                if isinstance(mood, tuple):
                    status, headers = mood
                elif isinstance(mood, int):
                    status = mood
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body[:len(body) // 2] if mood == "cut" else body)
                if mood == "cut":
                    self.close_connection = True

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        self.thread = threading.Thread(target=self.server.serve_forever)
        self.thread.start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()

    def play_intel(self, collateral):
        def chain(name):
            return {"SGX-Issuer-Chain": urllib.parse.quote(collateral[name])}
        base = "/sgx/certification/v4"
        self.documents.update({
            f"{base}/pckcrl?ca=platform&encoding=der":
                (bytes.fromhex(collateral["pck_crl"]), chain("pck_crl_issuer_chain")),
            f"{base}/rootcacrl": (collateral["root_ca_crl"].encode(), {}),
            "/tdx/certification/v4/tcb?fmspc=90c06f000000":
                (b'{"tcbInfo":%s,"signature":"%s"}' % (collateral["tcb_info"].encode(),
                 collateral["tcb_info_signature"].encode()), chain("tcb_info_issuer_chain")),
            "/tdx/certification/v4/qe/identity":
                (b'{"enclaveIdentity":%s,"signature":"%s"}' % (collateral["qe_identity"].encode(),
                 collateral["qe_identity_signature"].encode()), chain("qe_identity_issuer_chain")),
        })

    def play_amd(self, collateral, crl):
        chip = "d2421d976f95ce0ba849b7cc5c789122f1e59c77a037272c137ae4d188bb102a" \
               "dbc7c53d0302bff82a432c94a305dec7a7a270ceb19a10f04a83316c6486968d"
        self.documents.update({
            f"/vcek/v1/Genoa/{chip}?blSPL=10&teeSPL=00&snpSPL=25&ucodeSPL=84":
                (der(collateral["vcek"]), {}),
            "/vcek/v1/Genoa/cert_chain":
                ((collateral["ask"] + collateral["ark"]).encode(), {}),
            "/vcek/v1/Genoa/crl": (crl, {}),
        })


@pytest.fixture
def service():
    made = Service()
    yield made
    made.close()


@pytest.fixture
def run(tmp_path):
    def call(*arguments, timeout=60):
        env = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "LANG": "C.UTF-8",
               "MSE_CACHE_HOME": str(tmp_path / "cache"), "MSE_CONFIG_HOME": str(tmp_path / "config")}
        return Result(subprocess.run([str(MSE), *map(str, arguments)], env=env, text=True,
                                     capture_output=True, timeout=timeout, check=False))
    return call


@pytest.fixture
def intel(service):
    folder = samples()
    service.play_intel(json.loads((folder / "tdx5-up-to-date.collateral.json").read_text()))
    return folder / "tdx5-up-to-date.evidence"


def fetch(run, evidence, service, output, *more):
    return run("collateral", "fetch", evidence, "--pccs", service.url, "--output", output, *more)


def test_intel_bundle_verifies(run, service, intel, tmp_path):
    bundle = tmp_path / "bundle.json"
    result = fetch(run, intel, service, bundle)
    assert result.status == 0, result
    verdict = run("verify", "--evidence", intel, "--collateral", bundle, "--at", TDX_AT, "--json")
    assert verdict.status == 0, verdict
    assert verdict.json["status"] == "UpToDate"
    at_once = run("verify", "--evidence", intel, "--fetch", "--pccs", service.url, "--at", TDX_AT)
    assert at_once.status == 0, at_once


def test_folder_in_the_place_of_a_service(run, service, intel, tmp_path):
    for path, (body, headers) in service.documents.items():
        file = tmp_path / "mirror" / path[1:]
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(body)
        for chain in headers.values():
            Path(f"{file}.chain").write_text(urllib.parse.unquote(chain))
    result = run("collateral", "fetch", intel, "--pccs", tmp_path / "mirror", "--output",
                 tmp_path / "bundle.json")
    assert result.status == 0, result
    assert not service.asked


@pytest.mark.parametrize("part, moods, status, words", [
    ("tcb?", [404], 1, "no such document"),
    ("tcb?", [(429, {"Retry-After": "1"}), (429, {"Retry-After": "1"})], 0, "429"),
    ("qe/identity", [500], 0, "status 500"),
    ("qe/identity", [500, 500, 500], 1, "status 500"),
    ("pckcrl", [403], 1, "status 403"),
    ("tcb?", ["cut"], 0, "broke off"),
    ("tcb?", ["cut", "cut", "cut"], 1, "broke off"),
])
def test_moods(run, service, intel, tmp_path, part, moods, status, words):
    service.moods[part] = moods
    result = fetch(run, intel, service, tmp_path / "bundle.json", "--no-cache")
    assert result.status == status, result
    assert words in result.err
    assert (tmp_path / "bundle.json").exists() == (status == 0)


def test_refused_connection(run, service, intel, tmp_path):
    service.server.server_close()
    result = fetch(run, intel, service, tmp_path / "bundle.json")
    assert result.status == 4, result
    assert "cannot reach" in result.err


def test_wrong_issuer(run, service, intel, tmp_path):
    other = json.loads((samples() / "snp-genoa-v5.collateral.json").read_text())
    body, _ = service.documents["/tdx/certification/v4/qe/identity"]
    service.documents["/tdx/certification/v4/qe/identity"] = (
        body, {"SGX-Issuer-Chain": urllib.parse.quote(other["vcek"] + other["ask"])})
    result = fetch(run, intel, service, tmp_path / "bundle.json")
    assert result.status == 3, result
    assert "qe-identity-chain" in result.err
    assert not (tmp_path / "bundle.json").exists()


def test_altered_document(run, service, intel, tmp_path):
    path = "/tdx/certification/v4/tcb?fmspc=90c06f000000"
    body, headers = service.documents[path]
    service.documents[path] = (body.replace(b'"UpToDate"', b'"Revoked"', 1), headers)
    result = fetch(run, intel, service, tmp_path / "bundle.json")
    assert result.status == 3, result
    assert "tcb-info" in result.err


def test_garbage_and_too_much(run, service, intel, tmp_path):
    service.documents["/sgx/certification/v4/rootcacrl"] = (b"<html>", {})
    assert fetch(run, intel, service, tmp_path / "bundle.json").status == 1
    service.documents["/sgx/certification/v4/rootcacrl"] = (b"0" * (5 << 20), {})
    result = fetch(run, intel, service, tmp_path / "bundle.json")
    assert result.status == 1
    assert "more than" in result.err


@pytest.fixture
def amd(service, tmp_path):
    folder = samples()
    collateral = json.loads((folder / "snp-genoa-v5.collateral.json").read_text())
    # AMD's CRLs are not among the samples; one of somebody else's key is of the right form.
    key, certificate = tmp_path / "key.pem", tmp_path / "ca.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                    "ec_paramgen_curve:P-256", "-nodes", "-keyout", key, "-out", certificate,
                    "-subj", "/CN=ARK-Genoa", "-days", "2"], check=True, capture_output=True)
    config = tmp_path / "ca.conf"
    (tmp_path / "index").write_text("")
    config.write_text(f"[ca]\ndefault_ca=d\n[d]\ndatabase={tmp_path}/index\ndefault_md=sha384\n"
                      f"default_crl_days=1\ncrl_extensions=e\n"
                      f"[e]\nauthorityKeyIdentifier=keyid\n")
    subprocess.run(["openssl", "ca", "-config", config, "-gencrl", "-keyfile", key, "-cert",
                    certificate, "-out", tmp_path / "crl.pem"], check=True, capture_output=True)
    crl = subprocess.run(["openssl", "crl", "-in", tmp_path / "crl.pem", "-outform", "DER"],
                         check=True, capture_output=True).stdout
    service.play_amd(collateral, crl)
    return folder / "snp-genoa-v5.evidence"


def test_amd_asks_for_this_very_chip_and_refuses_a_strangers_crl(run, service, amd, tmp_path):
    result = run("collateral", "fetch", amd, "--kds", service.url, "--output", tmp_path / "b.json")
    assert [path.split("?")[0].rsplit("/", 1)[1][:8] for path in service.asked] == \
        ["d2421d97", "cert_cha", "crl"], result
    assert result.status == 3, result
    assert "amd-crl.issuer" in result.err


def test_what_may_be_kept_is_kept(run, service, amd, tmp_path):
    for _ in range(2):
        run("collateral", "fetch", amd, "--kds", service.url, "--output", tmp_path / "b.json")
    assert len([path for path in service.asked if "SPL" in path]) == 1
    assert len([path for path in service.asked if "cert_chain" in path]) == 1
    run("collateral", "fetch", amd, "--kds", service.url, "--no-cache", "--output",
        tmp_path / "b.json")
    assert len([path for path in service.asked if "SPL" in path]) == 2


def test_a_vlek_comes_from_the_cloud_provider(run, service):
    folder = samples()
    result = run("collateral", "fetch", folder / "snp-milan-vlek.evidence", "--kds", service.url)
    assert result.status == 1
    assert "--vlek" in result.err
