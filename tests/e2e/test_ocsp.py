# SPDX-License-Identifier: Apache-2.0
"""An owner's certificate with the OCSP response of its authority: deployed, shown to who asks,
renewed without a deployment, kept over a restart; what does not fit is refused."""
import json
import re
import ssl
import subprocess
import urllib.error
import urllib.request

import pytest

HELLO = ("from flask import Flask\napp = Flask(__name__)\n"
         "@app.get('/')\ndef hello():\n    return 'hello\\n'\n")


class Authority:
    """A certificate authority with a responder, in a folder."""

    def __init__(self, folder):
        self.folder = folder
        self.index = folder / "index.txt"
        self.index.write_text("")
        self.openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                     "-days", "30", "-subj", "/CN=test authority", "-keyout", "ca.key", "-out", "ca.pem",
                     "-addext", "keyUsage=critical,keyCertSign,cRLSign")

    def openssl(self, *arguments):
        done = subprocess.run(["openssl", *arguments], cwd=self.folder, capture_output=True,
                              text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def certificate(self, name, serial, *key_type):
        """A key and a certificate for localhost, followed by the authority's."""
        self.openssl("req", "-new", *key_type, "-nodes", "-subj", "/CN=localhost",
                     "-keyout", f"{name}.key", "-out", f"{name}.csr")
        (self.folder / "san").write_text("subjectAltName=DNS:localhost\nbasicConstraints=CA:false\n")
        self.openssl("x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key",
                     "-set_serial", str(serial), "-days", "10", "-extfile", "san", "-out", f"{name}.pem")
        line = ["V", "350101000000Z", "", f"{serial:02X}", "unknown", f"/CN={name}"]
        self.index.write_text(self.index.read_text() + "\t".join(line) + "\n")
        chain = (self.folder / f"{name}.pem").read_text() + (self.folder / "ca.pem").read_text()
        (self.folder / f"{name}.chain").write_text(chain)

    def respond(self, name, minutes, index="index.txt"):
        self.openssl("ocsp", "-index", index, "-CA", "ca.pem", "-rsigner", "ca.pem", "-rkey", "ca.key",
                     "-issuer", "ca.pem", "-cert", f"{name}.pem", "-nmin", str(minutes), "-no_nonce",
                     "-respout", f"{name}.{minutes}.der")
        return self.folder / f"{name}.{minutes}.der"

    def toml(self, name, response=None):
        text = (f'[ssl]\ndomain_name = "localhost"\ncertificate = "{self.folder}/{name}.chain"\n'
                f'private_key = "{self.folder}/{name}.key"\n')
        return text + (f'ocsp_response = "{response}"\n' if response else "")


P256 = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256")
ED25519 = ("-newkey", "ed25519")


@pytest.fixture
def authority(tmp_path):
    made = Authority(tmp_path)
    made.certificate("own", 17, *P256)
    made.certificate("other", 18, *P256)
    return made


def stapled(app, authority):
    """What openssl says about the response that it was shown; it checks the signature itself."""
    port = app["url"].rsplit(":", 1)[1].strip("/")
    done = subprocess.run(["openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-servername",
                           "localhost", "-status", "-CAfile", authority.folder / "ca.pem",
                           "-verify_return_error"], input="", capture_output=True, text=True,
                          timeout=30, check=False)
    assert "Verify return code: 0 (ok)" in done.stdout, done.stdout + done.stderr
    if "OCSP response: no response sent" in done.stdout:
        return None
    assert "OCSP Response Status: successful" in done.stdout, done.stdout
    assert "Cert Status: good" in done.stdout, done.stdout
    return re.search(r"Next Update: (.*)", done.stdout).group(1)


def test_a_response_is_shown_renewed_and_kept(owner, authority):
    first = authority.respond("own", 600)
    app = owner.deploy(owner.project("stapled", {"app.py": HELLO}, toml=authority.toml("own", first)))
    context = ssl.create_default_context(cafile=authority.folder / "ca.pem")
    with urllib.request.urlopen(app["url"], context=context, timeout=10) as answer:
        assert answer.read() == b"hello\n"
    shown = stapled(app, authority)
    assert shown is not None
    renewed = owner.ok("staple", "stapled", authority.respond("own", 1200), "--json").json
    assert renewed["id"] == app["id"]
    later = stapled(app, authority)
    assert later is not None and later != shown
    owner.ok("restart", app["id"])
    assert stapled(app, authority) == later
    owner.ok("verify", app["id"])


def test_an_ed25519_key_without_a_response_gets_one_later(owner, authority):
    authority.certificate("ed", 19, *ED25519)
    app = owner.deploy(owner.project("edwards", {"app.py": HELLO}, toml=authority.toml("ed")))
    assert stapled(app, authority) is None
    wrong = owner.run("staple", "edwards", authority.respond("own", 600))
    assert wrong.status == 1 and "about another certificate" in wrong.err
    # Past the check of mse: the enclave's own.
    context = ssl.create_default_context(cafile=authority.folder / "ca.pem")
    for body, expected in [((authority.folder / "own.600.der").read_bytes(), "about another certificate"),
                           (b"", "no OCSP response"), (b"x" * 70000, "larger than this path takes, at most ")]:
        request = urllib.request.Request(app["url"] + "/.well-known/mse/ocsp", data=body)
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(request, context=context, timeout=10)
        assert expected in json.load(refused.value)["error"]["message"]
    assert stapled(app, authority) is None
    owner.ok("staple", "edwards", authority.respond("ed", 600))
    assert stapled(app, authority) is not None


def test_what_does_not_fit_is_refused_before_anything_is_sent(owner, authority):
    revoked = authority.folder / "revoked.txt"
    revoked.write_text(authority.index.read_text().replace("V\t350101000000Z\t", "R\t350101000000Z\t250101000000Z"))
    cases = [(authority.respond("other", 600), "about another certificate"),
             (authority.folder / "own.pem", "no OCSP response"),
             (authority.respond("own", 601, index="revoked.txt"), "has been revoked, since 2025-01-01")]
    for response, expected in cases:
        folder = owner.project("badstaple", {"app.py": HELLO}, toml=authority.toml("own", response))
        result = owner.run("deploy", "--path", folder, "--yes")
        assert result.status == 1 and expected in result.err and "mse.toml:" in result.err, result


def test_a_certificate_made_inside_has_no_responder(owner, authority):
    owner.deploy(owner.project("inside", {"app.py": HELLO}))
    result = owner.run("staple", "inside", authority.respond("own", 600))
    assert result.status == 1 and "no responder" in result.err
