# SPDX-License-Identifier: Apache-2.0
"""What an app user does: verify, with and without the owner's context."""
import json
from pathlib import Path

import pytest
import requests

from test_main_job import HELLO


@pytest.fixture
def app(owner):
    return owner.deploy(owner.project("proved", {"app.py": HELLO}, secrets={"k": "v"}))


def test_by_context_and_code(owner, app, tmp_path):
    context = tmp_path / "proved.context"
    owner.ok("context", "--export", "proved", "--output", context)
    text = context.read_text()
    exported = json.loads(text)
    assert exported["kind"] == "verification" and "node" not in exported
    assert "code_key" not in text and "secret" not in text
    certificate = tmp_path / "verified.pem"
    result = owner.ok("verify", app["url"], "--context", context, "--code",
                      owner.folder / "proved" / "code", "--output", certificate,
                      env={"MSE_CONFIG_HOME": str(tmp_path / "stranger")})
    assert "protects nothing from the operator" in (result.out + result.err).replace("\n", " ")
    assert requests.get(app["url"], verify=str(certificate), timeout=10).status_code == 200


def test_a_project_that_is_its_own_code_folder(owner, tmp_path):
    """location = ".": an auditor with a checkout, without the secrets, finds the same code."""
    folder = owner.folder / "whole"
    listing = ("import os\n\ndef app(environ, start_response):\n"
               "    start_response('200 OK', [])\n"
               "    return [' '.join(sorted(os.listdir(os.path.dirname(__file__)))).encode()]\n")
    published = {"app.py": listing, ".gitignore": "secrets.json\n*.db\n", "tests/test_it.py": "",
                 "mse.toml": 'name = "whole"\n[code]\nlocation = "."\ntests = "tests"\n'
                             'python_application = "app:app"\nsecrets = "secrets.json"\n'}
    kept = {"secrets.json": '{"k": "never packed"}', "local.db": "never packed", ".git/config": ""}
    for name, text in {**published, **kept}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    app = owner.deploy(folder)
    certificate = tmp_path / "verified.pem"
    owner.ok("verify", app["id"], "--code", folder, "--output", certificate)
    assert requests.get(app["url"], verify=str(certificate), timeout=10).text == "app.py"
    for name, text in published.items():
        (tmp_path / "checkout" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "checkout" / name).write_text(text)
    owner.ok("verify", app["id"], "--code", tmp_path / "checkout")
    (tmp_path / "checkout" / "more.py").write_text("")
    assert owner.run("verify", app["id"], "--code", tmp_path / "checkout").status == 3


def test_json_has_every_check(owner, app):
    verdict = owner.ok("verify", app["id"], "--json").json
    assert verdict["verdict"] == "accepted" and verdict["tee"] == "simulation"
    assert verdict["debug"] is False and len(verdict["checks"]) >= 3
    assert {"name", "result", "found", "expected", "hint"} <= set(verdict["checks"][0])


def test_other_code_is_refused(owner, app, tmp_path):
    other = tmp_path / "code"
    other.mkdir()
    (other / "app.py").write_text(HELLO + "# one byte more\n")
    result = owner.run("verify", app["id"], "--code", other)
    assert result.status == 3 and "not the code" in result.err


def test_fingerprint(owner, app):
    owner.ok("verify", app["id"], "--fingerprint", app["fingerprint"])
    wrong = owner.run("verify", app["id"], "--fingerprint", "00" * 32)
    assert wrong.status == 3
    short = owner.run("verify", app["id"], "--fingerprint", "abc")
    assert short.status == 2


def test_simulation_needs_to_be_named(owner, app, tmp_path):
    result = owner.run("verify", app["url"], env={"MSE_CONFIG_HOME": str(tmp_path / "nobody")})
    assert result.status == 3 and "simulation" in result.err + result.out


def test_only_an_address_or_an_app_is_verified(owner, app, tmp_path):
    """A verdict on the context's app is never given for something else that was named."""
    context = tmp_path / "proved.context"
    owner.ok("context", "--export", "proved", "--output", context)
    stranger = {"MSE_CONFIG_HOME": str(tmp_path / "stranger")}
    for other in ("google.com", "localhost:1", "http://localhost", "https://a@b", "https://", "", "prove"):
        result = owner.run("verify", other, "--context", context, env=stranger)
        assert result.status == 2 and "ACCEPTED" not in result.out, (other, result)
    nothing = owner.run("verify", "google.com", env=stranger)
    assert nothing.status == 1 and "https://HOST" in nothing.err
    assert owner.run("verify", env=stranger).status == 2
    by_context = owner.ok("verify", "--context", context, env=stranger)
    assert app["url"] in by_context.err and "ACCEPTED" in by_context.out
    owner.ok("verify", "proved", "--context", context, env=stranger)
    owner.ok("verify", app["id"], "--context", context, env=stranger)
    owner.ok("verify", app["url"] + "/whoami", "--context", context, env=stranger)


def test_nobody_there(owner):
    result = owner.run("verify", "https://localhost:1")
    assert result.status == 4


def test_not_an_enclave(owner, tmp_path):
    from adversary import Trap, make_certificate
    trap = Trap(*make_certificate(tmp_path, "web"))
    result = owner.run("verify", f"https://localhost:{trap.port}")
    trap.close()
    assert result.status == 3


def test_contexts(owner, app):
    listed = owner.ok("context", "--list", "--json").json
    assert [c["id"] for c in listed] == [app["id"]]
    assert listed[0]["fingerprint"] == app["fingerprint"]
    owner.ok("context", "--remove", "proved", "--yes")
    assert owner.ok("context", "--list", "--json").json == []
    gone = owner.run("context", "--export", "proved")
    assert gone.status == 1 and "no context" in gone.err
    owner.ok("context", "--purge", "--yes")
    assert owner.run("context").status == 2


def test_an_owner_certificate_stays_verifiable(owner, tmp_path):
    from adversary import make_certificate
    certificate, key = make_certificate(tmp_path, "own")
    toml = (f'[ssl]\ndomain_name = "localhost"\ncertificate = "{certificate}"\n'
            f'private_key = "{key}"\n')
    app = owner.deploy(owner.project("ownssl", {"app.py": HELLO}, toml=toml))
    assert Path(app["certificate"]).read_text() == certificate.read_text()
    answer = requests.get(app["url"], verify=str(certificate), timeout=10)
    assert answer.text == "hello\n"
    owner.ok("verify", app["id"])
    owner.ok("restart", app["id"])
    assert requests.get(app["url"], verify=str(certificate), timeout=10).text == "hello\n"


@pytest.mark.parametrize("break_it,expected", [
    (lambda p, k: k.write_text(make_other(p.parent)), "does not belong"),
])
def test_a_certificate_that_does_not_fit_is_refused(owner, tmp_path, break_it, expected):
    from adversary import make_certificate
    certificate, key = make_certificate(tmp_path, "own")
    break_it(certificate, key)
    toml = (f'[ssl]\ndomain_name = "localhost"\ncertificate = "{certificate}"\n'
            f'private_key = "{key}"\n')
    result = owner.run("deploy", "--path", owner.project("badssl", {"app.py": HELLO}, toml=toml), "--yes")
    assert result.status == 1 and expected in result.err and "mse.toml:" in result.err


def make_other(folder):
    from adversary import make_certificate
    return make_certificate(folder, "another")[1].read_text()
