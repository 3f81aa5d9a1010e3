# SPDX-License-Identifier: Apache-2.0
"""No secret leaves before verification: whatever waits at the address that the node names, it hears
neither a code key nor a secret, and the deployment ends with exit status 3."""
import ssl
from pathlib import Path

import pytest

from adversary import LyingNode, Trap, evidence_of, make_certificate
from test_main_job import HELLO

SECRET = "the-secret-nobody-may-hear"


@pytest.fixture
def stage(owner, node, tmp_path):
    """Deploys through a lying node; returns the result of mse."""
    closing = []

    def run(lie):
        liar = LyingNode(node / "node" / "msed.sock", owner.folder, lie)
        closing.append(liar)
        project = owner.project("bait", {"app.py": HELLO}, secrets={"token": SECRET})
        return owner.run("deploy", "--path", project, "--yes", "--timeout", "20", "--node", liar.path,
                         "--simulation")  # a liar is not at home: what is refused is the lie alone

    yield run
    for liar in closing:
        liar.close()


def elsewhere(port):
    """An answer about an app names another address."""
    def lie(path, document):
        if path.startswith("/v1/apps") and isinstance(document, dict) and "url" in document:
            document["url"] = f"https://localhost:{port}"
        return document
    return lie


def refused(result, trap=None):
    assert result.status == 3, repr(result)
    assert SECRET not in result.out + result.err
    if trap is not None:
        assert trap.said == b"", "the client spoke inside TLS before it had verified"


def test_plain_web_server(stage, tmp_path):
    trap = Trap(*make_certificate(tmp_path, "plain"))
    refused(stage(elsewhere(trap.port)), trap)
    trap.close()


def test_man_in_the_middle(stage, owner, tmp_path):
    app = owner.deploy(owner.project("victim", {"app.py": HELLO}))
    trap = Trap(*make_certificate(tmp_path, "middle"), enclave_port=int(app["url"].rsplit(":", 1)[1]))
    refused(stage(elsewhere(trap.port)), trap)
    trap.close()


def test_replayed_evidence_with_another_key(stage, owner, tmp_path):
    app = owner.deploy(owner.project("genuine", {"app.py": HELLO}))
    evidence = evidence_of(Path(app["certificate"]).read_text())
    trap = Trap(*make_certificate(tmp_path, "replay", evidence))
    refused(stage(elsewhere(trap.port)), trap)
    trap.close()


def test_genuine_enclave_of_another_app(stage, owner):
    app = owner.deploy(owner.project("other", {"app.py": HELLO + "# other\n"}))
    result = stage(elsewhere(int(app["url"].rsplit(":", 1)[1])))
    refused(result)
    assert "fingerprint" in result.err


def test_evidence_of_another_node(stage):
    def lie(path, document):
        if path == "/v1/node":
            document["simulation_root"] = "11" * 32
        return document
    refused(stage(lie))


def test_another_runtime_is_named(stage):
    def lie(path, document):
        if path == "/v1/node":
            document["runtime_digest"] = "22" * 32
        return document
    result = stage(lie)
    assert result.status == 1 and "runtime" in result.err


def test_no_verify_is_loud(owner):
    project = owner.project("careless", {"app.py": HELLO})
    result = owner.ok("deploy", "--path", project, "--yes", "--no-verify")
    assert "warning" in result.err and "can read them" in result.err
